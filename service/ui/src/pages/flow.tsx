import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { runs } from "../api/clients";
import { quoted, workspace } from "../api/workspace";
import { count, durationMs, ms, plural, span, when } from "../format";
import { RunList } from "../live/runlist";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { plainLine } from "../parts/ansi";
import { CopyCommand } from "../parts/Copy";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { StateMark } from "../parts/StateMark";
import { Table, type Column } from "../parts/Table";
import { Ticks } from "../parts/Ticks";
import { useLive } from "../parts/use";
import { BAD, TERMINAL } from "../states";
import { whyOf } from "./runs";

const SHOWN = 50;
const route = getRouteApi("/flows/$flow");

const COLUMNS: readonly Column<Run>[] = [
  { name: "State", cell: (run) => <StateMark state={run.state} /> },
  { name: "Run", cell: (run) => <span className="run-name"><Link className="strong" to="/runs/$id" params={{ id: run.runId }}><Name text={run.displayName} /></Link> <code>{run.shortId}</code></span> },
  { name: "Started", cell: (run) => <span className="muted num">{when(ms(run.startTime ?? run.createTime))}</span> },
  { name: "Duration", cell: (run) => <span className="num">{TERMINAL.has(run.state) ? span(durationMs(run.runDuration)) : ""}</span> },
  { name: "Code", wide: true, cell: (run) => <code className="muted">{run.codeVersion.slice(0, 8)}</code> },
  { name: "Why", wide: true, cell: (run) => <span className={BAD.has(run.state) ? "" : "muted"}><Name text={whyOf(run)} /></span> },
];

/** One flow: its last runs, how long they take, and how they end. */
export function FlowPage() {
  const { flow } = route.useParams();
  const filter = `flow = ${quoted(flow)} AND kind = FLOW`;
  const list = useLive(`${workspace()} ${filter}`, () => new RunList(filter));
  const totals = useTotals(filter);
  const shown = list.rows.slice(0, SHOWN);
  const title = shown[0]?.flowName || flow;
  return (
    <Page title={plainLine(title, 255)} scrolls crumbs={<Link to="/flows">Flows</Link>} note={totals && plural(totals.all, "run")}
      actions={<><Link className="small" to="/runs" search={{ flow, since: "all" }}>All runs</Link><CopyCommand command={`towpath run ls --flow ${flow}`} /></>}>
      {list.loading ? <Skeleton /> : list.error && !shown.length ? <Problem error={list.error} /> : !shown.length ? (
        <Empty title="This flow has no runs"><p>They were deleted, or are older than what is kept.</p></Empty>
      ) : (
        <>
          <dl className="figures">
            <div><dt>Half of the runs took at most</dt><dd className="num">{span(totals?.p50 ?? NaN) || "–"}</dd></div>
            <div><dt>19 of 20 took at most</dt><dd className="num">{span(totals?.p95 ?? NaN) || "–"}</dd></div>
            <div><dt>Ended badly</dt><dd className="num">{totals ? `${count(totals.bad)} of ${count(totals.all)}` : "–"}</dd></div>
          </dl>
          <section className="card" aria-labelledby="last"><h2 id="last">Last {shown.length} runs</h2><Ticks runs={shown} tall /><Versions runs={shown} /></section>
          <Table label="Runs" rows={shown} columns={COLUMNS} rowKey={(run) => run.runId} empty={null} />
        </>
      )}
    </Page>
  );
}

function useTotals(filter: string) {
  return useQuery({
    queryKey: ["flow-totals", filter],
    queryFn: async ({ signal }) => {
      const { buckets } = await runs.aggregateRuns({ parent: workspace(), filter, timeRange: {} }, { signal });
      const counts = buckets.flatMap((bucket) => bucket.counts);
      const sum = (bad: boolean) => counts.reduce((total, one) => total + (!bad || BAD.has(one.state) ? Number(one.count) : 0), 0);
      return { all: sum(false), bad: sum(true), p50: durationMs(buckets[0]?.runDurationP50), p95: durationMs(buckets[0]?.runDurationP95) };
    },
  }).data;
}

/** The versions of the code, in the order of their first runs. */
function Versions({ runs: shown }: { runs: readonly Run[] }) {
  const versions = [...new Set([...shown].reverse().map((run) => run.codeVersion.slice(0, 8)).filter(Boolean))];
  if (versions.length < 2) return null;
  return <p className="muted">Code: {versions.map((version, i) => <span key={version}>{i > 0 && " → "}<code>{version}</code></span>)}</p>;
}
