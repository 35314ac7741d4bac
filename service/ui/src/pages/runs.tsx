import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from "react";
import { flows, runs } from "../api/clients";
import { quoted, workspace } from "../api/workspace";
import { count, durationMs, lastPart, ms, plural, span, typeName, when } from "../format";
import { RunKind, type Run } from "../gen/towpath/api/v1/run_pb";
import type { RunAggregate } from "../gen/towpath/api/v1/run_service_pb";
import { RunList } from "../live/runlist";
import { Activity } from "../parts/Activity";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { plainLine } from "../parts/ansi";
import { CopyCommand } from "../parts/Copy";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { StateMark } from "../parts/StateMark";
import { useLive, useSeconds } from "../parts/use";
import { runsCommand } from "../commands";
import { Chosen, usePicked, type Picked } from "../actions/Chosen";
import { textFilter } from "./filters";
import { BAD, lookOf, ORDER, stateByKey, stateName, TERMINAL } from "../states";

export interface RunsSearch {
  state?: string;
  flow?: string;
  kind?: string;
  since?: string;
  q?: string;
}

const SPANS: Record<string, [word: string, seconds: number, bucket: number]> = {
  "15m": ["15m", 900, 15], "1h": ["1h", 3600, 60], "24h": ["24h", 86_400, 1200], "7d": ["7d", 604_800, 7200], all: ["All", 0, 86_400],
};
const KINDS: readonly [key: string, word: string][] = [["flow", "Flows"], ["sub", "With subflows"], ["task", "Tasks"]];
const KIND_FILTERS: Record<string, string> = { flow: `kind = FLOW AND parent_run = ""`, sub: "kind = FLOW", task: "kind = TASK" };
const ROW = 34;

const route = getRouteApi("/runs");

/** The filter without states; the counts of the states follow it. */
function filterOf(search: RunsSearch, from: number): string {
  const parts = [KIND_FILTERS[search.kind ?? "flow"] ?? KIND_FILTERS.flow];
  if (search.flow) parts.push(`flow = ${quoted(search.flow)}`);
  if (from) parts.push(`create_time >= ${quoted(new Date(from).toISOString())}`);
  if (search.q) parts.push(textFilter(search.q));
  return parts.join(" AND ");
}

export function Runs() {
  const search = route.useSearch();
  const navigate = useNavigate();
  const spanKey = search.since && SPANS[search.since] ? search.since : "24h";
  const [, seconds, bucket] = SPANS[spanKey];
  // Whole minutes: the filter stays the same while the page is redrawn.
  const from = useMemo(() => (seconds ? Math.floor(Date.now() / 60e3) * 60e3 - seconds * 1000 : 0), [seconds]);
  const base = filterOf(search, from);
  const states = (search.state ?? "").split(",").map(stateByKey).filter((state) => state !== undefined);
  const filter = states.length ? `${base} AND (${states.map((state) => `state = ${stateName(state)}`).join(" OR ")})` : base;
  const list = useLive(`${workspace()} ${filter}`, () => new RunList(filter));
  const counts = useCounts(base, from, bucket, list.version);
  const set = (patch: RunsSearch) => void navigate({ to: "/runs", search: (before) => cleaned({ ...before, ...patch }), replace: true });
  const flip = (key: string) => {
    const on = new Set((search.state ?? "").split(",").filter(Boolean));
    if (!on.delete(key)) on.add(key);
    set({ state: [...on].join(",") });
  };
  const picked = usePicked(filter);
  const totals = totalsOf(counts);
  const total = [...totals.values()].reduce((sum, n) => sum + n, 0);
  return (
    <Page title="Runs" note={counts && plural(total, search.kind === "task" ? "task run" : "flow run")}
      actions={<>
        <Choice label="Kind" value={search.kind ?? "flow"} options={KINDS} choose={(kind) => set({ kind: kind === "flow" ? "" : kind })} />
        <Choice label="Time" value={spanKey} options={Object.entries(SPANS).map(([key, [word]]) => [key, word])} choose={(since) => set({ since: since === "24h" ? "" : since })} />
        <CopyCommand command={runsCommand(search, spanKey)} />
      </>}>
      <Activity buckets={counts ?? []} from={from} seconds={bucket} now={Date.now()} />
      <div className="filters">
        <Search value={search.q ?? ""} set={(q) => set({ q })} />
        <FlowChoice value={search.flow ?? ""} set={(flow) => set({ flow })} />
        <div className="chips" role="group" aria-label="State">
          {ORDER.filter((state) => totals.get(state) || states.includes(state)).map((state) => (
            <button key={state} className="chip" aria-pressed={states.includes(state)} onClick={() => flip(lookOf(state).key)}>
              <StateMark state={state} /> <span className="num">{count(totals.get(state) ?? 0)}</span>
            </button>
          ))}
        </div>
        {(search.state || search.flow || search.q) && <button className="link" onClick={() => set({ state: "", flow: "", q: "" })}>Clear</button>}
      </div>
      <Chosen picked={picked} list={list} />
      <RunTable list={list} showFlow={search.kind === "task"} picked={picked} />
    </Page>
  );
}

