import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import { count, lastPart, ms, span, when } from "../../format";
import { RunData } from "../../live/rundata";
import { Graph } from "../../graph/Graph";
import { Problem, Skeleton } from "../../parts/Answer";
import { Copy, CopyCommand } from "../../parts/Copy";
import { Logs } from "../../parts/Logs";
import { Name } from "../../parts/Name";
import { StateMark } from "../../parts/StateMark";
import { Tabs } from "../../parts/Tabs";
import { useLive, useSeconds, useTitle } from "../../parts/use";
import { lookOf, ORDER, stateByKey, TERMINAL } from "../../states";
import { Timeline } from "../../timeline/Timeline";
import type { TimelineModel } from "../../timeline/model";
import { RunActions } from "./Actions";
import { Decisions } from "./Decisions";
import { Detail } from "./Detail";
import { payloadText } from "./payload";
import { Tasks } from "./Tasks";
import { WhatNext, WhyFailed } from "./Why";

export interface RunSearch {
  task?: string;
  tab?: string;
  state?: string;
  path?: string;
}

const route = getRouteApi("/runs/$id");
type Set = (patch: RunSearch) => void;

export function RunPage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const navigate = useNavigate();
  const data = useLive(id, () => new RunData(id));
  const { run, model } = data;
  useTitle(run ? `${run.displayName} ${lookOf(run.state).word.toLowerCase()}` : "Run");
  useSeconds(run !== null && !TERMINAL.has(run.state));
  const set = useCallback<Set>((patch) => {
    const merged = (before: RunSearch) => Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value)) as RunSearch;
    void navigate({ to: "/runs/$id", params: { id }, search: merged, replace: true });
  }, [id, navigate]);
  const choose = useCallback((task: string) => set({ task: task === id ? "" : task }), [id, set]);
  if (data.error && !run) return <main className="page"><h1 className="sr">Run</h1><Problem error={data.error} /></main>;
  if (!run) return <main className="page"><h1 className="sr">Run</h1><Skeleton /></main>;
  return (
    <main className="page run">
      <Head run={run} />
      {data.gone && <p className="note" role="alert">This run was deleted.</p>}
      {data.truncated && <p className="note" role="status">Only the first {count(model.n)} runs below are shown.</p>}
      <WhyFailed run={run} data={data} choose={choose} />
      <WhatNext run={run} />
      {model.n > 0 && <States model={model} search={search} set={set} />}
      <Work key={id} data={data} run={run} search={search} set={set} choose={choose} />
    </main>
  );
}

function Head({ run }: { run: Run }) {
  const took = (TERMINAL.has(run.state) ? ms(run.endTime) : Date.now()) - ms(run.startTime);
  const flow = lastPart(run.flow);
  const deployment = run.deployment.split("/");
  return (
    <div className="top">
      <nav aria-label="Breadcrumb" className="crumbs">
        {flow ? <Link to="/flows/$flow" params={{ flow }} className="clip"><Name text={run.flowName} /></Link> : <Link to="/runs">Runs</Link>}<span aria-hidden="true">/</span>
        {run.parentRun && <><Link to="/runs/$id" params={{ id: lastPart(run.parentRun) }}>caller</Link><span aria-hidden="true">/</span></>}
      </nav>
      <h1><Name text={run.displayName} /></h1>
      <Copy className="id" text={run.runId} label={run.shortId} title="Copy the id" />
      <StateMark state={run.state} big />
      <dl className="facts">
        <div><dt>Started</dt><dd className="num">{when(ms(run.startTime)) || "not yet"}</dd></div>
        {took >= 0 && <div><dt>Took</dt><dd className="num">{span(took)}</dd></div>}
        {run.attempt > 1 && <div><dt>Attempt</dt><dd className="num">{run.attempt}</dd></div>}
        {run.codeVersion && <div><dt>Code</dt><dd><code>{run.codeVersion.slice(0, 8)}</code></dd></div>}
        {run.deployment && <div><dt>Deployment</dt><dd><Link to="/deployments/$flow/$deployment" params={{ flow: deployment.at(-3) ?? "", deployment: deployment.at(-1) ?? "" }}>{deployment.at(-1)}</Link></dd></div>}
      </dl>
      <span className="grow" />
      <RunActions run={run} />
      <CopyCommand command={`towpath run inspect ${run.shortId}`} />
    </div>
  );
}

