import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, type ReactNode } from "react";
import { flows, runs } from "../api/clients";
import { deployments } from "../api/resources";
import { quoted, workspace } from "../api/workspace";
import { away, count, durationMs, lastPart, ms, plural, span, when } from "../format";
import type { Flow } from "../gen/towpath/api/v1/flow_service_pb";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { RunState } from "../gen/towpath/api/v1/state_pb";
import { RunList } from "../live/runlist";
import { Activity } from "../parts/Activity";
import { Answer, Empty } from "../parts/Answer";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { StateMark } from "../parts/StateMark";
import { useLive, useSeconds } from "../parts/use";
import { BAD, lookOf, ORDER } from "../states";
import { whyOf } from "./runs";

const DAY = 86_400_000;
const BUCKET = 1200;
const OPEN = `kind = FLOW AND parent_run = "" AND (state = SCHEDULED OR state = RUNNING OR state = RETRYING OR state = PENDING OR state = PAUSED OR state = CANCELLING)`;
const MOST_FLOWS = 100;
const MOST_COMPARED = 12;
/** A run is late when it takes this many times as long as 19 of 20 runs of its flow. */
const LATE = 1.5;

export function Home() {
  const all = useQuery({
    queryKey: ["flows", workspace()],
    queryFn: async ({ signal }) => (await flows.listFlows({ parent: workspace(), pageSize: MOST_FLOWS }, { signal })).flows,
  });
  const open = useLive(`${workspace()} open`, () => new RunList(OPEN));
  useSeconds(open.rows.length > 0);
  return (
    <Page title="Home" scrolls>
      <Answer of={all}>
        {(known) => (known.length ? <Board known={known} open={open.rows} /> : <Welcome />)}
      </Answer>
    </Page>
  );
}

const Welcome = () => (
  <Empty title="No run yet">
    <p>A run appears here as soon as a flow runs against this server:</p>
    <pre>{`# hello.py\nfrom towpath import flow, task\n\n@task\ndef greet(name):\n    return f"Hello, {name}"\n\n@flow\ndef hello(names=("Ada", "Grace")):\n    return greet.map(names).result()\n\nif __name__ == "__main__":\n    hello()`}</pre>
    <pre>python hello.py</pre>
  </Empty>
);

function Board({ known, open }: { known: Flow[]; open: Run[] }) {
  const late = useLate(open);
  const bad = known.filter((flow) => flow.lastRun && BAD.has(flow.lastRun.state)).sort((a, b) => ms(b.lastRun?.endTime) - ms(a.lastRun?.endTime));
  const waiting = open.filter(waits);
  const underWay = open.filter((run) => run.state !== RunState.SCHEDULED);
  const needs = bad.length + late.length + waiting.length;
  return (
    <>
      <Day />
      <div className="board">
        <section className="card" aria-labelledby="needs">
          <h2 id="needs">Needs somebody <span className="muted num">{needs || ""}</span></h2>
          {!needs && <p className="fine"><StateMark state={RunState.COMPLETED} bare /> The last run of every flow ended well.</p>}
          <ul className="list">
            {bad.map((flow) => flow.lastRun && <Item key={flow.name} run={flow.lastRun} note={away(ms(flow.lastRun.endTime))}>{whyOf(flow.lastRun)}</Item>)}
            {late.map(({ run, usual }) => <Item key={run.runId} run={run} note={span(Date.now() - ms(run.startTime))}>Runs far longer than usual: 19 of 20 runs took at most {span(usual)}</Item>)}
            {waiting.map((run) => <Item key={run.runId} run={run} note={away(ms(run.stateTime))}>{run.stateMessage || "Waits: open it to see for what"}</Item>)}
          </ul>
        </section>
        <section className="card" aria-labelledby="now">
          <h2 id="now">Under way <span className="muted num">{underWay.length || ""}</span></h2>
          {!underWay.length && <p className="muted">Nothing runs at present.</p>}
          <ul className="list">
            {underWay.slice(0, 12).map((run) => <Item key={run.runId} run={run} note={run.startTime ? span(Date.now() - ms(run.startTime)) : ""}>{progressOf(run)}</Item>)}
          </ul>
          {underWay.length > 12 && <Link className="more" to="/runs" search={{ state: "running" }}>All {count(underWay.length)}</Link>}
          <Next />
        </section>
      </div>
      <Worst known={known} />
    </>
  );
}

const PATIENCE = 60e3;

/** Whether a run waits for something that may not come by itself. */
function waits(run: Run): boolean {
  const since = run.state === RunState.SCHEDULED ? ms(run.scheduledTime ?? run.createTime) : ms(run.stateTime);
  if (run.state === RunState.PAUSED || run.state === RunState.RETRYING) return true;
  return (run.state === RunState.SCHEDULED || run.state === RunState.PENDING) && Date.now() - since > PATIENCE;
}

