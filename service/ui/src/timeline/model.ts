import { RunState } from "../gen/towpath/api/v1/state_pb";
import { plainLine } from "../parts/ansi";
import { TERMINAL } from "../states";

/** A run below the shown one, as it comes from the server. Times are milliseconds, NaN when unset. */
export interface TaskRun {
  id: string;
  name: string;
  /** Name of the task that it is a run of; empty to take it from `name`. */
  group: string;
  state: number;
  revision: number;
  created: number;
  start: number;
  end: number;
  attempt: number;
  upstream?: string[];
}

/** A change of state within a run that was tried more than once. */
export interface Segment {
  state: number;
  time: number;
}

/** The runs of one task. */
export interface Group {
  name: string;
  rows: number[];
  lanes: Int32Array[];
  laneOf: Map<number, number>;
  counts: Uint32Array;
  stale: boolean;
  first: number;
}

const STATES = 16;
const MOST_LETTERS = 255;
const NEW = 255;

/** "extract" of "extract[17]". */
export function baseName(name: string): string {
  const cut = name.lastIndexOf("[");
  return cut > 0 && name.endsWith("]") ? name.slice(0, cut) : name;
}

/** Task runs of one run in columns, so that 10,000 of them are a few typed arrays and not 10,000 objects. */
export class TimelineModel {
  n = 0;
  ids: string[] = [];
  names: string[] = [];
  upstream: (string[] | undefined)[] = [];
  segments = new Map<number, Segment[]>();
  created = new Float64Array(1024);
  start = new Float64Array(1024);
  end = new Float64Array(1024);
  revision = new Float64Array(1024);
  state = new Uint8Array(1024);
  attempt = new Uint16Array(1024);
  group = new Uint16Array(1024);
  groups: Group[] = [];
  counts = new Uint32Array(STATES);
  /** Time of the first start and of the last end. */
  t0 = Infinity;
  t1 = -Infinity;
  /** Runs that have not ended. */
  open = 0;
  version = 0;
  private index = new Map<string, number>();
  private groupIndex = new Map<string, number>();

  rowOf = (id: string): number => this.index.get(id) ?? -1;

  groupOf(row: number): Group {
    return this.groups[this.group[row]];
  }

  /** Takes a run; whether anything changed. An older revision is dropped. */
  upsert(run: TaskRun): boolean {
    const row = this.index.get(run.id) ?? this.add(run);
    if (run.upstream?.length) this.upstream[row] = run.upstream;
    if (run.revision < this.revision[row]) return false;
    const ends = this.end[row];
    const sameEnd = run.end === ends || (Number.isNaN(run.end) && Number.isNaN(ends));
    if (run.revision === this.revision[row] && run.state === this.state[row] && sameEnd) return false;
    this.count(row, run.state);
    this.start[row] = run.start;
    this.end[row] = run.end;
    this.revision[row] = run.revision;
    this.attempt[row] = run.attempt;
    this.stretch(this.groupOf(row), run);
    this.version++;
    return true;
  }

  /** Adds a change of state to the attempts of a run that is tried again. */
  noteState(row: number, state: number, time: number): void {
    const known = this.segments.get(row) ?? [{ state: RunState.RUNNING, time: this.start[row] }];
    this.segments.set(row, known);
    const last = known[known.length - 1];
    if (last.state !== state || last.time < time) known.push({ state, time });
  }

  private add(run: TaskRun): number {
    const row = this.n++;
    if (row >= this.start.length) this.grow();
    this.index.set(run.id, row);
    this.ids[row] = run.id;
    this.names[row] = plainLine(run.name, MOST_LETTERS);
    this.revision[row] = -1;
    this.state[row] = NEW;
    this.created[row] = run.created;
    const name = run.group || baseName(run.name);
    let group = this.groupIndex.get(name);
    if (group === undefined) {
      group = this.groups.length;
      this.groupIndex.set(name, group);
      const counts = new Uint32Array(STATES);
      this.groups.push({ name, rows: [], lanes: [], laneOf: new Map(), counts, stale: true, first: Infinity });
    }
    this.group[row] = group;
    this.groups[group].rows.push(row);
    return row;
  }

  private count(row: number, state: number): void {
    const group = this.groupOf(row);
    const before = this.state[row];
    if (before !== NEW) {
      this.counts[before]--;
      group.counts[before]--;
      if (!TERMINAL.has(before)) this.open--;
    }
    this.state[row] = state;
    this.counts[state]++;
    group.counts[state]++;
    if (!TERMINAL.has(state)) this.open++;
  }

  private stretch(group: Group, run: TaskRun): void {
    group.stale = true;
    if (run.start < group.first) group.first = run.start;
    if (run.start < this.t0) this.t0 = run.start;
    if (run.start > this.t1) this.t1 = run.start;
    if (run.end > this.t1) this.t1 = run.end;
  }

  private grow(): void {
    const wide = <T extends { length: number; set(from: T): void }>(from: T, make: (n: number) => T): T => {
      const wider = make(from.length * 2);
      wider.set(from);
      return wider;
    };
    const floats = (n: number) => new Float64Array(n);
    const shorts = (n: number) => new Uint16Array(n);
    this.created = wide(this.created, floats);
    this.start = wide(this.start, floats);
    this.end = wide(this.end, floats);
    this.revision = wide(this.revision, floats);
    this.state = wide(this.state, (n) => new Uint8Array(n));
    this.attempt = wide(this.attempt, shorts);
    this.group = wide(this.group, shorts);
  }

  /** The groups by their first starts. */
  ordered(): Group[] {
    return [...this.groups].sort((a, b) => a.first - b.first || (a.name < b.name ? -1 : 1));
  }

  /** When a run ended; now for one that is under way. */
  endOf(row: number, now: number): number {
    const end = this.end[row];
    if (!Number.isNaN(end)) return end;
    return TERMINAL.has(this.state[row]) ? this.start[row] : now;
  }

  /** The run that ended badly first: where to look for the cause. */
  firstBad(bad: ReadonlySet<number>): number {
    let found = -1;
    for (let row = 0; row < this.n; row++)
      if (bad.has(this.state[row]) && (found < 0 || this.end[row] < this.end[found])) found = row;
    return found;
  }

  /** The chain that the whole run waited for: from the last end, back to the upstream run that ended last. */
  criticalPath(): number[] {
    let row = -1;
    for (let i = 0; i < this.n; i++)
      if (!Number.isNaN(this.end[i]) && (row < 0 || this.end[i] > this.end[row])) row = i;
    const path: number[] = [];
    while (row >= 0 && path.length < this.n) {
      path.push(row);
      row = this.lastUpstream(row);
    }
    return path.reverse();
  }

  lastUpstream(row: number): number {
    let last = -1;
    for (const id of this.upstream[row] ?? []) {
      const at = this.rowOf(id);
      if (at >= 0 && (last < 0 || this.end[at] > this.end[last])) last = at;
    }
    return last;
  }
}
