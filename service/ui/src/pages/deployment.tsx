import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { deployments } from "../api/resources";
import { useRights } from "../api/rights";
import { quoted, workspace } from "../api/workspace";
import { away, durationMs, lastPart, ms, prettyJson, span, when } from "../format";
import { CatchUpPolicy, OverlapPolicy, SlotOutcome, type Deployment, type Schedule, type ScheduleSlot } from "../gen/towpath/api/v1/deployment_pb";
import { RunList } from "../live/runlist";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { Page } from "../parts/Page";
import { StateMark } from "../parts/StateMark";
import { Table, type Column } from "../parts/Table";
import { Ticks } from "../parts/Ticks";
import { Toggle } from "../parts/Toggle";
import { useLive } from "../parts/use";
import { payloadText } from "./run/payload";
import { partsOf } from "./deployments";
import { Backfill } from "../actions/Backfill";
import { RunForm } from "./RunForm";
import { ruleText } from "./rules";

const route = getRouteApi("/deployments/$flow/$deployment");
const LAST = 40;
const words = (name: string | undefined): string => (name ?? "").toLowerCase().replaceAll("_", " ");

export function DeploymentPage() {
  const { flow, deployment } = route.useParams();
  const name = `${workspace()}/flows/${flow}/deployments/${deployment}`;
  const answer = useQuery({ queryKey: ["deployment", name], queryFn: async ({ signal }) => (await deployments.getDeployment({ name }, { signal })).deployment });
  const [form, setForm] = useState(false);
  const [backfill, setBackfill] = useState(false);
  const rights = useRights();
  const navigate = useNavigate();
  const one = answer.data;
  return (
    <Page title={deployment} scrolls crumbs={<><Link to="/deployments">Deployments</Link><span aria-hidden="true">/</span><Link to="/flows/$flow" params={{ flow }}>{one?.flowName ?? flow}</Link></>}
      actions={<>
        {one && rights.may("deployment.write") && (
          <Toggle paused={one.paused ?? false} words={["Pause schedules", "Resume schedules"]} after={() => answer.refetch()} commands={[`towpath deployment pause ${flow}/${deployment}`, `towpath deployment resume ${flow}/${deployment}`]}
            change={(paused) => deployments.updateDeployment({ deployment: { name, paused, etag: one.etag }, updateMask: { paths: ["paused"] } })} />
        )}
        {one && rights.may("deployment.write") && (
          <Do word="Delete" what={`deployment ${deployment}`} act={() => deployments.deleteDeployment({ name, etag: one.etag })} after={() => navigate({ to: "/deployments" })} command={`towpath deployment delete ${flow}/${deployment}`}
            ask="The deployment goes with its schedules. Its runs that wait are cancelled; its ended runs stay." />
        )}
        {one && one.workPool && one.schedules.length > 0 && rights.may("run.create") && <button className="small" onClick={() => setBackfill(true)}>Backfill</button>}
        {one?.workPool && rights.may("run.create") && <button className="small primary" onClick={() => setForm(true)}>Run</button>}
        <CopyCommand command={`towpath deployment inspect ${flow}/${deployment}`} />
      </>}>
      <Answer of={answer}>{(found) => found && <Content deployment={found} />}</Answer>
      {backfill && one && <Backfill deployment={one} close={() => setBackfill(false)} />}
      {form && one && <RunForm deployment={one} close={() => setForm(false)} />}
    </Page>
  );
}

