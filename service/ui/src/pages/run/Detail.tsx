import { useQuery } from "@tanstack/react-query";
import { runs } from "../../api/clients";
import { runName } from "../../api/workspace";
import { atMs, lastPart, ms, span, when } from "../../format";
import type { Run } from "../../gen/towpath/api/v1/run_pb";
import type { RunTransition } from "../../gen/towpath/api/v1/state_pb";
import type { RunData } from "../../live/rundata";
import { Problem, Skeleton } from "../../parts/Answer";
import { Copy } from "../../parts/Copy";
import { Name } from "../../parts/Name";
import { StateMark } from "../../parts/StateMark";
import { causeOf, causesOf } from "./cause";
import { payloadText } from "./payload";
import { Said } from "./Why";

interface Props {
  data: RunData;
  id: string;
  close: () => void;
  choose: (id: string) => void;
}

/** A run below the shown one: what happened to it, what it waited for, its values. */
export function Detail({ data, id, close, choose }: Props) {
  const row = data.model.rowOf(id);
  const revision = row >= 0 ? data.model.revision[row] : 0;
  const answer = useQuery({ queryKey: ["run", id, revision], queryFn: () => data.detail(id), placeholderData: (before) => (before?.runId === id ? before : undefined) });
  const run = answer.data;
  return (
    <aside className="detail" aria-label="Task run" tabIndex={0} onKeyDown={(e) => e.key === "Escape" && close()}>
      <header>
        <h2><Name text={run?.displayName ?? (row >= 0 ? data.model.names[row] : id.slice(-8))} /></h2>
        <button className="icon" onClick={close} aria-label="Close">×</button>
      </header>
      {answer.error ? <Problem error={answer.error} /> : run ? <Facts run={run} data={data} choose={choose} /> : <Skeleton lines={6} />}
    </aside>
  );
}

function Facts({ run, data, choose }: { run: Run; data: RunData; choose: (id: string) => void }) {
  const cause = causeOf(run);
  const upstream = run.dependencies.map((one) => one.runId);
  return (
    <>
      <p className="sub">
        <StateMark state={run.state} /><span className="num">{span(ms(run.endTime) - ms(run.startTime))}</span>
        <Copy className="id" text={run.runId} label={run.shortId} title="Copy the id" />
        <Copy className="link" text={`towpath run inspect ${run.shortId}`} label="Copy command" />
      </p>
      {cause && <div className="error flat"><div className="grow"><Said cause={cause} /></div></div>}
      <History run={run} />
      {upstream.length > 0 && (
        <>
          <h3>Waited for</h3>
          <ul className="refs">{upstream.slice(0, 30).map((id) => <Upstream key={id} id={id} data={data} choose={choose} />)}</ul>
          {upstream.length > 30 && <p className="muted">and {upstream.length - 30} more</p>}
        </>
      )}
      <Values run={run} choose={choose} />
      {run.failure?.stackTrace && <><h3>Stack trace</h3><pre className="code" tabIndex={0}>{run.failure.stackTrace}</pre></>}
      {causesOf(run.failure).map((one, i) => <div key={i}><h3>Caused by</h3><p><b>{one.type}</b> {one.message}</p></div>)}
    </>
  );
}

function Upstream({ id, data, choose }: { id: string; data: RunData; choose: (id: string) => void }) {
  const row = data.model.rowOf(id);
  if (row < 0) return <li><span className="muted">{id.slice(-8)}</span></li>;
  return <li><StateMark state={data.model.state[row]} bare /><button className="plain" onClick={() => choose(id)}>{data.model.names[row]}</button></li>;
}

/** The states of a run with their times: each attempt, and the waiting between. */
function History({ run }: { run: Run }) {
  const answer = useQuery({
    queryKey: ["transitions", run.runId, String(run.revision)],
    queryFn: ({ signal }) => runs.listRunTransitions({ parent: runName(run.runId), pageSize: 200 }, { signal }),
  });
  if (!answer.data) return null;
  const all = answer.data.transitions;
  return (
    <>
      <h3>Attempts and states</h3>
      <ol className="states">{all.map((one, i) => <Step key={String(one.revision)} one={one} next={all[i + 1]} previous={all[i - 1]} />)}</ol>
    </>
  );
}

function Step({ one, next, previous }: { one: RunTransition; next?: RunTransition; previous?: RunTransition }) {
  const message = one.failure ? `${one.failure.type}: ${one.failure.message}` : one.message || one.reason;
  return (
    <li className={previous && previous.attempt !== one.attempt ? "attempt" : undefined}>
      <time className="num muted">{atMs(ms(one.occurTime))}</time>
      <StateMark state={one.toState} />
      <span className="num muted">{next ? span(ms(next.occurTime) - ms(one.occurTime)) : ""}</span>
      {message && <p className="muted" title={message}>{message}</p>}
    </li>
  );
}

function Values({ run, choose }: { run: Run; choose: (id: string) => void }) {
  const parameters = payloadText(run.parameters);
  const result = payloadText(run.result);
  const from = lastPart(run.cachedFrom);
  return (
    <>
      {parameters && <><h3>Parameters</h3><pre className="code" tabIndex={0}>{parameters}</pre></>}
      {result && <><h3>Result</h3><pre className="code" tabIndex={0}>{result}</pre></>}
      {from && <><h3>Result reused from</h3><p><button className="link" onClick={() => choose(from)}>{from.slice(-8)}</button></p></>}
      {run.worker && <><h3>Worker</h3><p>{lastPart(run.worker)}</p></>}
      {run.cacheKey && <><h3>Cache key</h3><p className="mono break">{run.cacheKey}</p></>}
      {run.traceContext?.traceparent && <><h3>Trace</h3><p className="mono break">{run.traceContext.traceparent.split("-")[1]}</p></>}
      <h3>Recorded</h3><p className="num">{when(ms(run.createTime))}</p>
    </>
  );
}
