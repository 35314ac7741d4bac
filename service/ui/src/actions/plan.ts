import { shellWord } from "../commands";
import { plural } from "../format";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { RunState } from "../gen/towpath/api/v1/state_pb";
import { lookOf, TERMINAL } from "../states";

/** What can be done with runs, one or many. */
export type Act = "retry" | "cancel" | "delete" | "pause";

export const RIGHTS: Record<Act, string> = { retry: "run.control", cancel: "run.control", pause: "run.control", delete: "run.delete" };

const WORDS: Record<Act, string> = { retry: "Retry", cancel: "Cancel", delete: "Delete", pause: "Pause" };
export const wordOf = (act: Act): string => WORDS[act];

const UNSUCCESSFUL: ReadonlySet<number> = new Set([RunState.FAILED, RunState.CRASHED, RunState.TIMED_OUT, RunState.CANCELLED]);
const WORKS: ReadonlySet<number> = new Set([RunState.RUNNING, RunState.RETRYING]);
const WAITS: ReadonlySet<number> = new Set([RunState.SCHEDULED, RunState.PENDING]);

/** Why something can't be done with a run; empty when it can. The server decides all the same. */
export function refusal(act: Act, run: Run): string {
  const ended = TERMINAL.has(run.state);
  switch (act) {
    case "retry":
      if (!ended) return "not ended yet";
      if (!UNSUCCESSFUL.has(run.state)) return `${lookOf(run.state).word.toLowerCase()}: nothing to retry`;
      return run.deployment ? "" : "made by a script and not by a deployment";
    case "cancel":
      if (run.state === RunState.CANCELLING) return "cancelling already";
      return ended ? "ended already" : "";
    case "delete":
      return ended ? "" : "not ended yet";
    case "pause":
      if (WORKS.has(run.state) || (WAITS.has(run.state) && run.deployment)) return "";
      return "neither waits for a worker nor executes";
  }
}

/** The runs that something can be done with, and how many are passed by for each reason. */
export interface Plan {
  runs: Run[];
  passed: [reason: string, count: number][];
}

export function planOf(act: Act, chosen: readonly Run[]): Plan {
  const passed = new Map<string, number>();
  const runs: Run[] = [];
  for (const run of chosen) {
    const why = refusal(act, run);
    if (why) passed.set(why, (passed.get(why) ?? 0) + 1);
    else runs.push(run);
  }
  return { runs, passed: [...passed].sort((a, b) => b[1] - a[1]) };
}

/** Runs below others, by state. */
export type Below = ReadonlyMap<number, number>;

const sum = (below: Below, which: (state: number) => boolean): number =>
  [...below].reduce((all, [state, n]) => all + (which(state) ? n : 0), 0);

/** What will happen, in sentences. `below` counts the runs below those of the plan. */
export function effects(act: Act, { runs }: Plan, below: Below): string[] {
  const one = runs.length === 1;
  const whose = one ? "its" : "their";
  const them = one ? "it" : "them";
  const open = sum(below, (state) => !TERMINAL.has(state));
  const all = sum(below, () => true);
  switch (act) {
    case "retry": {
      const kept = sum(below, (state) => state === RunState.COMPLETED);
      const again = sum(below, (state) => UNSUCCESSFUL.has(state));
      return [
        `${one ? "The run is" : `${plural(runs.length, "run")} are`} queued again, as ${whose} next attempt, with the present revision of the deployment.`,
        ...(kept ? [`${plural(kept, "completed task run")} below ${them} ${kept === 1 ? "comes" : "come"} back from ${kept === 1 ? "its" : "their"} stored results, where those are kept.`] : []),
        ...(again ? [`${plural(again, "run")} below ${them} that ended badly ${again === 1 ? "runs" : "run"} again.`] : []),
      ];
    }
    case "cancel": {
      const waiting = runs.filter((run) => WAITS.has(run.state) || run.state === RunState.PAUSED).length;
      const working = runs.length - waiting;
      return [
        ...(waiting ? [`${plural(waiting, "waiting run")} ${waiting === 1 ? "ends" : "end"} at once.`] : []),
        ...(working ? [`${plural(working, "run")} ${working === 1 ? "is" : "are"} asked to end. ${working === 1 ? "Its process is" : "Their processes are"} stopped where the grace period of the pool passes.`] : []),
        ...(open ? [`${plural(open, "unfinished run")} below ${them} ${open === 1 ? "ends" : "end"}, too.`] : []),
      ];
    }
    case "delete":
      return [
        `${one ? "The run goes" : `${plural(runs.length, "run")} go`}, with ${whose} ${one ? "history" : "histories"} and logs${all ? `, and with ${plural(all, "run")} below ${them}` : ""}.`,
        "This can't be undone.",
      ];
    case "pause": {
      const working = runs.filter((run) => WORKS.has(run.state)).length;
      const waiting = runs.length - working;
      return [
        ...(waiting ? [`${plural(waiting, "waiting run")} ${waiting === 1 ? "leaves" : "leave"} the queue until resumed.`] : []),
        ...(working ? [`${plural(working, "run")} ${working === 1 ? "pauses" : "pause"} before the next task; what runs now is finished.`] : []),
      ];
    }
  }
}

const COMMANDS: Record<Act, string> = {
  retry: "towpath run retry", cancel: "towpath run cancel", pause: "towpath run pause", delete: "towpath run delete",
};

/** The command that does the same. */
export function actCommand(act: Act, runs: readonly Run[], message = "", from: readonly string[] = []): string {
  const ids = runs.map((run) => run.shortId);
  const command = COMMANDS[act];
  if (act === "delete") return `${command} ${ids.join(" ")}`;
  const options = [...from.map((task) => ` --from ${shellWord(task)}`), message ? ` --message ${shellWord(message)}` : ""].join("");
  return ids.length === 1 ? `${command} ${ids[0]}${options}` : `for run in ${ids.join(" ")}; do ${command} "$run"${options}; done`;
}
