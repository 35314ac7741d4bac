import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { messageOf, runs as service } from "../api/clients";
import { quoted, runName, workspace } from "../api/workspace";
import { plural } from "../format";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { RunView } from "../gen/towpath/api/v1/run_service_pb";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { Name } from "../parts/Name";
import { actCommand, effects, planOf, wordOf, type Act, type Below } from "./plan";

const AT_ONCE = 8;
/** Ids in one filter: filters have at most 4096 characters. */
const IN_FILTER = 50;

interface Props {
  act: Act;
  chosen: readonly Run[];
  close: () => void;
  /** All went well. */
  done?: () => void;
}

/** Asks before something is done with runs: what will happen, what is passed by, and the command. */
export function ActDialog({ act, chosen, close, done }: Props) {
  // What was chosen stays what it was, also while the runs change behind the dialog.
  const [plan] = useState(() => planOf(act, chosen));
  const [message, setMessage] = useState("");
  const [from, setFrom] = useState("");
  const below = useBelow(plan.runs);
  const tasks = useTasks(act === "retry" && plan.runs.length === 1 ? plan.runs[0] : null);
  const names = from === ALL ? tasks : from ? [from] : [];
  const work = useWork();
  const word = wordOf(act);
  const many = chosen.length > 1;
  const start = () => void work.start(plan.runs, (run) => call(act, run, message, names)).then((well) => {
    if (!well) return;
    close();
    done?.();
  });
  return (
    <Dialog title={many ? `${word} ${plural(plan.runs.length, "run")}?` : `${word} this run?`} close={close} wide={many}>
      {!many && <p className="strong clip"><Name text={chosen[0]?.displayName ?? ""} /></p>}
      {plan.runs.length > 0 && (
        <ul className="effects" aria-label="What will happen">
          {effects(act, plan, below.data ?? new Map()).map((said) => <li key={said}>{said}</li>)}
          {below.isPending && <li className="muted">Counting what is below</li>}
        </ul>
      )}
      {plan.passed.map(([why, n]) => <p key={why} className="muted">{plural(n, "run")} {n === 1 ? "is" : "are"} passed by: {why}.</p>)}
      {act === "retry" && plan.passed.some(([why]) => why.startsWith("made by")) && (
        <p className="muted">A script's run is retried where its code is: <code>towpath run retry {chosen[0]?.shortId} --here my_flow.py:my_flow</code></p>
      )}
      {tasks.length > 0 && (
        <label className="field">Run again
          <select value={from} onChange={(event) => setFrom(event.target.value)}>
            <option value="">What failed, and what has not run</option>
            {tasks.map((task) => <option key={task} value={task}>Also {task}, and what depends on it</option>)}
            <option value={ALL}>Everything</option>
          </select>
        </label>
      )}
      {act !== "delete" && plan.runs.length > 0 && <label className="field">Why, for people<input value={message} maxLength={1024} onChange={(event) => setMessage(event.target.value)} /></label>}
      {work.total > 0 && many && <progress value={work.ended} max={work.total} aria-label="Runs done" />}
      {work.refused.length > 0 && (
        <div role="alert" className="refused">
          <p>{plural(work.refused.length, "run")} of {work.total} refused it:</p>
          <ul className="refusals">{work.refused.slice(0, 20).map(({ run, why }) => <li key={run.runId}><code>{run.shortId}</code> {why}</li>)}</ul>
        </div>
      )}
      <footer>
        {plan.runs.length > 0 && <Copy text={actCommand(act, plan.runs, act === "delete" ? "" : message, names)} label="Copy command" className="link" />}
        <span className="grow" />
        <button className="small" onClick={close}>{work.total ? "Close" : act === "delete" || act === "cancel" ? "Keep" : "Back"}</button>
        <button className={act === "delete" || act === "cancel" ? "small danger" : "small primary"} data-focus={act === "retry" || act === "pause" || undefined} disabled={work.busy || !plan.runs.length || (work.total > 0 && work.ended === work.total)} onClick={start}>
          {many ? `${word} ${plural(plan.runs.length, "run")}` : `${word} run`}
        </button>
      </footer>
    </Dialog>
  );
}

const ALL = "*";

function call(act: Act, run: Run, message: string, fromTasks: readonly string[]): Promise<unknown> {
  const name = runName(run.runId);
  switch (act) {
    case "retry": return service.retryRun({ name, message, attempt: run.attempt, fromTasks: [...fromTasks] });
    case "cancel": return service.cancelRun({ name, message });
    case "delete": return service.deleteRun({ name });
    case "pause": return service.pauseRun({ name, message });
  }
}

interface Refused {
  run: Run;
  why: string;
}

/** Calls for many runs, a few at a time; a refusal of one doesn't stop the others. */
function useWork() {
  const [state, set] = useState({ busy: false, total: 0, ended: 0, refused: [] as Refused[] });
  const start = async (runs: readonly Run[], act: (run: Run) => Promise<unknown>): Promise<boolean> => {
    const waiting = [...runs];
    const refused: Refused[] = [];
    let ended = 0;
    set({ busy: true, total: runs.length, ended, refused });
    const worker = async () => {
      for (let run = waiting.shift(); run; run = waiting.shift()) {
        try {
          await act(run);
        } catch (error) {
          refused.push({ run, why: messageOf(error) });
        }
        ended++;
        set({ busy: true, total: runs.length, ended, refused: [...refused] });
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, runs.length) }, worker));
    set({ busy: false, total: runs.length, ended, refused });
    return refused.length === 0;
  };
  return { ...state, start };
}

/** The runs below some runs, by state. */
function useBelow(runs: readonly Run[]) {
  const roots = runs.filter((run) => !run.parentRun);
  return useQuery({
    queryKey: ["below", workspace(), roots.map((run) => run.runId)], enabled: roots.length > 0, staleTime: 0, gcTime: 0,
    queryFn: async ({ signal }): Promise<Below> => {
      const counts = new Map<number, number>();
      for (let i = 0; i < roots.length; i += IN_FILTER) {
        const some = roots.slice(i, i + IN_FILTER);
        const filter = `parent_run != "" AND (${some.map((run) => `root_run = ${quoted(run.runId)}`).join(" OR ")})`;
        const answer = await service.aggregateRuns({ parent: workspace(), filter, timeRange: {} }, { signal });
        for (const one of answer.buckets.flatMap((bucket) => bucket.counts)) counts.set(one.state, (counts.get(one.state) ?? 0) + Number(one.count));
      }
      return counts;
    },
  });
}

const MOST_TASKS = 100;

/** Keys of the tasks that a run called itself. */
function useTasks(run: Run | null): string[] {
  const found = useQuery({
    queryKey: ["tasks-of", run?.runId], enabled: run !== null, staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const filter = `kind = TASK AND parent_run = ${quoted(run?.runId ?? "")}`;
      const answer = await service.listRuns({ parent: workspace(), filter, pageSize: 1000, view: RunView.BASIC }, { signal });
      return [...new Set(answer.runs.map((one) => one.taskKey).filter(Boolean))].sort().slice(0, MOST_TASKS);
    },
  });
  return found.data ?? [];
}
