import { useQueries } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { flows, runs } from "../api/clients";
import { quoted, workspace } from "../api/workspace";
import { away, count, lastPart, ms } from "../format";
import type { Flow } from "../gen/towpath/api/v1/flow_service_pb";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { More } from "../parts/More";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { StateMark } from "../parts/StateMark";
import { Table, type Column } from "../parts/Table";
import { usePages } from "../parts/usePages";
import { Ticks } from "../parts/Ticks";
import { BAD, lookOf, ORDER } from "../states";

const TICKS = 30;
/** Ticks cost a call for each flow: only the first ones have them. */
const MOST_TICKED = 40;

export function Flows() {
  const pages = usePages(["flow-pages", workspace()], (pageToken, signal) => flows.listFlows({ parent: workspace(), pageSize: 100, pageToken }, { signal }));
  const rows = pages.data?.pages.flatMap((page) => page.flows) ?? [];
  const ticks = useQueries({
    queries: rows.slice(0, MOST_TICKED).map((flow) => ({
      queryKey: ["ticks", flow.name, flow.lastRun?.runId],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (await runs.listRuns({ parent: workspace(), filter: `flow = ${quoted(lastPart(flow.name))} AND kind = FLOW`, pageSize: TICKS }, { signal })).runs,
    })),
  });
  const columns: Column<Flow>[] = [
    { name: "Flow", cell: (flow) => <Link className="strong" to="/flows/$flow" params={{ flow: lastPart(flow.name) }}><Name text={flow.displayName} /></Link> },
    { name: "Last run", cell: (flow) => flow.lastRun && <Link to="/runs/$id" params={{ id: flow.lastRun.runId }}><StateMark state={flow.lastRun.state} /></Link> },
    { name: "When", cell: (flow) => <span className="muted num">{away(ms(flow.lastRun?.createTime))}</span> },
    { name: `Last ${TICKS}`, wide: true, cell: (flow) => <Ticks runs={ticks[rows.indexOf(flow)]?.data ?? []} /> },
    { name: "Runs", wide: true, cell: (flow) => <Share flow={flow} /> },
  ];
  return (
    <Page title="Flows" note={pages.data && `${count(rows.length)}${pages.hasNextPage ? "+" : ""}`} actions={<CopyCommand command="towpath flow ls" />}>
      <div className="body">
        {pages.error ? <Problem error={pages.error} retry={() => void pages.refetch()} /> : !pages.data ? <Skeleton /> : (
          <Table label="Flows" rows={rows} columns={columns} rowKey={(flow) => flow.name} empty={<Empty title="No flow yet"><p>A flow becomes known with its first run.</p><pre>python my_flow.py</pre></Empty>} />
        )}
        <More of={pages} />
      </div>
    </Page>
  );
}

/** How many runs, and how many of them ended badly. */
function Share({ flow }: { flow: Flow }) {
  const all = flow.runCounts.reduce((sum, one) => sum + Number(one.count), 0);
  const counts = new Map(flow.runCounts.map((one) => [one.state as number, Number(one.count)]));
  const bad = ORDER.filter((state) => BAD.has(state) && counts.get(state));
  return (
    <span className="num">
      {count(all)}{bad.map((state) => <span key={state} className="muted">, {count(counts.get(state) ?? 0)} {lookOf(state).word.toLowerCase()}</span>)}
    </span>
  );
}
