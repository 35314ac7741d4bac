import { BAD } from "../states";
import type { TimelineModel } from "./model";

/** How many ran at once: a stack of families for each column of pixels. */
export interface Density {
  stacks: Float32Array[];
  /** Bad ends for each column. */
  bad: Uint8Array;
  peak: number;
}

export const FAMILIES = 4;
const LEAST_AREA = 0.004;

/**
 * Counts what ran at once, by area, so that a column is as high as what ran in it on average.
 * Difference arrays make it O(runs + columns).
 */
export function densityOf(
  model: TimelineModel, rows: ArrayLike<number> | null, t0: number, t1: number, columns: number, now: number, familyOf: Uint8Array,
): Density {
  const stacks = Array.from({ length: FAMILIES }, () => new Float32Array(columns + 1));
  const parts = Array.from({ length: FAMILIES }, () => new Float32Array(columns + 1));
  const bad = new Uint8Array(columns);
  const scale = columns / (t1 - t0);
  const n = rows ? rows.length : model.n;
  for (let i = 0; i < n; i++) {
    const row = rows ? rows[i] : i;
    const start = model.start[row];
    if (Number.isNaN(start)) continue;
    const from = Math.max(0, (start - t0) * scale);
    const to = (model.endOf(row, now) - t0) * scale;
    if (to < 0 || from >= columns) continue;
    if (BAD.has(model.state[row]) && to < columns) {
      const column = Math.max(0, Math.floor(to));
      if (bad[column] < 255) bad[column]++;
    }
    const family = familyOf[model.state[row]];
    cover(stacks[family], parts[family], from, Math.min(to, columns), columns);
  }
  return { stacks, bad, peak: sumUp(stacks, parts, columns) };
}

/** The columns at both ends count by part, those between as a whole. */
function cover(differences: Float32Array, part: Float32Array, from: number, to: number, columns: number): void {
  const first = Math.floor(from);
  const last = Math.floor(to);
  if (first === last) {
    if (first < columns) part[first] += Math.max(to - from, LEAST_AREA);
    return;
  }
  part[first] += first + 1 - from;
  if (last < columns) part[last] += to - last;
  differences[first + 1]++;
  differences[last]--;
}

function sumUp(stacks: Float32Array[], parts: Float32Array[], columns: number): number {
  let peak = 0;
  const sums = new Float32Array(FAMILIES);
  for (let column = 0; column < columns; column++) {
    let all = 0;
    for (let family = 0; family < FAMILIES; family++) {
      sums[family] += stacks[family][column];
      const value = sums[family] + parts[family][column];
      stacks[family][column] = value < 1e-4 ? 0 : value;
      all += value;
    }
    if (all > peak) peak = all;
  }
  return peak;
}
