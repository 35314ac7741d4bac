import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { runs } from "../../api/clients";
import { runName } from "../../api/workspace";
import { away, lastPart, ms } from "../../format";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import type { RunData } from "../../live/rundata";
import { plainLine } from "../../parts/ansi";
import { Copy } from "../../parts/Copy";
import { StateMark } from "../../parts/StateMark";
import { BAD, TERMINAL } from "../../states";
import { causeOf, type Cause } from "./cause";

/** Why a run failed: the run that failed first, and the user's own line of it. */
export function WhyFailed({ run, data, choose }: { run: Run; data: RunData; choose: (id: string) => void }) {
  const row = data.model.firstBad(BAD);
  const rootId = row >= 0 ? data.model.ids[row] : "";
  const root = useQuery({
    queryKey: ["run", rootId], enabled: rootId !== "", staleTime: Infinity, queryFn: () => data.detail(rootId),
  });
  const own = causeOf(run);
  if (!own) return null;
  const cause = (root.data && causeOf(root.data)) || own;
  const differs = root.data && cause !== own && cause.message !== own.message;
  return (
    <section className="error" aria-label="Why it failed">
      <StateMark state={root.data?.state ?? run.state} bare />
      <div className="grow">
        <Said cause={cause} />
        {differs && <p className="muted clip" title={own.message}>The flow: {own.type}: {own.message}</p>}
      </div>
      {rootId && <button className="small" onClick={() => choose(rootId)}>Go to {data.model.names[row]}</button>}
    </section>
  );
}

export function Said({ cause }: { cause: Cause }) {
  return (
    <>
      <p className="said"><b>{cause.type}</b> <bdi>{plainLine(cause.message, 8192)}</bdi></p>
      {cause.place && <p className="frame"><code>{cause.code || cause.place}</code>{cause.code && <span className="muted mono">{cause.place}</span>}</p>}
    </>
  );
}

/** What a run that has not ended waits for. */
export function WhatNext({ run }: { run: Run }) {
  const open = !TERMINAL.has(run.state);
  const answer = useQuery({
    queryKey: ["explain", run.name, run.state, String(run.revision)], enabled: open, staleTime: 10_000,
    queryFn: ({ signal }) => runs.explainRun({ name: runName(run.runId) }, { signal }),
  });
  const [first, ...others] = answer.data?.explanations ?? [];
  if (!open || !first) return null;
  return (
    <section className="notice" aria-label="What it waits for">
      <StateMark state={run.state} bare />
      <div className="grow">
        <p><b>{first.message}</b>{first.endTime && <span className="muted"> {away(ms(first.endTime))}</span>}</p>
        {others.map((one) => <p key={one.message} className="muted">{one.message}</p>)}
        {first.resources.length > 0 && <p className="muted clip">{first.resources.map((name) => <Resource key={name} name={name} />)}</p>}
      </div>
      {first.command && <Copy text={first.command} label="Copy fix" />}
    </section>
  );
}

/** A link to a resource that has a page; its id otherwise. */
export function Resource({ name }: { name: string }) {
  const parts = name.split("/");
  const id = lastPart(name);
  if (parts.at(-2) === "runs") return <Link to="/runs/$id" params={{ id }} className="ref">{id.slice(-8)}</Link>;
  if (parts.at(-2) === "workPools") return <Link to="/pools/$pool" params={{ pool: id }} className="ref">{id}</Link>;
  if (parts.at(-2) === "deployments") return <Link to="/deployments/$flow/$deployment" params={{ flow: parts.at(-3) ?? "", deployment: id }} className="ref">{id}</Link>;
  return <span className="ref">{id}</span>;
}