const cleaned = (search: RunsSearch): RunsSearch => Object.fromEntries(Object.entries(search).filter(([, value]) => value)) as RunsSearch;

/** Runs over time, asked for again when the list has changed, at most every 15 seconds. */
function useCounts(filter: string, from: number, bucket: number, version: number): RunAggregate[] | undefined {
  const slot = useRef({ version, time: 0, n: 0 });
  if (version !== slot.current.version && Date.now() - slot.current.time > 15_000)
    slot.current = { version, time: Date.now(), n: slot.current.n + 1 };
  const query = useQuery({
    queryKey: ["aggregate", workspace(), filter, bucket, slot.current.n],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => {
      const timeRange = from ? { startTime: { seconds: BigInt(Math.floor(from / 1000)), nanos: 0 } } : {};
      const answer = await runs.aggregateRuns({ parent: workspace(), filter, timeRange, bucket: { seconds: BigInt(bucket) } }, { signal });
      return answer.buckets;
    },
  });
  return query.data;
}

function totalsOf(buckets: RunAggregate[] | undefined): Map<number, number> {
  const totals = new Map<number, number>();
  for (const bucket of buckets ?? [])
    for (const { state, count: n } of bucket.counts) totals.set(state, (totals.get(state) ?? 0) + Number(n));
  return totals;
}

export function Choice({ label, value, options, choose }: { label: string; value: string; options: readonly (readonly [string, string])[]; choose: (key: string) => void }) {
  return (
    <div className="seg" role="group" aria-label={label}>
      {options.map(([key, word]) => <button key={key} aria-pressed={value === key} onClick={() => choose(key)}>{word}</button>)}
    </div>
  );
}

function Search({ value, set }: { value: string; set: (text: string) => void }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => set(text), 250);
    return () => clearTimeout(timer);
  });
  return (
    <div className="find">
      <input type="search" value={text} data-key="/" aria-label="Name, short id or expression" placeholder="Name, short id, or attempt > 1 AND tags:nightly" onChange={(e) => setText(e.target.value)} />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

function FlowChoice({ value, set }: { value: string; set: (flow: string) => void }) {
  const all = useQuery({
    queryKey: ["flow-names", workspace()], staleTime: 60_000,
    queryFn: ({ signal }) => flows.listFlows({ parent: workspace(), pageSize: 500 }, { signal }),
  });
  return (
    <select aria-label="Flow" value={value} onChange={(e) => set(e.target.value)}>
      <option value="">All flows</option>
      {all.data?.flows.map((flow) => <option key={flow.name} value={lastPart(flow.name)}>{plainLine(flow.displayName, 60)}</option>)}
    </select>
  );
}

function RunTable({ list, showFlow, picked }: { list: RunList; showFlow: boolean; picked: Picked }) {
  const scroller = useRef<HTMLDivElement>(null);
  const navigate = useNavigate();
  const [at, setAt] = useState(-1);
  const rows = useVirtualizer({
    count: list.rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 12,
    getItemKey: (i) => list.rows[i].runId,
  });
  const items = rows.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= list.rows.length - 30) void list.next();
  }, [last, list, list.rows.length]);
  useSeconds(items.some((item) => list.rows[item.index] && !TERMINAL.has(list.rows[item.index].state)));
  const longest = useMemo(() => Math.max(1, ...list.rows.slice(0, 300).map((run) => durationMs(run.runDuration) || 0)), [list.rows]);
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey) return;
    const go = (to: number) => {
      const next = Math.max(0, Math.min(list.rows.length - 1, to));
      setAt(next);
      rows.scrollToIndex(next);
      event.preventDefault();
    };
    if (event.key === "j" || event.key === "ArrowDown") go(at + 1);
    else if (event.key === "k" || event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "x" && list.rows[at]) picked.flip(list.rows[at]);
    else if (event.key === "Enter" && list.rows[at] && event.target === event.currentTarget)
      void navigate({ to: "/runs/$id", params: { id: list.rows[at].runId } });
  };
  const onScroll = (top: number) => {
    const held = top > 40;
    if (list.held && !held) list.release();
    list.held = held;
  };
  return (
    <div className="table-box">
      {list.waiting.length > 0 && (
        <button className="fresh" onClick={() => { scroller.current?.scrollTo({ top: 0 }); onScroll(0); }}>{plural(list.waiting.length, "new run")}</button>
      )}
      <div className="scroller" ref={scroller} tabIndex={0} data-key="table" role="grid" aria-label="Runs, newest first" aria-rowcount={list.nextPage ? -1 : list.rows.length + 1}
        aria-activedescendant={at >= 0 ? `row-${at}` : undefined} onKeyDown={onKey} onScroll={(e) => onScroll(e.currentTarget.scrollTop)}>
        <div className="row head" role="row">
          {["State", "Run", showFlow ? "Flow" : "Code", "Started", "Duration", "Why"].map((name) => <div key={name} role="columnheader">{name}</div>)}
        </div>
        <div style={{ height: rows.getTotalSize(), position: "relative" }} role="presentation">
          {items.map((item) => list.rows[item.index] && (
            <RunRow key={item.key} run={list.rows[item.index]} index={item.index} top={item.start} chosen={item.index === at} longest={longest} showFlow={showFlow} picked={picked} />
          ))}
        </div>
        {list.loading && <Skeleton lines={14} />}
        {!list.loading && !list.rows.length && !list.error && <NoRuns />}
        {list.error !== null && !list.rows.length && <Problem error={list.error} />}
      </div>
    </div>
  );
}

