import { useEffect, useState } from "react";
import { messageOf, runs as service } from "../api/clients";
import { useRights } from "../api/rights";
import { workspace } from "../api/workspace";
import { plural } from "../format";
import { RunKind, type Run } from "../gen/towpath/api/v1/run_pb";
import { RunView } from "../gen/towpath/api/v1/run_service_pb";
import type { RunList } from "../live/runlist";
import { ActDialog } from "./ActDialog";
import { planOf, RIGHTS, wordOf, type Act } from "./plan";

const ACTS: readonly Act[] = ["retry", "pause", "cancel", "delete"];
const MOST = 1000;

/** The runs that somebody has chosen from a list. */
export interface Picked {
  /** Whether the caller may do anything with runs. */
  may: boolean;
  runs: ReadonlyMap<string, Run>;
  flip: (run: Run) => void;
  set: (runs: readonly Run[]) => void;
}

/** Chosen runs; another filter begins anew. */
export function usePicked(filter: string): Picked {
  const { may } = useRights();
  const [runs, setRuns] = useState<ReadonlyMap<string, Run>>(new Map());
  useEffect(() => setRuns((before) => (before.size ? new Map() : before)), [filter]);
  const flip = (run: Run) => setRuns((before) => {
    const next = new Map(before);
    if (!next.delete(run.runId)) next.set(run.runId, run);
    return next;
  });
  return { may: may("run.control") || may("run.delete"), runs, flip, set: (all) => setRuns(new Map(all.map((run) => [run.runId, run]))) };
}

/** What can be done with the chosen runs. */
export function Chosen({ picked, list }: { picked: Picked; list: RunList }) {
  const { may } = useRights();
  const [asking, setAsking] = useState<Act | null>(null);
  const [problem, setProblem] = useState("");
  // Each as it is now: it may have ended since it was chosen.
  const chosen = [...picked.runs.values()].map((run) => list.newest(run));
  const flows = chosen.filter((run) => run.kind === RunKind.FLOW);
  if (!picked.runs.size) return null;
  const all = () => void everyRun(list.filter).then(picked.set, (error) => setProblem(messageOf(error)));
  return (
    <div className="chosen" role="region" aria-label="Chosen runs">
      <b className="num">{plural(picked.runs.size, "run")} chosen</b>
      {ACTS.filter((act) => may(RIGHTS[act])).map((act) => {
        const n = planOf(act, flows).runs.length;
        return <button key={act} className="small" disabled={!n} onClick={() => setAsking(act)}>{wordOf(act)} {n > 0 && <span className="num">{n}</span>}</button>;
      })}
      <span className="grow" />
      {problem && <span role="alert" className="refused">{problem}</span>}
      <button className="link" onClick={all}>Choose all that match</button>
      <button className="link" onClick={() => picked.set([])}>Choose none</button>
      {asking && <ActDialog act={asking} chosen={flows} close={() => setAsking(null)} done={() => picked.set([])} />}
    </div>
  );
}

/** All runs that match, the newest 1000 at most. */
async function everyRun(filter: string): Promise<Run[]> {
  const found: Run[] = [];
  for (let pageToken = ""; ; ) {
    const page = await service.listRuns({ parent: workspace(), filter, pageSize: 500, pageToken, view: RunView.BASIC });
    found.push(...page.runs);
    pageToken = page.nextPageToken;
    if (!pageToken || found.length >= MOST) return found.slice(0, MOST);
  }
}
