import { useQuery } from "@tanstack/react-query";
import { access } from "../api/resources";
import { useRights } from "../api/rights";
import { count } from "../format";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Use } from "./pools";

interface Line {
  quota: string;
  used: bigint | null;
  most: number;
}

const WORDS: Record<string, string> = {
  updates_per_second: "Reports per second", log_bytes_per_second: "Bytes of logs per second", calls_per_second: "Calls per second",
  open_streams: "Open streams", stored_bytes: "Bytes stored", open_watches: "Open watches", queued_runs: "Runs that wait",
};

const COLUMNS: readonly Column<Line>[] = [
  { name: "What", cell: (line) => WORDS[line.quota] ?? line.quota.replaceAll("_", " ") },
  { name: "Used", cell: (line) => (line.used === null ? <span className="muted">not counted</span> : <Use taken={line.used} limit={line.most} />) },
  { name: "At most", cell: (line) => <span className="num">{line.most ? count(line.most) : "the server's default"}</span> },
];

const camel = (quota: string): string => quota.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

/** What the tenant uses, and what it may use at most. */
export function UsagePage() {
  const { caller, identity } = useRights();
  const usage = useQuery({
    queryKey: ["usage"], enabled: identity,
    queryFn: async ({ signal }): Promise<Line[]> => {
      const answer = await access.getUsage({}, { signal });
      const quotas = (answer.quotas ?? {}) as unknown as Record<string, number | bigint>;
      const used = new Map(answer.usage.map((one) => [one.quota, one.used]));
      return [...new Set([...Object.keys(WORDS), ...used.keys()])].map((quota) => ({ quota, used: used.get(quota) ?? null, most: Number(quotas[camel(quota)] ?? 0) }));
    },
  });
  return (
    <Page title="Usage" actions={<><button className="small" disabled={!identity} onClick={() => void usage.refetch()}>Refresh</button><CopyCommand command="towpath usage" /></>}>
      <div className="body">
        {caller && !identity ? <Empty title="Nothing is counted on this server"><p>With identity, each tenant has limits:</p><pre>towpath server start --auth</pre></Empty> : (
          <Answer of={usage}>{(rows) => <Table label="Usage" rows={rows} columns={COLUMNS} rowKey={(line) => line.quota} empty={<Empty title="Nothing is used" />} />}</Answer>
        )}
      </div>
    </Page>
  );
}
