import { RunState } from "../gen/towpath/api/v1/state_pb";
import { BAD } from "../states";
import { drawAxis, FONT } from "./axis";
import { densityOf } from "./density";
import { FAMILY_OF, type Ink } from "./ink";
import { firstAfter, HEAD, STRIP, type Band, type View } from "./layout";
import type { TimelineModel } from "./model";
import { drawDensity } from "./strip";

const LEAST_BAD = 3;
const NAMED_LANE = 14;
const NAMED_WIDTH = 34;

export interface Marks {
  hover: number;
  chosen: number;
  critical: ReadonlySet<number>;
  only: ((row: number) => boolean) | null;
}

/** One frame: what to draw, where, and with which colours. */
export interface Frame {
  c: CanvasRenderingContext2D;
  width: number;
  height: number;
  model: TimelineModel;
  bands: Band[];
  view: View;
  now: number;
  ink: Ink;
  marks: Marks;
}

/** Draws the bands that are seen. */
export function drawBands(frame: Frame): void {
  const { c, width, height, model, bands, view, ink, now } = frame;
  c.clearRect(0, 0, width, height);
  drawAxis(c, width, height, view, model.t0, ink, true);
  for (const band of bands) {
    const top = band.y - view.scroll;
    if (top > height || top + band.height < 0) continue;
    c.fillStyle = ink.line;
    c.fillRect(0, Math.round(top), width, 1);
    if (band.open) new OpenBand(frame, band, top).draw();
    else drawFolded(frame, band, top);
  }
  drawMarks(frame);
  if (model.open && now <= view.t1) {
    c.fillStyle = ink.accent;
    c.fillRect(((now - view.t0) / (view.t1 - view.t0)) * width, 0, 1.5, height);
  }
}

function drawFolded({ c, width, model, view, now, ink }: Frame, band: Band, top: number): void {
  const density = densityOf(model, band.group.rows, view.t0, view.t1, Math.max(1, Math.floor(width)), now, FAMILY_OF);
  drawDensity(c, density, width, top + 8, HEAD + STRIP - 12, ink);
  if (band.lanes.length < 2) return;
  const text = `${band.lanes.length} at once`;
  c.font = FONT;
  const room = c.measureText(text).width;
  c.fillStyle = ink.surface;
  c.globalAlpha = 0.85;
  c.fillRect(width - room - 10, top + 5, room + 8, 15);
  c.globalAlpha = 1;
  c.fillStyle = ink.muted;
  c.textBaseline = "middle";
  c.fillText(text, width - room - 6, top + 13);
}

/** One path for each state: a few fills for thousands of bars. What went wrong is painted last. */
class OpenBand {
  private paths = new Map<number, Path2D>();
  private faded = new Path2D();
  private waits = new Path2D();
  private texts: [row: number, x: number, y: number, width: number][] = [];
  private perMs: number;
  private bar: number;

  constructor(private frame: Frame, private band: Band, private top: number) {
    const lane = band.laneHeight;
    this.perMs = frame.width / (frame.view.t1 - frame.view.t0);
    this.bar = lane - (lane >= 10 ? 2 : lane >= 5 ? 1 : lane >= 3 ? 0.5 : 0);
  }

  draw(): void {
    const { band, top, frame } = this;
    const first = Math.max(0, Math.floor((-top - HEAD) / band.laneHeight));
    const last = Math.min(band.lanes.length, Math.ceil((frame.height - top - HEAD) / band.laneHeight));
    for (let lane = first; lane < last; lane++) this.addLane(band.lanes[lane], top + HEAD + lane * band.laneHeight);
    this.fill();
  }

