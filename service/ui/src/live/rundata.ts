import { runs } from "../api/clients";
import { quoted, runName, workspace } from "../api/workspace";
import { lastPart, ms } from "../format";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { RunEventKind, RunView, type RunEvent } from "../gen/towpath/api/v1/run_service_pb";
import { TimelineModel } from "../timeline/model";
import { Store } from "./store";
import { follow } from "./stream";
import { TimelineReader } from "./timeline";

const MOST_RUNS = 20_000;

/** One run and all below it, kept up to date. */
export class RunData extends Store {
  run: Run | null = null;
  model = new TimelineModel();
  error: unknown = null;
  /** Whether the runs below it have been read. */
  filled = false;
  gone = false;
  /** Whether there are more runs than a page draws. */
  truncated = false;
  private details = new Map<string, Run>();
  private control = new AbortController();

  constructor(readonly id: string) {
    super();
  }

  start = (): (() => void) => {
    this.control = new AbortController();
    void this.load(this.control.signal);
    return () => this.control.abort();
  };

  private async load(signal: AbortSignal): Promise<void> {
    try {
      const head = this.loadRun(signal);
      const token = await this.loadTimeline(signal);
      await head;
      this.filled = true;
      this.changed();
      void this.watch(token, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.changed();
    }
  }

  private async loadRun(signal: AbortSignal): Promise<void> {
    const answer = await runs.getRun({ name: runName(this.id) }, { signal });
    this.run = answer.run ?? null;
    this.changed();
  }

  /** Reads the runs below; the answer is where to watch from. */
  private async loadTimeline(signal: AbortSignal): Promise<string> {
    // A segment of an earlier reading would come twice.
    this.model.segments.clear();
    const reader = new TimelineReader(this.model);
    for await (const message of runs.streamRunTimeline({ name: runName(this.id), maxRuns: MOST_RUNS }, { signal })) {
      reader.take(message);
      this.changed();
    }
    reader.end();
    this.truncated = reader.truncated;
    return reader.resumeToken;
  }

  private watch(token: string, signal: AbortSignal): Promise<void> {
    const request = {
      parent: workspace(), filter: `root_run = ${quoted(this.rootId())}`, view: RunView.BASIC,
      minInterval: { seconds: 0n, nanos: 200e6 },
    };
    return follow({
      token,
      open: (resumeToken, stop) => runs.watchRuns({ ...request, resumeToken }, { signal: stop }),
      take: (message) => this.take(message.events),
      expired: () => void this.load(signal),
    }, signal);
  }

  private rootId(): string {
    return this.run?.rootRun.split("/").at(-1) ?? this.id;
  }

  private take(events: RunEvent[]): void {
    for (const { kind, run } of events) {
      if (!run) continue;
      if (run.runId === this.id) this.takeOwn(kind, run);
      else if (kind !== RunEventKind.REMOVED) this.takeBelow(run);
    }
    if (events.length) this.changed();
  }

  private takeOwn(kind: RunEventKind, run: Run): void {
    if (kind === RunEventKind.REMOVED) {
      this.gone = true;
      return;
    }
    if (this.run && run.revision < this.run.revision) return;
    // The watch leaves out what is heavy: that stays, until it is read again at the end.
    const ended = run.endTime && !this.run?.endTime;
    this.run = { ...run, parameters: this.run?.parameters, dependencies: this.run?.dependencies ?? [] };
    if (ended) void this.reload(this.control.signal);
  }

  /** Reads what the watch leaves out: dependencies, and values. */
  private async reload(signal: AbortSignal): Promise<void> {
    try {
      await this.loadRun(signal);
      await this.loadTimeline(signal);
      this.changed();
    } catch {
      // What the watch has brought stays.
    }
  }

  /** The watch is of the whole tree, and the page may be of a run within it. */
  private isBelow(run: Run): boolean {
    const parent = lastPart(run.parentRun);
    return parent === this.id || this.model.rowOf(parent) >= 0 || this.model.rowOf(run.runId) >= 0;
  }

  private takeBelow(run: Run): void {
    if (!this.isBelow(run)) return;
    this.details.delete(run.runId);
    const changed = this.model.upsert({
      id: run.runId, name: run.displayName, group: run.taskName || run.flowName, state: run.state,
      revision: Number(run.revision), created: ms(run.createTime), start: ms(run.startTime), end: ms(run.endTime),
      attempt: run.attempt,
    });
    if (changed && run.attempt > 1) this.model.noteState(this.model.rowOf(run.runId), run.state, ms(run.stateTime));
  }

  /** All of a run below. */
  async detail(id: string): Promise<Run | undefined> {
    const known = this.details.get(id);
    if (known) return known;
    const { run } = await runs.getRun({ name: runName(id) }, { signal: this.control.signal });
    if (run) this.details.set(id, run);
    return run;
  }
}
