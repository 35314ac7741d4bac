import { Link } from "@tanstack/react-router";
import { deployments } from "../api/resources";
import { workspace } from "../api/workspace";
import { away, count, lastPart, ms, when } from "../format";
import type { Deployment } from "../gen/towpath/api/v1/deployment_pb";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { usePages } from "../parts/usePages";
import { ruleText } from "./rules";

/** The flow and the id of a deployment's name. */
export function partsOf(name: string): { flow: string; deployment: string } {
  const parts = name.split("/");
  return { flow: parts[3] ?? "", deployment: parts[5] ?? "" };
}

const COLUMNS: readonly Column<Deployment>[] = [
  { name: "Deployment", cell: (one) => <Link className="strong" to="/deployments/$flow/$deployment" params={partsOf(one.name)}>{partsOf(one.name).deployment}</Link> },
  { name: "Flow", cell: (one) => <Link to="/flows/$flow" params={{ flow: partsOf(one.name).flow }}>{one.flowName}</Link> },
  { name: "Schedules", cell: (one) => <span className="muted">{one.schedules.map(ruleText).join(", ") || "none"}</span>, wide: true },
  { name: "Next", cell: (one) => (one.paused ? <span className="tag">paused</span> : <span className="num" title={when(ms(one.nextRunTime))}>{away(ms(one.nextRunTime)) || "–"}</span>) },
  { name: "Pool", wide: true, cell: (one) => one.workPool ? <Link to="/pools/$pool" params={{ pool: lastPart(one.workPool) }}>{lastPart(one.workPool)}</Link> : <span className="muted">none</span> },
  { name: "Tags", wide: true, cell: (one) => one.tags.map((tag) => <span key={tag} className="tag">{tag}</span>) },
];

export function Deployments() {
  const pages = usePages(["deployments", workspace()], (pageToken, signal) => deployments.listDeployments({ parent: workspace(), pageSize: 200, pageToken }, { signal }));
  const rows = pages.data?.pages.flatMap((page) => page.deployments) ?? [];
  return (
    <Page title="Deployments" note={pages.data && count(rows.length)} actions={<CopyCommand command="towpath deployment ls" />}>
      <div className="body">
        {pages.error ? <Problem error={pages.error} retry={() => void pages.refetch()} /> : !pages.data ? <Skeleton /> : (
          <Table label="Deployments" rows={rows} columns={COLUMNS} rowKey={(one) => one.name} empty={<NoDeployments />} />
        )}
        <More of={pages} />
      </div>
    </Page>
  );
}

const NoDeployments = () => (
  <Empty title="No deployment yet">
    <p>A deployment is a flow that workers run, by hand or by schedule:</p>
    <pre>{"towpath pool create local --kind process\ntowpath deploy my_flow.py:my_flow --pool local\ntowpath worker start --pool local"}</pre>
  </Empty>
);