  private addLane(lane: Int32Array, y: number): void {
    const { model, view, now, width } = this.frame;
    let painted = -Infinity;
    for (let i = firstAfter(model, lane, view.t0, now); i < lane.length; i++) {
      const row = lane[i];
      if (model.start[row] > view.t1) break;
      const x = Math.max(-4, this.x(model.start[row]));
      const to = Math.min(width + 4, this.x(model.endOf(row, now)));
      const bad = BAD.has(model.state[row]);
      const least = bad ? LEAST_BAD : 1;
      // Bars narrower than a pixel merge with their neighbours.
      if (!bad && to - x < least && to < painted + 0.5) continue;
      painted = x + Math.max(least, to - x);
      this.addRun(row, x, y, painted - x);
    }
  }

  private x(time: number): number {
    return (time - this.frame.view.t0) * this.perMs;
  }

  private addRun(row: number, x: number, y: number, wide: number): void {
    const { model, marks } = this.frame;
    const width = wide > 3 ? wide - (this.band.laneHeight >= 5 ? 0.75 : 0.4) : wide;
    if (marks.only && !marks.only(row)) {
      this.rect(this.faded, x, y, width);
      return;
    }
    if (model.segments.has(row) && wide > 6) this.addAttempts(row, y);
    else this.rect(this.path(model.state[row]), x, y, width);
    if (this.band.laneHeight >= NAMED_LANE && width > NAMED_WIDTH) this.texts.push([row, x, y, width]);
  }

  /** The attempts of a run as bars of their own, with the waiting between them hatched. */
  private addAttempts(row: number, y: number): void {
    const { model, now } = this.frame;
    const segments = model.segments.get(row) ?? [];
    segments.forEach((segment, i) => {
      const next = segments[i + 1];
      const from = Math.max(segment.time, model.start[row]);
      const to = next ? next.time : model.endOf(row, now);
      if (to <= from) return;
      const failed = next?.state === RunState.RETRYING;
      const width = Math.max(1, (to - from) * this.perMs - 1);
      if (segment.state !== RunState.RUNNING) this.waits.rect(this.x(from), y, width, this.bar);
      else this.rect(this.path(failed ? RunState.RETRYING : model.state[row]), this.x(from), y, width);
    });
  }

  /** The state whose colour the beginning of a run has. */
  private underName(row: number): number {
    const { model } = this.frame;
    return model.segments.has(row) ? RunState.RETRYING : model.state[row];
  }

  private path(state: number): Path2D {
    let path = this.paths.get(state);
    if (!path) this.paths.set(state, (path = new Path2D()));
    return path;
  }

  private rect(path: Path2D, x: number, y: number, width: number): void {
    if (this.band.laneHeight >= 10 && width > 5) path.roundRect(x, y, width, this.bar, 2.5);
    else path.rect(x, y, width, this.bar);
  }

  private fill(): void {
    const { c, ink, model } = this.frame;
    c.globalAlpha = 0.13;
    c.fillStyle = ink.muted;
    c.fill(this.faded);
    c.globalAlpha = 1;
    c.fillStyle = hatching(c, ink);
    c.fill(this.waits);
    const states = [...this.paths.keys()].sort((a, b) => Number(BAD.has(a)) - Number(BAD.has(b)));
    for (const state of states) {
      c.fillStyle = ink.fill[state] ?? ink.muted;
      c.fill(this.path(state));
    }
    c.font = FONT;
    c.textBaseline = "middle";
    for (const [row, x, y, width] of this.texts) {
      const from = Math.max(x, 0);
      const text = fitted(c, model.names[row], x + width - from - 10);
      if (!text) continue;
      c.fillStyle = ink.onFill[this.underName(row)] ?? ink.text;
      c.fillText(text, from + 5, y + this.bar / 2 + 0.5);
    }
  }
}

/** The place of a run on the screen; null when its group is folded. */
function placeOf({ model, bands, view, width, now }: Frame, row: number) {
  const group = model.groupOf(row);
  const band = bands.find((one) => one.group === group);
  const lane = group.laneOf.get(row);
  if (!band?.open || lane === undefined) return null;
  const perMs = width / (view.t1 - view.t0);
  const x = (model.start[row] - view.t0) * perMs;
  const to = (model.endOf(row, now) - view.t0) * perMs;
  const y = band.y - view.scroll + HEAD + lane * band.laneHeight;
  return { x, y, width: Math.max(3, to - x), height: Math.max(2, band.laneHeight - 1) };
}