function Content({ deployment }: { deployment: Deployment }) {
  // No filter knows deployments: the newest runs of the flow are looked through.
  const filter = `flow = ${quoted(partsOf(deployment.name).flow)} AND kind = FLOW`;
  const list = useLive(`${workspace()} ${filter}`, () => new RunList(filter));
  const shown = list.rows.filter((run) => run.deployment === deployment.name);
  const parameters = payloadText(deployment.parameters);
  return (
    <>
      {deployment.description && <p className="note">{deployment.description}</p>}
      <dl className="figures">
        <div><dt>Next run</dt><dd className="num">{deployment.paused ? "Paused" : away(ms(deployment.nextRunTime)) || "Not scheduled"}</dd></div>
        <div><dt>Work pool</dt><dd>{deployment.workPool ? <Link to="/pools/$pool" params={{ pool: lastPart(deployment.workPool) }}>{lastPart(deployment.workPool)}</Link> : "None"}</dd></div>
        <div><dt>Runs at once</dt><dd className="num">{deployment.concurrencyLimit || "No limit"}</dd></div>
        <div><dt>Revision</dt><dd className="num">{String(deployment.revision)}</dd></div>
      </dl>
      <section className="card" aria-labelledby="runs-of">
        <h2 id="runs-of">Last runs</h2>
        {shown.length ? <Ticks runs={shown.slice(0, LAST)} tall /> : <p className="muted">{list.loading ? "Loading" : "It has not run yet."}</p>}
        <ul className="list">
          {shown.slice(0, 6).map((run) => (
            <li key={run.runId}><StateMark state={run.state} bare /><p className="clip"><Link to="/runs/$id" params={{ id: run.runId }}>{run.displayName}</Link> <code className="muted">{run.shortId}</code> <span className="muted">{run.stateMessage}</span></p><span className="num muted">{when(ms(run.startTime ?? run.scheduledTime ?? run.createTime))}</span></li>
          ))}
        </ul>
      </section>
      {deployment.schedules.map((schedule) => <ScheduleCard key={schedule.name} schedule={schedule} />)}
      <section className="card" aria-labelledby="how">
        <h2 id="how">How it runs</h2>
        <dl className="pairs">
          <div><dt>Entry point</dt><dd><code>{deployment.entrypoint}</code></dd></div>
          <div><dt>Code</dt><dd className="mono break">{sourceText(deployment)}{deployment.codeVersion && ` at ${deployment.codeVersion}`}</dd></div>
          {deployment.timeout && <div><dt>Timeout</dt><dd>{span(durationMs(deployment.timeout))}</dd></div>}
          {deployment.secrets.length > 0 && <div><dt>Secrets</dt><dd>{deployment.secrets.join(", ")}</dd></div>}
          {deployment.owner?.displayName && <div><dt>Owner</dt><dd>{deployment.owner.displayName}</dd></div>}
          <div><dt>Changed</dt><dd className="num">{when(ms(deployment.updateTime))}</dd></div>
        </dl>
        {parameters && parameters !== "{}" && <><h3>Parameters</h3><pre className="code" tabIndex={0}>{parameters}</pre></>}
        {deployment.jobOverridesJson && <><h3>Overrides of the job</h3><pre className="code" tabIndex={0}>{prettyJson(deployment.jobOverridesJson)}</pre></>}
      </section>
    </>
  );
}

function sourceText({ codeSource }: Deployment): string {
  const source = codeSource?.source;
  switch (source?.case) {
    case "localPath": return source.value;
    case "git": return `${source.value.url} ${source.value.ref}`.trim();
    case "packages": return source.value.requirements.join(" ");
    case "archive": return source.value.uri;
    default: return "";
  }
}

const SLOTS: readonly Column<ScheduleSlot>[] = [
  { name: "Due", cell: (slot) => <span className="num">{when(ms(slot.dueTime))}</span> },
  { name: "Decision", cell: (slot) => words(SlotOutcome[slot.outcome]) + (slot.count > 1n ? ` × ${slot.count}` : "") },
  { name: "Run", cell: (slot) => slot.run && <Link to="/runs/$id" params={{ id: lastPart(slot.run) }}><code>{slot.run.slice(-8)}</code></Link> },
  { name: "Why", wide: true, cell: (slot) => <span className="muted">{slot.message}</span> },
];

function ScheduleCard({ schedule }: { schedule: Schedule }) {
  const id = lastPart(schedule.name);
  const queries = useQueryClient();
  const { may } = useRights();
  const parts = schedule.name.split("/");
  const path = `${parts[3]}/${parts[5]}/${id}`;
  const slots = useQuery({ queryKey: ["slots", schedule.name], queryFn: async ({ signal }) => (await deployments.listScheduleSlots({ parent: schedule.name, pageSize: 10 }, { signal })).slots });
  return (
    <section className="card" aria-labelledby={`schedule-${id}`}>
      <h2 id={`schedule-${id}`}>{schedule.label || id} <code className="muted">{ruleText(schedule)}</code> {schedule.paused && <span className="tag">paused</span>}</h2>
      {may("deployment.write") && (
        <p className="buttons">
          <Toggle paused={schedule.paused ?? false} what={`schedule ${id}`} after={() => queries.invalidateQueries({ queryKey: ["deployment"] })} commands={[`towpath schedule pause ${path}`, `towpath schedule resume ${path}`]}
            change={(paused) => deployments.updateSchedule({ schedule: { name: schedule.name, paused, etag: schedule.etag }, updateMask: { paths: ["paused"] } })} />
        </p>
      )}
      <p className="muted">Overlaps: {words(OverlapPolicy[schedule.overlapPolicy])}. Missed times: {words(CatchUpPolicy[schedule.catchUpPolicy])}.</p>
      {schedule.nextTimes.length > 0 && <p className="num">Next: {schedule.nextTimes.slice(0, 5).map((time) => when(ms(time))).join(", ")}</p>}
      <Answer of={slots} lines={2}>{(rows) => <Table label="Due times" rows={rows} columns={SLOTS} rowKey={(slot) => String(ms(slot.dueTime))} empty={<Empty title="No time was due yet" />} />}</Answer>
    </section>
  );
}
