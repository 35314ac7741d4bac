import { RunState } from "./gen/towpath/api/v1/state_pb";

/** Whether a state waits, works, or ended well, badly, or without having mattered. */
export type Family = "wait" | "live" | "good" | "bad" | "none";

/** How a state is shown: its key in tokens and addresses, its word, its family, and a 16x16 path. */
export interface StateLook {
  key: string;
  word: string;
  family: Family;
  icon: string;
}

const look = (key: string, word: string, family: Family, icon: string): StateLook => ({ key, word, family, icon });

const CIRCLE = "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Z";

/** Each shape tells its state without colour. */
export const STATES: Record<number, StateLook> = {
  [RunState.SCHEDULED]: look("scheduled", "Scheduled", "wait", `${CIRCLE}m0 2.6v3.6l2.4 1.5`),
  [RunState.PENDING]: look("pending", "Pending", "wait", "M3 8h.01M8 8h.01M13 8h.01"),
  [RunState.RUNNING]: look("running", "Running", "live", "M5 3.2v9.6L13 8Z"),
  [RunState.PAUSED]: look("paused", "Paused", "wait", "M5.5 3.5v9M10.5 3.5v9"),
  [RunState.RETRYING]: look("retrying", "Retrying", "live", "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8"),
  [RunState.CANCELLING]: look("cancelling", "Cancelling", "live", `${CIRCLE}M5.5 8h5`),
  [RunState.COMPLETED]: look("completed", "Completed", "good", "M3 8.4 6.4 12 13 4.5"),
  [RunState.FAILED]: look("failed", "Failed", "bad", "M4 4l8 8M12 4l-8 8"),
  [RunState.CANCELLED]: look("cancelled", "Cancelled", "none", `${CIRCLE}M3.8 3.8l8.4 8.4`),
  [RunState.CRASHED]: look("crashed", "Crashed", "bad", "M9 1.8 4 9h4l-1 5.2L12 7H8Z"),
  [RunState.TIMED_OUT]: look(
    "timed-out", "Timed out", "bad",
    "M4.5 2.5h7M4.5 13.5h7M5.5 2.5c0 3 5 4 5 5.5s-5 2.5-5 5.5M10.5 2.5c0 3-5 4-5 5.5s5 2.5 5 5.5",
  ),
  [RunState.SKIPPED]: look("skipped", "Skipped", "none", "M3 4l4.5 4L3 12M8.5 4l4.5 4-4.5 4"),
};

const UNKNOWN = look("pending", "Unknown", "none", "M8 11.5h.01M6 6a2 2 0 1 1 2 2.2v.8");

export const lookOf = (state: number): StateLook => STATES[state] ?? UNKNOWN;

export const TERMINAL: ReadonlySet<number> = new Set([
  RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.CRASHED, RunState.TIMED_OUT, RunState.SKIPPED,
]);

export const BAD: ReadonlySet<number> = new Set([RunState.FAILED, RunState.CRASHED, RunState.TIMED_OUT]);

/** States from what needs somebody most to what needs nobody. */
export const ORDER: readonly number[] = [
  RunState.FAILED, RunState.CRASHED, RunState.TIMED_OUT, RunState.RETRYING, RunState.RUNNING, RunState.CANCELLING,
  RunState.PAUSED, RunState.PENDING, RunState.SCHEDULED, RunState.CANCELLED, RunState.SKIPPED, RunState.COMPLETED,
];

/** The state with a key of an address, such as "timed-out". */
export function stateByKey(key: string): RunState | undefined {
  for (const [number, state] of Object.entries(STATES)) if (state.key === key) return Number(number);
  return undefined;
}

/** The name of a state in filters. */
export const stateName = (state: number): string => RunState[state] ?? "";
