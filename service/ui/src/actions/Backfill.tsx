import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { messageOf } from "../api/clients";
import { backfills } from "../api/resources";
import { workspace } from "../api/workspace";
import { count, lastPart, ms, plural, when } from "../format";
import type { Deployment } from "../gen/towpath/api/v1/deployment_pb";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";

const SHOWN = 12;
const DAY = 86_400_000;
const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10);
const timeOf = (day: string) => ({ seconds: BigInt(Date.parse(`${day}T00:00:00Z`) / 1000), nanos: 0 });

/** Runs a deployment for past due times of a schedule; shows the times before. */
export function Backfill({ deployment, close }: { deployment: Deployment; close: () => void }) {
  const [schedule, setSchedule] = useState(lastPart(deployment.schedules[0]?.name ?? ""));
  const [from, setFrom] = useState(() => dayOf(Date.now() - 7 * DAY));
  const [to, setTo] = useState(() => dayOf(Date.now()));
  const [most, setMost] = useState("1");
  const [requestId] = useState(newId);
  const ask = (dryRun: boolean) => backfills.createBackfill({
    parent: workspace(), requestId: dryRun ? newId() : requestId, dryRun,
    backfill: { deployment: deployment.name, scheduleId: schedule, startTime: timeOf(from), endTime: timeOf(to), maxActive: Number(most) || 1 },
  });
  const preview = useMutation({ mutationFn: () => ask(true) });
  const start = useMutation({ mutationFn: () => ask(false) });
  const fresh = (set: (text: string) => void) => (event: { target: { value: string } }) => {
    set(event.target.value);
    preview.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    preview.mutate();
  };
  const parts = deployment.name.split("/");
  const error = preview.error ?? start.error;
  const command = `towpath deployment backfill ${parts[3]}/${parts[5]} --schedule ${schedule} --from ${from}T00:00:00Z --to ${to}T00:00:00Z --max-active ${most || "1"}`;
  const times = preview.data?.times ?? [];
  const total = Number(preview.data?.backfill?.totalCount ?? 0n) || times.length;
  if (start.data) {
    return (
      <Dialog title="The backfill has begun" close={close}>
        <p>Its runs appear in the list of runs, {most} at a time.</p>
        <footer><Copy text={`towpath backfill inspect ${lastPart(start.data.backfill?.name ?? "")}`} label="Copy command" className="link" /><span className="grow" /><button className="small primary" onClick={close}>Done</button></footer>
      </Dialog>
    );
  }
  return (
    <Dialog title="Backfill" close={close}>
      <form className="form" onSubmit={submit}>
        {deployment.schedules.length > 1 && <div className="field"><label htmlFor="bf-schedule">Schedule</label><select id="bf-schedule" value={schedule} onChange={fresh(setSchedule)}>{deployment.schedules.map((one) => <option key={one.name}>{lastPart(one.name)}</option>)}</select></div>}
        <div className="field"><label htmlFor="bf-from">From, midnight UTC</label><input id="bf-from" type="date" required value={from} onChange={fresh(setFrom)} /></div>
        <div className="field"><label htmlFor="bf-to">To, midnight UTC, exclusive</label><input id="bf-to" type="date" required value={to} onChange={fresh(setTo)} /></div>
        <div className="field"><label htmlFor="bf-most">Unfinished runs at once</label><input id="bf-most" inputMode="numeric" pattern="[0-9]+" required value={most} onChange={fresh(setMost)} /></div>
        {error && <p role="alert" className="refused">{messageOf(error)}</p>}
        {preview.data && (
          <div role="status">
            <p className="strong">{total ? `${plural(total, "run")}, one for each due time:` : "No time was due in these days."}</p>
            <ul className="times num muted">{times.slice(0, SHOWN).map((time) => <li key={ms(time)}>{when(ms(time))}</li>)}{total > SHOWN && <li>and {count(total - SHOWN)} more</li>}</ul>
          </div>
        )}
        <footer>
          <Copy text={command} label="Copy command" className="link" />
          <span className="grow" />
          <button type="button" className="small" onClick={close}>Back</button>
          {preview.data && total > 0
            ? <button type="button" className="small primary" disabled={start.isPending} onClick={() => start.mutate()}>Create {plural(total, "run")}</button>
            : <button className="small primary" disabled={preview.isPending}>Show due times</button>}
        </footer>
      </form>
    </Dialog>
  );
}

/** A UUID; browsers give none to pages of plain addresses beyond this machine. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
