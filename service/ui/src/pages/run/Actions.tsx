import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { ActDialog } from "../../actions/ActDialog";
import { refusal, RIGHTS, wordOf, type Act } from "../../actions/plan";
import { Resume } from "../../actions/Resume";
import { deployments } from "../../api/resources";
import { useRights } from "../../api/rights";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import { RunKind } from "../../gen/towpath/api/v1/run_pb";
import { RunState } from "../../gen/towpath/api/v1/state_pb";
import { BAD } from "../../states";
import { RunForm } from "../RunForm";

const ACTS: readonly Act[] = ["retry", "pause", "cancel", "delete"];

/** What may be done with a run in its state, by who looks at it. */
export function RunActions({ run }: { run: Run }) {
  const { may } = useRights();
  const navigate = useNavigate();
  const [asking, setAsking] = useState<Act | "resume" | "again" | null>(null);
  const close = () => setAsking(null);
  if (run.kind !== RunKind.FLOW) return null;
  const possible = ACTS.filter((act) => may(RIGHTS[act]) && (!refusal(act, run) || (act === "retry" && BAD.has(run.state) && !run.parentRun)));
  return (
    <>
      {run.state === RunState.PAUSED && may("run.control") && <button className="small primary" onClick={() => setAsking("resume")}>Resume</button>}
      {possible.map((act) => <button key={act} className={act === "retry" && !refusal(act, run) ? "small primary" : "small"} onClick={() => setAsking(act)}>{wordOf(act)}</button>)}
      {run.deployment && may("run.create") && <button className="small" onClick={() => setAsking("again")}>Run again</button>}
      {asking === "resume" && <Resume run={run} close={close} />}
      {asking === "again" && <Again run={run} close={close} />}
      {asking && asking !== "resume" && asking !== "again" && (
        <ActDialog act={asking} chosen={[run]} close={close} done={asking === "delete" ? () => void navigate({ to: "/runs" }) : undefined} />
      )}
    </>
  );
}

/** A new run of the same deployment, with the same arguments to begin with. */
function Again({ run, close }: { run: Run; close: () => void }) {
  const found = useQuery({ queryKey: ["deployment", run.deployment], queryFn: async ({ signal }) => (await deployments.getDeployment({ name: run.deployment }, { signal })).deployment });
  return found.data ? <RunForm deployment={found.data} given={run.parameters} close={close} /> : null;
}
