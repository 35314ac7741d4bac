import { STATES } from "../states";

/** The colours of the canvas, read from the tokens. */
export interface Ink {
  /** By state. */
  fill: string[];
  /** Text on a bar, by state. */
  onFill: string[];
  /** By family: live, good, bad, other. */
  family: string[];
  text: string;
  muted: string;
  line: string;
  surface: string;
  accent: string;
}

/** The family of each state, as an index of `Ink.family`. */
export const FAMILY_OF = new Uint8Array(256).fill(3);
for (const [number, state] of Object.entries(STATES))
  FAMILY_OF[Number(number)] = { live: 0, good: 1, bad: 2, none: 3, wait: 3 }[state.family];

export const LIVE = 0;
export const GOOD = 1;
export const BAD_FAMILY = 2;
export const OTHER = 3;

export function readInk(element: Element): Ink {
  const style = getComputedStyle(element);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const fill: string[] = [];
  for (const [number, state] of Object.entries(STATES)) fill[Number(number)] = token(`--s-${state.key}`);
  fill[0] = fill[255] = token("--muted");
  return {
    fill,
    onFill: fill.map((colour) => (luminance(colour) > 0.19 ? "#0b1715" : "#ffffff")),
    family: [token("--s-running"), token("--s-completed"), token("--s-failed"), token("--s-skipped")],
    text: token("--text"),
    muted: token("--muted"),
    line: token("--line"),
    surface: token("--surface"),
    accent: token("--accent"),
  };
}

/** Relative luminance of "#rrggbb", as WCAG defines it. */
export function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
