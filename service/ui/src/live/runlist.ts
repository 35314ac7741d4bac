import { runs as service } from "../api/clients";
import { workspace } from "../api/workspace";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { RunEventKind, RunView, type RunEvent } from "../gen/towpath/api/v1/run_service_pb";
import { Store } from "./store";
import { follow } from "./stream";

const FIRST_PAGE = 100;
const NEXT_PAGE = 200;

/** Runs that match a filter, newest first: pages as they are asked for, changes as they come. */
export class RunList extends Store {
  rows: Run[] = [];
  /** New runs, held back while the reader is further down. */
  waiting: Run[] = [];
  loading = true;
  error: unknown = null;
  nextPage = "";
  held = false;
  private byId = new Map<string, Run>();
  private control = new AbortController();
  private asking = false;

  constructor(readonly filter: string, readonly orderBy = "") {
    super();
  }

  start = (): (() => void) => {
    this.control = new AbortController();
    void this.load(this.control.signal);
    return () => this.control.abort();
  };

  private async load(signal: AbortSignal): Promise<void> {
    try {
      const page = await this.page("", FIRST_PAGE, signal);
      this.rows = page.runs;
      this.waiting = [];
      this.byId = new Map(page.runs.map((run) => [run.runId, run]));
      this.nextPage = page.nextPageToken;
      this.loading = false;
      this.error = null;
      this.changed();
      // Another order than the newest first has no place for what comes in.
      if (this.orderBy === "") void this.watch(page.resumeToken, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.loading = false;
      this.changed();
    }
  }

  private page(pageToken: string, pageSize: number, signal: AbortSignal) {
    const { filter, orderBy } = this;
    return service.listRuns({ parent: workspace(), filter, orderBy, pageSize, pageToken, view: RunView.BASIC }, { signal });
  }

  private watch(token: string, signal: AbortSignal): Promise<void> {
    const request = { parent: workspace(), filter: this.filter, view: RunView.BASIC, minInterval: { seconds: 0n, nanos: 250e6 } };
    return follow({
      token,
      open: (resumeToken, stop) => service.watchRuns({ ...request, resumeToken }, { signal: stop }),
      take: (message) => this.take(message.events),
      expired: () => void this.load(signal),
    }, signal);
  }

  private take(events: RunEvent[]): void {
    if (!events.length) return;
    const fresh: Run[] = [];
    let replaced = false;
    for (const { kind, run } of events) {
      if (!run) continue;
      const known = this.byId.get(run.runId);
      if (kind === RunEventKind.REMOVED) {
        if (known) this.drop(run.runId);
      } else if (!known) {
        this.byId.set(run.runId, run);
        fresh.push(run);
      } else if (run.revision >= known.revision) {
        this.byId.set(run.runId, run);
        replaced = true;
      }
    }
    if (replaced) this.refresh();
    if (fresh.length) this.add(fresh);
    this.changed();
  }

  private drop(id: string): void {
    this.byId.delete(id);
    this.rows = this.rows.filter((run) => run.runId !== id);
    this.waiting = this.waiting.filter((run) => run.runId !== id);
  }

  private refresh(): void {
    this.rows = this.rows.map(this.newest);
    this.waiting = this.waiting.map(this.newest);
  }

  private add(fresh: Run[]): void {
    fresh.sort((a, b) => (a.runId < b.runId ? 1 : -1));
    if (this.held) this.waiting = fresh.concat(this.waiting);
    else this.rows = fresh.concat(this.rows);
  }

  /** A run as it is known now. */
  newest = (run: Run): Run => this.byId.get(run.runId) ?? run;

  /** Shows the runs that were held back. */
  release(): void {
    if (!this.waiting.length) return;
    this.rows = this.waiting.concat(this.rows);
    this.waiting = [];
    this.changed();
  }

  /** Loads the next page, if there is one. */
  async next(): Promise<void> {
    if (!this.nextPage || this.asking) return;
    this.asking = true;
    const { signal } = this.control;
    try {
      const page = await this.page(this.nextPage, NEXT_PAGE, signal);
      const added = page.runs.filter((run) => !this.byId.has(run.runId));
      for (const run of added) this.byId.set(run.runId, run);
      this.rows = this.rows.concat(added);
      this.nextPage = page.nextPageToken;
      this.changed();
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
      this.changed();
    } finally {
      this.asking = false;
    }
  }
}
