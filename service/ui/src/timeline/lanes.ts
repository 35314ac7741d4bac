import { TERMINAL } from "../states";
import { Heap } from "./heap";
import type { Group, TimelineModel } from "./model";

/** Packs the runs of a group into as few lanes as never overlap: two heaps, O(n log n). */
export function lanesOf(model: TimelineModel, group: Group): Int32Array[] {
  if (!group.stale) return group.lanes;
  const { start, end, state } = model;
  const rows = group.rows.filter((row) => !Number.isNaN(start[row])).sort((a, b) => start[a] - start[b] || a - b);
  const lanes: number[][] = [];
  const free = new Heap<number>((a, b) => a - b);
  const busy = new Heap<[number, number]>((a, b) => a[0] - b[0]);
  group.laneOf.clear();
  for (const row of rows) {
    while (busy.size && busy.top()[0] <= start[row]) free.push(busy.pop()[1]);
    const lane = free.size ? free.pop() : lanes.push([]) - 1;
    lanes[lane].push(row);
    group.laneOf.set(row, lane);
    // A run that is under way holds its lane.
    const until = !Number.isNaN(end[row]) ? end[row] : TERMINAL.has(state[row]) ? start[row] : Infinity;
    busy.push([until, lane]);
  }
  group.lanes = lanes.map((lane) => Int32Array.from(lane));
  group.stale = false;
  return group.lanes;
}