type Place = NonNullable<ReturnType<typeof placeOf>>;

function drawMarks(frame: Frame): void {
  const { c, ink, model, marks, view, width } = frame;
  c.strokeStyle = ink.text;
  c.lineWidth = 1.5;
  let before: Place | null = null;
  for (const row of marks.critical) {
    const place = placeOf(frame, row);
    if (!place) continue;
    if (before) curve(c, before, place);
    c.strokeRect(place.x - 1, place.y - 1, place.width + 1, place.height + 2);
    before = place;
  }
  const chosen = marks.chosen >= 0 ? placeOf(frame, marks.chosen) : null;
  if (chosen) {
    const from = ((model.created[marks.chosen] - view.t0) * width) / (view.t1 - view.t0);
    if (from < chosen.x - 2) {
      c.fillStyle = hatching(c, ink);
      c.fillRect(from, chosen.y, chosen.x - from, chosen.height - 1);
    }
    c.strokeStyle = ink.accent;
    c.lineWidth = 1.25;
    for (const id of model.upstream[marks.chosen] ?? []) {
      const row = model.rowOf(id);
      const place = row >= 0 ? placeOf(frame, row) : null;
      if (place) curve(c, place, chosen);
    }
    c.lineWidth = 2;
    c.strokeStyle = ink.text;
    c.strokeRect(chosen.x - 1.5, chosen.y - 1.5, chosen.width + 3, chosen.height + 3);
  }
  const hover = marks.hover >= 0 && marks.hover !== marks.chosen ? placeOf(frame, marks.hover) : null;
  if (!hover) return;
  c.strokeStyle = ink.text;
  c.lineWidth = 1;
  c.strokeRect(hover.x - 0.5, hover.y - 0.5, hover.width + 1, hover.height + 1);
}

function curve(c: CanvasRenderingContext2D, from: Place, to: Place): void {
  const x0 = from.x + from.width;
  const y0 = from.y + from.height / 2;
  const y1 = to.y + to.height / 2;
  const bend = Math.max(12, Math.abs(to.x - x0) / 2);
  c.beginPath();
  c.moveTo(x0, y0);
  c.bezierCurveTo(x0 + bend, y0, to.x - bend, y1, to.x, y1);
  c.stroke();
}

let hatch: { ink: Ink; pattern: CanvasPattern } | null = null;

/** Slanted lines: the look of waiting. */
function hatching(c: CanvasRenderingContext2D, ink: Ink): CanvasPattern | string {
  if (hatch?.ink === ink) return hatch.pattern;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const t = tile.getContext("2d");
  const pattern = t && c.createPattern(tile, "repeat");
  if (!t || !pattern) return ink.line;
  t.strokeStyle = ink.muted;
  t.lineWidth = 1;
  t.beginPath();
  for (const shift of [-6, 0, 6]) {
    t.moveTo(shift, 6);
    t.lineTo(shift + 6, 0);
  }
  t.stroke();
  const drawn = c.createPattern(tile, "repeat");
  if (!drawn) return ink.line;
  hatch = { ink, pattern: drawn };
  return drawn;
}

const widths = new Map<string, number>();
const MOST_WIDTHS = 20_000;

/** The text, shortened to a width; empty when less than three letters would be left. */
function fitted(c: CanvasRenderingContext2D, text: string, room: number): string {
  let width = widths.get(text);
  if (width === undefined) {
    width = c.measureText(text).width;
    if (widths.size > MOST_WIDTHS) widths.clear();
    widths.set(text, width);
  }
  if (width <= room) return text;
  const letters = Math.floor((text.length * room) / width) - 1;
  return letters >= 3 ? `${text.slice(0, letters)}…` : "";
}
