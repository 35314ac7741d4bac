import { densityOf, type Density } from "./density";
import { BAD_FAMILY, FAMILY_OF, GOOD, LIVE, OTHER, type Ink } from "./ink";
import type { View } from "./layout";
import type { TimelineModel } from "./model";

/** Draws how many ran at once, good at the bottom. Bad ends have marks of a least size below it. */
export function drawDensity(c: CanvasRenderingContext2D, density: Density, width: number, y: number, height: number, ink: Ink): void {
  if (!density.peak) return;
  const columns = Math.floor(width);
  const base = new Float32Array(columns);
  const scale = height / density.peak;
  for (const family of [GOOD, LIVE, OTHER, BAD_FAMILY]) {
    const stack = density.stacks[family];
    c.fillStyle = ink.family[family];
    c.beginPath();
    for (let x = 0; x < columns; x++) {
      if (stack[x] <= 0) continue;
      c.rect(x, y + height - (base[x] + stack[x]) * scale, 1, stack[x] * scale);
      base[x] += stack[x];
    }
    c.fill();
  }
  c.fillStyle = ink.family[BAD_FAMILY];
  c.beginPath();
  for (let x = 0; x < columns; x++) if (density.bad[x]) c.rect(x - 1, y + height - 4, 3, 7);
  c.fill();
}

/** Draws the whole run, and the part that is shown. */
export function drawOverview(
  c: CanvasRenderingContext2D, width: number, height: number, model: TimelineModel, full: View, view: View, now: number, ink: Ink,
): void {
  c.clearRect(0, 0, width, height);
  const density = densityOf(model, null, full.t0, full.t1, Math.max(1, Math.floor(width)), now, FAMILY_OF);
  drawDensity(c, density, width, 4, height - 9, ink);
  const from = ((view.t0 - full.t0) / (full.t1 - full.t0)) * width;
  const to = ((view.t1 - full.t0) / (full.t1 - full.t0)) * width;
  if (from <= 1 && to >= width - 1) return;
  c.globalAlpha = 0.72;
  c.fillStyle = ink.surface;
  c.fillRect(0, 0, from, height);
  c.fillRect(to, 0, width - to, height);
  c.globalAlpha = 1;
  c.fillStyle = ink.accent;
  c.fillRect(Math.max(0, from - 1), 0, 2, height);
  c.fillRect(Math.min(width - 2, to - 1), 0, 2, height);
}