function States({ model, search, set }: { model: TimelineModel; search: RunSearch; set: Set }) {
  const only = search.state ? stateByKey(search.state) : undefined;
  const present = ORDER.filter((state) => model.counts[state]);
  return (
    <div className="statebar" role="group" aria-label="Task runs by state">
      <div className="stack" aria-hidden="true">
        {present.map((state) => <i key={state} style={{ flexGrow: Math.max(model.counts[state], model.n / 150), background: `var(--s-${lookOf(state).key})` }} />)}
      </div>
      {present.map((state) => (
        <button key={state} className="chip" aria-pressed={only === state} onClick={() => set({ state: only === state ? "" : lookOf(state).key })}>
          <StateMark state={state} /> <span className="num">{count(model.counts[state])}</span>
        </button>
      ))}
      <span className="grow" />
      <button className="small" aria-pressed={!!search.path} onClick={() => set({ path: search.path ? "" : "1" })}>Critical path</button>
    </div>
  );
}

function Work({ data, run, search, set, choose }: { data: RunData; run: Run; search: RunSearch; set: Set; choose: (id: string) => void }) {
  const { model, version } = data;
  const body = useRef<HTMLDivElement>(null);
  const [split, setSplit] = useSplit();
  const chosen = search.task ? model.rowOf(search.task) : -1;
  const state = search.state ? stateByKey(search.state) : undefined;
  const only = useMemo(() => (state === undefined ? null : (row: number) => model.state[row] === state), [state, model]);
  const chooseRow = (row: number) => set({ task: row >= 0 ? model.ids[row] : "" });
  const nameOf = useCallback((id: string) => (id === run.runId ? run.displayName : model.names[model.rowOf(id)] ?? id.slice(-8)), [run.runId, run.displayName, model, version]);
  const parameters = payloadText(run.parameters);
  const result = payloadText(run.result);
  const tabs = [
    { key: "logs", word: "Logs", panel: () => <Logs run={run.name} only={search.task} nameOf={nameOf} ended={TERMINAL.has(run.state)} choose={choose} /> },
    { key: "tasks", word: "Tasks", note: count(model.n), panel: () => <Tasks model={model} version={version} only={only} chosen={chosen} choose={chooseRow} /> },
    { key: "graph", word: "Graph", panel: () => <Graph model={model} version={version} /> },
    { key: "decisions", word: "Decisions", panel: () => <Decisions id={run.runId} revision={String(run.revision)} /> },
    { key: "values", word: "Parameters", panel: () => <Values parameters={parameters} result={result} trace={run.failure?.stackTrace ?? ""} /> },
  ];
  const empty = model.n === 0 && data.filled;
  return (
    <div className="work" ref={body}>
      <div className="left">
        {!empty && <div style={{ height: `${split}%` }} className="pane"><Timeline model={model} version={version} chosen={chosen} choose={chooseRow} only={only} critical={!!search.path} /></div>}
        {!empty && <Grip split={split} setSplit={setSplit} body={body} />}
        <Tabs tabs={tabs} value={search.tab ?? "logs"} choose={(tab) => set({ tab: tab === "logs" ? "" : tab })} />
      </div>
      {search.task && <Detail key={search.task} data={data} id={search.task} close={() => set({ task: "" })} choose={choose} />}
    </div>
  );
}

function Values({ parameters, result, trace }: { parameters: string; result: string; trace: string }) {
  return (
    <div className="values">
      <h3>Parameters</h3>
      {parameters ? <pre className="code" tabIndex={0}>{parameters}</pre> : <p className="muted">None were recorded.</p>}
      {result && <><h3>Result</h3><pre className="code" tabIndex={0}>{result}</pre></>}
      {trace && <><h3>Stack trace</h3><pre className="code" tabIndex={0}>{trace}</pre></>}
    </div>
  );
}

const LEAST = 20;
const MOST = 85;
const KEY = "towpath.split";

/** How much of the page the timeline takes, in percent; kept for the tab. */
function useSplit(): [number, (split: number) => void] {
  const [split, set] = useState(() => Number(sessionStorage.getItem(KEY)) || 54);
  return [split, (next) => {
    const kept = Math.max(LEAST, Math.min(MOST, next));
    set(kept);
    sessionStorage.setItem(KEY, String(kept));
  }];
}

function Grip({ split, setSplit, body }: { split: number; setSplit: (split: number) => void; body: { current: HTMLDivElement | null } }) {
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowUp") setSplit(split - 4);
    else if (event.key === "ArrowDown") setSplit(split + 4);
    else return;
    event.preventDefault();
  };
  const onMove = (event: PointerEvent) => {
    const box = body.current?.getBoundingClientRect();
    if (box && event.buttons & 1) setSplit(((event.clientY - box.top) / box.height) * 100);
  };
  return (
    <div className="grip" role="separator" aria-orientation="horizontal" aria-label="Height of the timeline" aria-valuenow={Math.round(split)} aria-valuemin={LEAST} aria-valuemax={MOST}
      tabIndex={0} onKeyDown={onKey} onPointerDown={(e) => e.currentTarget.setPointerCapture(e.pointerId)} onPointerMove={onMove} />
  );
}
