import { drawAxis } from "./axis";
import { drawBands, type Marks } from "./bars";
import { readInk, type Ink } from "./ink";
import { AXIS, HEAD, hit, OVERVIEW, type Band, type View } from "./layout";
import type { TimelineModel } from "./model";
import { drawOverview } from "./strip";

export interface Canvases {
  main: HTMLCanvasElement;
  overview: HTMLCanvasElement;
  axis: HTMLCanvasElement;
  gutter: HTMLElement;
}

const LEAST_SPAN = 2;

/** What the canvases of a timeline show, and how that moves. React lays out the page around it. */
export class Stage {
  bands: Band[] = [];
  height = 0;
  marks: Marks = { hover: -1, chosen: -1, critical: new Set(), only: null };
  /** Whether all of the run is in view. */
  fitted = true;
  onFitted: (fitted: boolean) => void = () => {};
  private view: View = { t0: 0, t1: 1, scroll: 0 };
  private ink: Ink | null = null;
  private frame = 0;
  private size = { width: 0, height: 0 };

  constructor(readonly model: TimelineModel, private canvases: () => Canvases | null) {}

  get width(): number {
    return this.size.width;
  }

  resize(width: number, height: number): void {
    this.size = { width, height };
    this.ask();
  }

  /** Colours are read anew with the next frame. */
  recolour = (): void => {
    this.ink = null;
    this.ask();
  };

  ask = (): void => {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paint());
  };

  close(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  now(): number {
    return this.model.open ? Date.now() : this.model.t1;
  }

  private full(): View {
    const { model } = this;
    const t0 = model.t0;
    const t1 = Math.max(model.t1, model.open ? Date.now() : 0, t0 + 1);
    const margin = (t1 - t0) * 0.01;
    return { t0: t0 - margin, t1: t1 + margin * (model.open ? 6 : 1), scroll: 0 };
  }

  private paint(): void {
    this.frame = 0;
    const canvases = this.canvases();
    const { width, height } = this.size;
    if (!canvases || !width || this.model.t0 === Infinity) return;
    const ink = (this.ink ??= readInk(canvases.main));
    const full = this.full();
    const view = this.view;
    if (this.fitted) {
      view.t0 = full.t0;
      view.t1 = full.t1;
    }
    view.scroll = Math.max(0, Math.min(view.scroll, this.height - height));
    const { model, bands, marks } = this;
    const now = this.now();
    drawOverview(context(canvases.overview, width, OVERVIEW), width, OVERVIEW, model, full, view, now, ink);
    const axis = context(canvases.axis, width, AXIS);
    axis.clearRect(0, 0, width, AXIS);
    drawAxis(axis, width, AXIS, view, model.t0, ink, false);
    drawBands({ c: context(canvases.main, width, height), width, height, model, bands, view, now, ink, marks });
    canvases.gutter.style.transform = `translateY(${-view.scroll}px)`;
  }

  scrollBy(pixels: number): void {
    this.view.scroll += pixels;
    this.ask();
  }

  fit(): void {
    this.setFitted(true);
    this.ask();
  }

  private setFitted(fitted: boolean): void {
    if (this.fitted === fitted) return;
    this.fitted = fitted;
    this.onFitted(fitted);
  }

  /** Zooms about a place: the pointer, else the chosen run if it is seen, else the middle. */
  zoom(factor: number, pointer?: number): void {
    const { view, size } = this;
    const full = this.full();
    const x = pointer ?? this.chosenX() ?? size.width / 2;
    const time = view.t0 + (x / size.width) * (view.t1 - view.t0);
    const length = Math.max(LEAST_SPAN, (view.t1 - view.t0) * factor);
    if (length >= full.t1 - full.t0) {
      this.fit();
      return;
    }
    this.setFitted(false);
    view.t0 = time - (x / size.width) * length;
    view.t1 = view.t0 + length;
    this.keepWithin(full);
  }

  private chosenX(): number | null {
    const { chosen } = this.marks;
    if (chosen < 0) return null;
    const x = ((this.model.start[chosen] - this.view.t0) / (this.view.t1 - this.view.t0)) * this.size.width;
    return x >= 0 && x <= this.size.width ? x : null;
  }

  panBy(pixels: number): void {
    if (this.fitted) return;
    const time = (pixels / this.size.width) * (this.view.t1 - this.view.t0);
    this.view.t0 += time;
    this.view.t1 += time;
    this.keepWithin(this.full());
  }

  /** Moves the shown part to a place of the overview, from 0 to 1. */
  brush(place: number): void {
    const full = this.full();
    const whole = full.t1 - full.t0;
    const length = this.fitted ? whole / 5 : this.view.t1 - this.view.t0;
    this.setFitted(false);
    this.view.t0 = full.t0 + place * whole - length / 2;
    this.view.t1 = this.view.t0 + length;
    this.keepWithin(full);
  }

  private keepWithin(full: View): void {
    const { view } = this;
    const shift = view.t0 < full.t0 ? full.t0 - view.t0 : Math.min(0, full.t1 - view.t1);
    view.t0 += shift;
    view.t1 += shift;
    this.ask();
  }

  /** Scrolls to a run; false when its group is folded. */
  reveal(row: number): boolean {
    const group = this.model.groupOf(row);
    const band = this.bands.find((one) => one.group === group);
    if (!band) return true;
    if (!band.open) return false;
    const { view, size } = this;
    const y = band.y + HEAD + (group.laneOf.get(row) ?? 0) * band.laneHeight;
    if (y < view.scroll + 8 || y > view.scroll + size.height - 24) view.scroll = y - size.height / 2;
    const start = this.model.start[row];
    if (!this.fitted && (start < view.t0 || start > view.t1)) {
      const length = view.t1 - view.t0;
      view.t0 = start - length / 2;
      view.t1 = view.t0 + length;
      this.keepWithin(this.full());
    }
    this.ask();
    return true;
  }

  at(x: number, y: number): number {
    return hit(this.model, this.bands, this.view, this.size.width, x, y, this.now());
  }

  /** The runs from top to bottom, then by start: the order of the arrow keys. */
  order(): number[] {
    const { model, marks } = this;
    const rows: number[] = [];
    for (const { group } of this.bands) {
      const started = group.rows.filter((row) => !Number.isNaN(model.start[row]) && (!marks.only || marks.only(row)));
      rows.push(...started.sort((a, b) => model.start[a] - model.start[b]));
    }
    return rows;
  }
}

function context(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1;
  const pixels = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
  if (canvas.width !== pixels.width || canvas.height !== pixels.height) Object.assign(canvas, pixels);
  const c = canvas.getContext("2d");
  if (!c) throw new Error("this browser draws no canvas");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  return c;
}
