import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { messageOf, runs } from "../../api/clients";
import { useRights } from "../../api/rights";
import { runName } from "../../api/workspace";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import { Dialog } from "../../parts/Dialog";
import { RunState } from "../../gen/towpath/api/v1/state_pb";
import { TERMINAL } from "../../states";

/** What may be done with a run: cancel it while it lasts, delete it afterwards. */
export function RunActions({ run }: { run: Run }) {
  const rights = useRights();
  const [asking, setAsking] = useState<"cancel" | "delete" | null>(null);
  const ended = TERMINAL.has(run.state);
  return (
    <>
      {!ended && run.state !== RunState.CANCELLING && rights.may("run.control") && <button className="small" onClick={() => setAsking("cancel")}>Cancel run</button>}
      {ended && rights.may("run.delete") && <button className="small" onClick={() => setAsking("delete")}>Delete</button>}
      {asking === "cancel" && <Cancel run={run} close={() => setAsking(null)} />}
      {asking === "delete" && <Delete run={run} close={() => setAsking(null)} />}
    </>
  );
}

function Cancel({ run, close }: { run: Run; close: () => void }) {
  const cancel = useMutation({ mutationFn: () => runs.cancelRun({ name: runName(run.runId) }), onSuccess: close });
  return (
    <Dialog title="Cancel this run?" close={close}>
      <p>{run.displayName} is asked to end, with every run below it. Its process gets the pool's grace period to finish by itself.</p>
      {cancel.error && <p role="alert" className="refused">{messageOf(cancel.error)}</p>}
      <footer>
        <code className="muted">towpath run cancel {run.shortId}</code><span className="grow" />
        <button className="small" onClick={close}>Keep it</button>
        <button className="small danger" disabled={cancel.isPending} onClick={() => cancel.mutate()}>Cancel run</button>
      </footer>
    </Dialog>
  );
}

function Delete({ run, close }: { run: Run; close: () => void }) {
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => runs.deleteRun({ name: runName(run.runId) }),
    onSuccess: () => void navigate({ to: "/runs" }),
  });
  return (
    <Dialog title="Delete this run?" close={close}>
      <p>{run.displayName} goes, with the runs below it, their histories and logs. This can't be undone.</p>
      {remove.error && <p role="alert" className="refused">{messageOf(remove.error)}</p>}
      <footer>
        <code className="muted">towpath run delete {run.shortId}</code><span className="grow" />
        <button className="small" onClick={close}>Keep it</button>
        <button className="small danger" disabled={remove.isPending} onClick={() => remove.mutate()}>Delete</button>
      </footer>
    </Dialog>
  );
}