function Item({ run, note, children }: { run: Run; note: string; children: ReactNode }) {
  return (
    <li>
      <StateMark state={run.state} bare />
      <div>
        <p className="clip"><Link to="/runs/$id" params={{ id: run.runId }}><Name text={run.displayName} /></Link> <code className="muted">{run.shortId}</code></p>
        {children && <p className="muted clip">{typeof children === "string" ? <Name text={children} /> : children}</p>}
      </div>
      <span className="num muted">{note}</span>
    </li>
  );
}

function progressOf(run: Run): string {
  const { progress } = run;
  if (!progress) return run.stateMessage;
  const of = progress.total ? ` of ${count(progress.total)}` : "";
  return `${count(progress.completed)}${of} ${progress.unit} ${progress.message}`.trim();
}

/** Runs that take far longer than the runs of their flow usually do. */
function useLate(open: Run[]): { run: Run; usual: number }[] {
  const running = open.filter((run) => run.startTime && run.flow);
  const names = [...new Set(running.map((run) => run.flow))].slice(0, MOST_COMPARED);
  const usual = useQueries({
    queries: names.map((flow) => ({
      queryKey: ["usual", flow], staleTime: 10 * 60e3,
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const filter = `flow = ${quoted(lastPart(flow))} AND kind = FLOW AND state = COMPLETED`;
        const answer = await runs.aggregateRuns({ parent: workspace(), filter, timeRange: {} }, { signal });
        // No NaN: it equals nothing, so that the answer would be a new one with each look at it.
        return durationMs(answer.buckets[0]?.runDurationP95) || 0;
      },
    })),
  });
  const limits = new Map(names.map((name, i) => [name, usual[i]?.data]));
  return running.flatMap((run) => {
    const limit = limits.get(run.flow);
    return limit && Date.now() - ms(run.startTime) > LATE * limit + 5e3 ? [{ run, usual: limit }] : [];
  });
}

/** The last 24 hours by state. */
function Day() {
  const from = useMemo(() => Math.floor(Date.now() / 60e3) * 60e3 - DAY, []);
  const day = useQuery({
    queryKey: ["day", workspace(), from],
    queryFn: async ({ signal }) => {
      const timeRange = { startTime: { seconds: BigInt(from / 1000) } };
      const filter = `kind = FLOW AND parent_run = "" AND create_time >= "${new Date(from).toISOString()}"`;
      return (await runs.aggregateRuns({ parent: workspace(), filter, timeRange, bucket: { seconds: BigInt(BUCKET) } }, { signal })).buckets;
    },
  });
  const counts = new Map<number, number>();
  for (const one of (day.data ?? []).flatMap((bucket) => bucket.counts)) counts.set(one.state, (counts.get(one.state) ?? 0) + Number(one.count));
  return (
    <>
      <Activity buckets={day.data ?? []} from={from} seconds={BUCKET} now={Date.now()} />
      <div className="filters">
        <span className="muted">Last 24 hours</span>
        {ORDER.filter((state) => counts.get(state)).map((state) => (
          <Link key={state} className="chip" to="/runs" search={{ state: lookOf(state).key }}><StateMark state={state} /> <span className="num">{count(counts.get(state) ?? 0)}</span></Link>
        ))}
      </div>
    </>
  );
}

/** What is due next. */
function Next() {
  const due = useQuery({
    queryKey: ["due", workspace()], retry: false,
    queryFn: async ({ signal }) => {
      const all = (await deployments.listDeployments({ parent: workspace(), pageSize: 500 }, { signal })).deployments;
      return all.filter((one) => one.nextRunTime).sort((a, b) => ms(a.nextRunTime) - ms(b.nextRunTime)).slice(0, 6);
    },
  });
  if (!due.data?.length) return null;
  return (
    <>
      <h3>Due next</h3>
      <ul className="list plain-list">
        {due.data.map((one) => {
          const parts = one.name.split("/");
          return (
            <li key={one.name}>
              <Link to="/deployments/$flow/$deployment" params={{ flow: parts[3], deployment: parts[5] }}>{one.flowName} · {parts[5]}</Link>
              <span className="num muted" title={when(ms(one.nextRunTime))}>{away(ms(one.nextRunTime))}</span>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** Flows by the share of their runs that ended badly. */
function Worst({ known }: { known: Flow[] }) {
  const rows = known.map((flow) => {
    const of = (bad: boolean) => flow.runCounts.reduce((sum, one) => sum + (!bad || BAD.has(one.state) ? Number(one.count) : 0), 0);
    return { flow, bad: of(true), all: of(false) };
  }).filter((row) => row.bad).sort((a, b) => b.bad / b.all - a.bad / a.all).slice(0, 8);
  if (!rows.length) return null;
  return (
    <section className="card" aria-labelledby="worst">
      <h2 id="worst">Flows by share of bad ends</h2>
      <ul className="shares">
        {rows.map(({ flow, bad, all }) => (
          <li key={flow.name}>
            <Link to="/flows/$flow" params={{ flow: lastPart(flow.name) }} className="clip"><Name text={flow.displayName} /></Link>
            <span className="share" aria-hidden="true"><i style={{ width: `${(100 * bad) / all}%` }} /></span>
            <span className="num muted">{plural(bad, "run")} of {count(all)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
