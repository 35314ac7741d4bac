import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

const DAY = 86_400_000;

/** Milliseconds since 1970; NaN when unset. */
export const ms = (time?: Timestamp): number => (time ? Number(time.seconds) * 1000 + time.nanos / 1e6 : NaN);

/** Milliseconds; NaN when unset. */
export const durationMs = (time?: Duration): number => (time ? Number(time.seconds) * 1000 + time.nanos / 1e6 : NaN);

/** A duration for people: "81 ms", "4.20 s", "3m 05s". */
export function span(time: number): string {
  if (!Number.isFinite(time)) return "";
  const t = Math.max(0, time);
  if (t < 1) return "<1 ms";
  if (t < 1000) return `${Math.round(t)} ms`;
  if (t < 60e3) return `${(t / 1e3).toFixed(t < 10e3 ? 2 : 1)} s`;
  if (t < 3600e3) return `${Math.floor(t / 60e3)}m ${two(Math.floor((t % 60e3) / 1e3))}s`;
  if (t < DAY) return `${Math.floor(t / 3600e3)}h ${two(Math.floor((t % 3600e3) / 60e3))}m`;
  return `${Math.floor(t / DAY)}d ${Math.floor((t % DAY) / 3600e3)}h`;
}

const two = (n: number): string => String(n).padStart(2, "0");

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const dayClock = new Intl.DateTimeFormat(undefined, {
  month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false,
});

/** A time of day with milliseconds. */
export const atMs = (time: number): string =>
  Number.isFinite(time) ? `${clock.format(time)}.${String(Math.floor(time % 1000)).padStart(3, "0")}` : "";

/** A time of day today, with the day otherwise. */
export function when(time: number, now = Date.now()): string {
  if (!Number.isFinite(time)) return "";
  return Math.abs(now - time) < 20 * 3600e3 ? clock.format(time) : dayClock.format(time);
}

/** How far off a time is: "in 4m 10s", "2h 05m ago". */
export function away(time: number, now = Date.now()): string {
  if (!Number.isFinite(time)) return "";
  return time > now ? `in ${span(time - now)}` : `${span(now - time)} ago`;
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number): string => (n < 100_000 ? n.toLocaleString("en") : compact.format(n));

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** The last part of a resource name. */
export const lastPart = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

/** The last part of a dotted type: "builtins.ValueError" is "ValueError". */
export const typeName = (type: string): string => type.slice(type.lastIndexOf(".") + 1);

/** JSON with two blanks of indent; other texts unchanged. */
export function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The line of a stack trace that the user wrote: the innermost frame outside Towpath and packages. */
export function userFrame(trace: string): { place: string; code: string } | null {
  const frames = [...trace.matchAll(/File "([^"\n]+)", line (\d+), in ([^\n]+)\n(?:\s+([^\n]+))?/g)];
  const own = frames.filter((frame) => !/[/\\]towpath[/\\]_|site-packages|[/\\]lib[/\\]python3/.test(frame[1]));
  const last = own.at(-1);
  if (!last) return null;
  const file = last[1].split(/[/\\]/).slice(-2).join("/");
  return { place: `${file}:${last[2]} in ${last[3]}`, code: (last[4] ?? "").trim() };
}
