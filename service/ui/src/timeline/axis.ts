import type { Ink } from "./ink";
import type { View } from "./layout";

export const FONT = "11px 'Inter Variable', system-ui, sans-serif";
const SECOND = 1e3;
const MINUTE = 60e3;
const HOUR = 3600e3;
const DAY = 86_400e3;
const LEAST_PIXELS = 78;
const STEPS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, SECOND, 2e3, 5e3, 10e3, 15e3, 30e3, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE,
  15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY,
];

/** A time since the start of the run, as exact as the step asks for. */
export function axisLabel(time: number, step: number): string {
  const seconds = time / SECOND;
  if (step < SECOND) return `${seconds.toFixed(step < 10 ? 3 : step < 100 ? 2 : 1)}s`;
  if (time < MINUTE) return `${Math.round(seconds)}s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = Math.round(seconds % 60);
  if (hours) return `${hours}h${String(minutes).padStart(2, "0")}`;
  return rest ? `${minutes}m${String(rest).padStart(2, "0")}` : `${minutes}m`;
}

/** Draws the marks of the axis, or its lines over the whole height. */
export function drawAxis(c: CanvasRenderingContext2D, width: number, height: number, view: View, origin: number, ink: Ink, lines: boolean): void {
  const perPixel = (view.t1 - view.t0) / width;
  const step = STEPS.find((one) => one / perPixel >= LEAST_PIXELS) ?? STEPS[STEPS.length - 1];
  c.font = FONT;
  c.textBaseline = "middle";
  c.fillStyle = ink.muted;
  c.strokeStyle = ink.line;
  c.lineWidth = 1;
  for (let time = Math.ceil((view.t0 - origin) / step) * step; time <= view.t1 - origin; time += step) {
    const x = Math.round((time + origin - view.t0) / perPixel) + 0.5;
    c.beginPath();
    c.moveTo(x, lines ? 0 : height - 5);
    c.lineTo(x, height);
    c.stroke();
    if (!lines && x < width - 20) c.fillText(axisLabel(time, step), x + 4, height / 2);
  }
}
