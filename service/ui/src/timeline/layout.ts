import { lanesOf } from "./lanes";
import type { Group, TimelineModel } from "./model";

export const HEAD = 24;
export const STRIP = 34;
export const GAP = 6;
export const AXIS = 24;
export const OVERVIEW = 46;
/** A group of more lanes begins folded: the whole run is seen before any part of it. */
export const FOLDED_FROM = 24;

/** A group as it lies on the screen: pixels from the top of the first. */
export interface Band {
  group: Group;
  y: number;
  height: number;
  open: boolean;
  laneHeight: number;
  lanes: Int32Array[];
}

/** The part that is shown: times in milliseconds, scroll in pixels. */
export interface View {
  t0: number;
  t1: number;
  scroll: number;
}

export const laneHeight = (lanes: number): number =>
  lanes <= 10 ? 18 : lanes <= 24 ? 15 : lanes <= 40 ? 9 : lanes <= 96 ? 6 : lanes <= 300 ? 3 : 2;

export function layout(model: TimelineModel, folded: ReadonlySet<string>): { bands: Band[]; height: number } {
  let y = 0;
  const bands = model.ordered().map((group): Band => {
    const lanes = lanesOf(model, group);
    const open = !folded.has(group.name);
    const lane = laneHeight(lanes.length);
    const height = HEAD + (open ? Math.max(1, lanes.length) * lane : STRIP) + GAP;
    const band = { group, y, height, open, laneHeight: lane, lanes };
    y += height;
    return band;
  });
  return { bands, height: y };
}

/** The first run of a lane that ends after a time. */
export function firstAfter(model: TimelineModel, lane: Int32Array, time: number, now: number): number {
  let low = 0;
  let high = lane.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (model.endOf(lane[middle], now) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The run at a point, within 2 pixels; -1 for none. */
export function hit(model: TimelineModel, bands: Band[], view: View, width: number, x: number, y: number, now: number): number {
  const perPixel = (view.t1 - view.t0) / width;
  const time = view.t0 + x * perPixel;
  const down = y + view.scroll;
  const band = bands.find((one) => down >= one.y && down < one.y + one.height);
  if (!band?.open) return -1;
  const lane = band.lanes[Math.floor((down - band.y - HEAD) / band.laneHeight)];
  if (!lane) return -1;
  const at = firstAfter(model, lane, time - 2 * perPixel, now);
  return at < lane.length && model.start[lane[at]] <= time + 2 * perPixel ? lane[at] : -1;
}
