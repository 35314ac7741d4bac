import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { limits } from "../api/resources";
import { useRights } from "../api/rights";
import { workspace } from "../api/workspace";
import { shellWord } from "../commands";
import { away, count, lastPart, ms } from "../format";
import type { Holder, Limit } from "../gen/towpath/api/v1/limit_service_pb";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { FormButton } from "../parts/FormDialog";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Use } from "./pools";

const SLASH = "~";
/** Ids of limits may hold slashes and colons: they are one part of an address. */
const idOf = (limit: Limit): string => limit.name.slice(limit.name.indexOf("/limits/") + "/limits/".length);
export const limitPart = (id: string): string => id.replaceAll("/", SLASH);

const rateOf = (limit: Limit): string => (limit.refillPerSecond ? `${Number(limit.refillPerSecond.toPrecision(3))} per second, ${count(limit.slots)} at once` : "");

const COLUMNS: readonly Column<Limit>[] = [
  { name: "Limit", cell: (limit) => <><Link className="strong" to="/limits/$limit" params={{ limit: limitPart(idOf(limit)) }}><Name text={idOf(limit)} /></Link> {limit.disabled && <span className="tag">disabled</span>}</> },
  { name: "Held", cell: (limit) => (limit.refillPerSecond ? <span className="muted">{rateOf(limit)}</span> : <Use taken={BigInt(limit.heldSlots)} limit={limit.slots} />) },
  { name: "Waiting", cell: (limit) => <span className={limit.waitingCount ? "num strong" : "num"}>{count(limit.waitingCount)}</span> },
  { name: "Description", wide: true, cell: (limit) => <span className="muted">{limit.description}</span> },
];

/** Limits of what happens at once, or per second. */
export function Limits() {
  const { may } = useRights();
  const all = useQuery({
    queryKey: ["limits", workspace()],
    queryFn: async ({ signal }) => (await limits.listLimits({ parent: workspace(), pageSize: 500, showKeys: true }, { signal })).limits,
  });
  return (
    <Page title="Limits" note={all.data && count(all.data.length)} actions={<>
      {may("limit.write") && <FormButton label="New limit" title="Set a limit" word="Set" asks={[
        { name: "id", label: "Name", hint: "Of a tag, tag:gpu, or of what code names." }, { name: "slots", label: "Slots", kind: "number", initial: "1" }, { name: "description", label: "Description", optional: true },
      ]} act={async ({ id, slots, description }) => { await limits.setLimit({ parent: workspace(), limitId: id, limit: { slots: whole(slots), description } }); }} after={() => all.refetch()}
        command={({ id, slots, description }) => `towpath limit set ${shellWord(id || "NAME")} ${slots || "1"}${description && ` --description ${shellWord(description)}`}`} />}
      <button className="small" onClick={() => void all.refetch()}>Refresh</button><CopyCommand command="towpath limit ls" />
    </>}>
      <div className="body">
        <Answer of={all}>
          {(rows) => <Table label="Limits" rows={rows} columns={COLUMNS} rowKey={(limit) => limit.name} empty={<Empty title="No limit yet"><p>A limit says how many of something happen at once, such as connections to a database:</p><pre>towpath limit set warehouse 10</pre></Empty>} />}
        </Answer>
      </div>
    </Page>
  );
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Error("Slots must be a whole number, 0 or more");
  return value;
}

const route = getRouteApi("/limits/$limit");

const who = (holder: Holder) => (holder.run ? <Link to="/runs/$id" params={{ id: lastPart(holder.run) }}>{holder.holder ? <Name text={holder.holder} /> : <code>{holder.run.slice(-8)}</code>}</Link> : <Name text={holder.holder || "a program"} />);

/** A limit, who holds its slots, and who waits for them. */
export function LimitPage() {
  const { limit: part } = route.useParams();
  const id = part.replaceAll(SLASH, "/");
  const name = `${workspace()}/limits/${id}`;
  const navigate = useNavigate();
  const { may } = useRights();
  const answer = useQuery({
    queryKey: ["limit", name],
    queryFn: async ({ signal }) => {
      const [found, holders] = await Promise.all([limits.getLimit({ name }, { signal }), limits.listHolders({ parent: name, pageSize: 500 }, { signal })]);
      return { limit: found.limit, holders: holders.holders };
    },
  });
  const release: Column<Holder> = { name: "", cell: (holder) => (
    <Do word="Release" what={holder.holder || "this holder"} after={() => answer.refetch()} act={() => limits.endHolder({ name: holder.name })} command={`towpath limit release ${shellWord(id)} ${holder.name.split("/").at(-1)}`}
      ask="Its slots are given to those that wait. What holds them isn't stopped: more than the limit may run until it ends." />
  ) };
  const holding: readonly Column<Holder>[] = [
    { name: "Holder", cell: who }, { name: "Slots", cell: (holder) => <span className="num">{holder.slots}</span> },
    { name: "Since", cell: (holder) => <span className="muted num">{away(ms(holder.sinceTime))}</span> },
    { name: "Ends unless renewed", wide: true, cell: (holder) => <span className="muted num">{away(ms(holder.expireTime))}</span> },
    ...(may("limit.write") ? [release] : []),
  ];
  const waiting: readonly Column<Holder>[] = [
    { name: "Waits", cell: who }, { name: "Slots", cell: (holder) => <span className="num">{holder.slots}</span> },
    { name: "Priority", cell: (holder) => <span className="num">{holder.priority}</span> }, { name: "Since", cell: (holder) => <span className="muted num">{away(ms(holder.sinceTime))}</span> },
  ];
  const found = answer.data?.limit;
  return (
    <Page title={id} scrolls crumbs={<Link to="/limits">Limits</Link>} note={found?.disabled ? "disabled" : ""} actions={<>
      {found && may("limit.write") && <Do word="Delete" what={`limit ${id}`} act={() => limits.deleteLimit({ name, etag: found.etag })} after={() => navigate({ to: "/limits" })} ask="What waits for it goes on at once." command={`towpath limit rm ${shellWord(id)}`} />}
      <button className="small" onClick={() => void answer.refetch()}>Refresh</button><CopyCommand command={`towpath limit show ${shellWord(id)}`} />
    </>}>
      <Answer of={answer}>
        {({ limit, holders }) => (
          <>
            {limit?.description && <p className="note">{limit.description}</p>}
            {limit && <dl className="figures">
              <div><dt>{limit.refillPerSecond ? "Rate" : "Held"}</dt><dd>{limit.refillPerSecond ? rateOf(limit) : <Use taken={BigInt(limit.heldSlots)} limit={limit.slots} />}</dd></div>
              <div><dt>Waiting</dt><dd className="num">{count(limit.waitingCount)}</dd></div>
            </dl>}
            <section className="card" aria-labelledby="holders"><h2 id="holders">Holders</h2>
              <Table label="Holders" rows={holders.filter((one) => !one.waiting)} columns={holding} rowKey={(one) => one.name} empty={<p className="muted">Nobody holds a slot.</p>} />
            </section>
            <section className="card" aria-labelledby="waiters"><h2 id="waiters">Waiting, in their order</h2>
              <Table label="Waiting" rows={holders.filter((one) => one.waiting)} columns={waiting} rowKey={(one) => one.name} empty={<p className="muted">Nobody waits.</p>} />
            </section>
          </>
        )}
      </Answer>
    </Page>
  );
}
