import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { artifacts } from "../api/resources";
import { workspace } from "../api/workspace";
import { away, count, lastPart, ms, when } from "../format";
import { ArtifactKind, type Artifact } from "../gen/towpath/api/v1/artifact_pb";
import { plainLine } from "../parts/ansi";
import { Answer, Empty, Problem, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { More } from "../parts/More";
import { Name } from "../parts/Name";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { usePages } from "../parts/usePages";
import { payloadText } from "./run/payload";
import { Choice } from "./runs";

const KINDS: Record<number, string> = {
  [ArtifactKind.MARKDOWN]: "Markdown", [ArtifactKind.TABLE]: "Table", [ArtifactKind.LINK]: "Link", [ArtifactKind.IMAGE]: "Image", [ArtifactKind.PROGRESS]: "Progress",
};
const titleOf = (one: Artifact): string => one.displayName || one.key || `${KINDS[one.kind] ?? "Artifact"} ${lastPart(one.name).slice(-8)}`;

const COLUMNS: readonly Column<Artifact>[] = [
  { name: "Artifact", cell: (one) => <Link className="strong" to="/artifacts/$artifact" params={{ artifact: lastPart(one.name) }}><Name text={titleOf(one)} /></Link> },
  { name: "Kind", cell: (one) => KINDS[one.kind] ?? "Other" },
  { name: "Version", cell: (one) => (one.version ? <span className="num">{String(one.version)}</span> : "") },
  { name: "Description", wide: true, cell: (one) => <span className="muted">{plainLine(one.description, 120)}</span> },
  { name: "Run", wide: true, cell: (one) => one.run && <Link to="/runs/$id" params={{ id: lastPart(one.run) }}><code>{one.run.slice(-8)}</code></Link> },
  { name: "Made", cell: (one) => <span className="muted num">{away(ms(one.occurTime))}</span> },
];

const list = getRouteApi("/artifacts");

/** What runs have made for people to look at. */
export function Artifacts() {
  const { all, key = "" } = list.useSearch();
  const navigate = useNavigate();
  const latest = !all && !key;
  const pages = usePages(["artifacts", workspace(), latest, key], (pageToken, signal) => artifacts.listArtifacts({ parent: workspace(), pageSize: 100, pageToken, key, latestOnly: latest }, { signal }));
  const rows = pages.data?.pages.flatMap((page) => page.artifacts) ?? [];
  return (
    <Page title="Artifacts" note={pages.data && count(rows.length)} actions={<>
      {key ? <Link className="small" to="/artifacts">All keys</Link> : <Choice label="Versions" value={all ? "all" : "latest"} options={[["latest", "Newest of each key"], ["all", "All"]]} choose={(next) => void navigate({ to: "/artifacts", search: next === "all" ? { all: "1" } : {}, replace: true })} />}
      <CopyCommand command={key ? `towpath artifact ls --key ${key}` : latest ? "towpath artifact ls --latest" : "towpath artifact ls"} />
    </>}>
      <div className="body">
        {pages.error && !pages.data ? <Problem error={pages.error} retry={() => void pages.refetch()} /> : !pages.data ? <Skeleton /> : (
          <Table label="Artifacts" rows={rows} columns={COLUMNS} rowKey={(one) => one.name}
            empty={<Empty title="No artifact yet"><p>A run makes one for people to look at:</p><pre>{'from towpath.artifacts import create_table_artifact\n\ncreate_table_artifact([{"region": "north", "orders": 100}], key="orders")'}</pre></Empty>} />
        )}
        <More of={pages} />
      </div>
    </Page>
  );
}

const route = getRouteApi("/artifacts/$artifact");

export function ArtifactPage() {
  const { artifact: id } = route.useParams();
  const name = `${workspace()}/artifacts/${id}`;
  const answer = useQuery({ queryKey: ["artifact", name], queryFn: async ({ signal }) => (await artifacts.getArtifact({ name }, { signal })).artifact });
  return (
    <Page title={answer.data ? plainLine(titleOf(answer.data), 255) : "Artifact"} scrolls crumbs={<Link to="/artifacts">Artifacts</Link>} note={answer.data?.version ? `version ${answer.data.version}` : ""} actions={<CopyCommand command={`towpath artifact show ${id}`} />}>
      <Answer of={answer}>
        {(one) => one && (
          <>
            {one.description && <p className="note">{one.description}</p>}
            <dl className="figures small-figures">
              <div><dt>Made</dt><dd className="num">{when(ms(one.occurTime))}</dd></div>
              {one.run && <div><dt>By run</dt><dd><Link to="/runs/$id" params={{ id: lastPart(one.run) }}><code>{one.run.slice(-8)}</code></Link></dd></div>}
              {one.key && <div><dt>Key</dt><dd><Link to="/artifacts" search={{ key: one.key }}>{one.key}</Link></dd></div>}
            </dl>
            <section className="card" aria-label="Content"><Content one={one} /></section>
          </>
        )}
      </Answer>
    </Page>
  );
}

/** The content, as text and tables: markup of others is never run. */
function Content({ one }: { one: Artifact }) {
  const text = payloadText(one.content);
  if (one.kind === ArtifactKind.TABLE) {
    const rows = rowsOf(text);
    if (rows) return <Rows rows={rows} />;
  }
  if (one.kind === ArtifactKind.PROGRESS && Number.isFinite(Number(text))) return <p className="num"><progress value={Number(text)} max={100} aria-label="Progress" /> {Number(text)} %</p>;
  if (one.kind === ArtifactKind.LINK || one.kind === ArtifactKind.IMAGE) {
    const address = textOf(text);
    // Nothing is loaded from elsewhere: an image opens in a tab of its own.
    return /^https?:\/\//.test(address) ? <p><a className="ref break" href={address} target="_blank" rel="noopener noreferrer">{address}</a></p> : <code className="break">{address}</code>;
  }
  return <pre className="code" tabIndex={0}>{one.kind === ArtifactKind.MARKDOWN ? textOf(text) : text}</pre>;
}

function textOf(json: string): string {
  try {
    const value = JSON.parse(json) as unknown;
    return typeof value === "string" ? value : json;
  } catch {
    return json;
  }
}

type Row = Record<string, unknown>;
const MOST_ROWS = 500;

function rowsOf(json: string): Row[] | null {
  try {
    const value = JSON.parse(json) as unknown;
    if (!Array.isArray(value) || !value.length) return null;
    return value.slice(0, MOST_ROWS).map((row: unknown) => (Array.isArray(row) ? Object.fromEntries(row.map((cell, i) => [String(i + 1), cell])) : (row as Row)));
  } catch {
    return null;
  }
}

function Rows({ rows }: { rows: Row[] }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row ?? {})))].slice(0, 50);
  const cellOf = (value: unknown): string => (typeof value === "string" ? plainLine(value, 500) : value === undefined ? "" : JSON.stringify(value));
  return <Table label="Content" rows={rows.map((row, i) => ({ row, i }))} rowKey={({ i }) => String(i)} empty={null} columns={columns.map((name) => ({ name: plainLine(name, 80), cell: ({ row }: { row: Row }) => <span className={typeof row[name] === "number" ? "num" : ""}>{cellOf(row[name])}</span> }))} />;
}