const NoRuns = () => (
  <Empty title="No run matches">
    <p>Widen the time, or clear the filters. A run appears here with its first task:</p>
    <pre>python my_flow.py</pre>
  </Empty>
);

function RunRow({ run, index, top, chosen, longest, showFlow, picked }: { run: Run; index: number; top: number; chosen: boolean; longest: number; showFlow: boolean; picked: Picked }) {
  const start = ms(run.startTime);
  const ended = TERMINAL.has(run.state);
  const took = ended ? durationMs(run.runDuration) : Date.now() - start;
  const share = Math.max(0.01, Math.min(1, Math.sqrt((took || 0) / longest)));
  const bad = BAD.has(run.state);
  return (
    <div id={`row-${index}`} role="row" aria-rowindex={index + 2} className={chosen ? "row at" : "row"} style={{ transform: `translateY(${top}px)` }}>
      <div role="gridcell" className="picking">
        {picked.may && <input type="checkbox" tabIndex={-1} aria-label={`Choose ${run.shortId}`} checked={picked.runs.has(run.runId)} onChange={() => picked.flip(run)} />}
        <StateMark state={run.state} />
      </div>
      <div role="gridcell" className="run-name">
        <Link to="/runs/$id" params={{ id: run.runId }}><Name text={run.displayName} /></Link> <code>{run.shortId}</code>
        {run.parentRun && run.kind === RunKind.FLOW && <span className="tag" title="Called by another flow">subflow</span>}
        {run.attempt > 1 && <span className="tag" title={`Attempt ${run.attempt}`}>#{run.attempt}</span>}
        {run.tags.slice(0, 2).map((tag) => <span className="tag" key={tag}>{tag}</span>)}
      </div>
      <div role="gridcell" className="muted clip">{showFlow ? <Name text={run.flowName} /> : <code>{run.codeVersion.slice(0, 8)}</code>}</div>
      <div role="gridcell" className="num muted" title={Number.isFinite(start) ? new Date(start).toISOString() : ""}>{when(Number.isFinite(start) ? start : ms(run.scheduledTime ?? run.createTime))}</div>
      <div role="gridcell" className="dur"><span className="num">{span(took)}</span>{took > 0 && <i style={{ width: `${share * 100}%`, background: `var(--s-${lookOf(run.state).key})` }} />}</div>
      <div role="gridcell" className={bad ? "clip why" : "clip why muted"} title={run.failure?.message || run.stateMessage}><Name text={whyOf(run)} /></div>
    </div>
  );
}

/** Why a run is as it is, in a line. */
export const whyOf = (run: Run): string => (run.failure ? `${typeName(run.failure.type)}: ${run.failure.message}` : run.stateMessage);
