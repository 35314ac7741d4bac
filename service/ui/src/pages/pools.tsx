import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { work } from "../api/resources";
import { workspace } from "../api/workspace";
import { count, lastPart } from "../format";
import type { WorkPool } from "../gen/towpath/api/v1/work_pb";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";

/** Taken slots of a limit, as a number and a bar. */
export function Use({ taken, limit }: { taken: bigint; limit: number }) {
  const n = Number(taken);
  return (
    <span className="use num">
      {count(n)}{limit ? ` of ${count(limit)}` : ""}
      {limit > 0 && <span className="share" aria-hidden="true"><i style={{ width: `${Math.min(100, (100 * n) / limit)}%` }} /></span>}
    </span>
  );
}

const COLUMNS: readonly Column<WorkPool>[] = [
  { name: "Pool", cell: (pool) => <><Link className="strong" to="/pools/$pool" params={{ pool: lastPart(pool.name) }}>{lastPart(pool.name)}</Link> {pool.paused && <span className="tag">paused</span>}</> },
  { name: "Kind", cell: (pool) => <span className="muted">{pool.kind}</span> },
  { name: "Workers online", cell: (pool) => <span className={`num${pool.onlineWorkerCount || !pool.queuedCount ? "" : " refused"}`}>{count(pool.onlineWorkerCount)}</span> },
  { name: "Under way", cell: (pool) => <Use taken={pool.leasedCount} limit={pool.concurrencyLimit} /> },
  { name: "Waiting", cell: (pool) => <span className="num">{count(Number(pool.queuedCount))}</span> },
  { name: "Description", wide: true, cell: (pool) => <span className="muted">{pool.description}</span> },
];

export function Pools() {
  const pools = useQuery({
    queryKey: ["pools", workspace()],
    queryFn: async ({ signal }) => (await work.listWorkPools({ parent: workspace(), pageSize: 500 }, { signal })).workPools,
  });
  return (
    <Page title="Work pools" note={pools.data && count(pools.data.length)} actions={<><button className="small" onClick={() => void pools.refetch()}>Refresh</button><CopyCommand command="towpath pool ls" /></>}>
      <div className="body">
        <Answer of={pools}>
          {(rows) => <Table label="Work pools" rows={rows} columns={COLUMNS} rowKey={(pool) => pool.name} empty={<Empty title="No work pool yet"><p>A pool holds the runs of deployments until workers take them.</p><pre>towpath pool create local --kind process</pre></Empty>} />}
        </Answer>
      </div>
    </Page>
  );
}
