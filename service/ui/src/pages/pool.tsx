import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { work } from "../api/resources";
import { useRights } from "../api/rights";
import { workspace } from "../api/workspace";
import { away, count, durationMs, lastPart, ms, span } from "../format";
import { WorkerState, type Worker, type WorkQueue } from "../gen/towpath/api/v1/work_pb";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { Toggle } from "../parts/Toggle";
import { Use } from "./pools";

const route = getRouteApi("/pools/$pool");
const STATES: Record<number, string> = { [WorkerState.ONLINE]: "Online", [WorkerState.DRAINING]: "Draining", [WorkerState.OFFLINE]: "Offline", [WorkerState.PAUSED]: "Paused" };

const QUEUES = (pool: string, after: () => unknown, may: boolean): readonly Column<WorkQueue>[] => [
  { name: "Queue", cell: (queue) => <><b>{lastPart(queue.name)}</b> {queue.paused && <span className="tag">paused</span>}</> },
  { name: "Rank", cell: (queue) => <span className="num">{queue.rank}</span> },
  { name: "Under way", cell: (queue) => <Use taken={queue.leasedCount} limit={queue.concurrencyLimit} /> },
  { name: "Waiting", cell: (queue) => <span className="num">{count(Number(queue.queuedCount))}</span> },
  { name: "Description", wide: true, cell: (queue) => <span className="muted">{queue.description}</span> },
  ...(may ? [{ name: "", cell: (queue: WorkQueue) => <QueueToggle queue={queue} pool={pool} after={after} /> }] : []),
];

const WORKERS = (pool: string, after: () => unknown, may: boolean): readonly Column<Worker>[] => [
  { name: "Worker", cell: (worker) => <b>{lastPart(worker.name)}</b> },
  { name: "State", cell: (worker) => <span className={`worker ${(STATES[worker.state] ?? "").toLowerCase()}`}><i aria-hidden="true" />{STATES[worker.state] ?? "Unknown"}</span> },
  { name: "Slots taken", cell: (worker) => <Use taken={BigInt(worker.leasedCount)} limit={worker.slots} /> },
  { name: "Queues", wide: true, cell: (worker) => <span className="muted">{worker.queues.join(", ") || "all"}</span> },
  { name: "Host", wide: true, cell: (worker) => <span className="muted">{worker.host}</span> },
  { name: "Version", wide: true, cell: (worker) => <span className="muted">{worker.version}</span> },
  { name: "Seen", cell: (worker) => <span className="muted num">{away(ms(worker.seenTime))}</span> },
  ...(may ? [{ name: "", cell: (worker: Worker) => <WorkerActions worker={worker} pool={pool} after={after} /> }] : []),
];

function QueueToggle({ queue, pool, after }: { queue: WorkQueue; pool: string; after: () => unknown }) {
  const id = lastPart(queue.name);
  return (
    <Toggle paused={queue.paused} what={`queue ${id}`} after={after} commands={[`towpath queue pause ${pool}/${id}`, `towpath queue resume ${pool}/${id}`]}
      change={(paused) => work.updateWorkQueue({ workQueue: { name: queue.name, paused, etag: queue.etag }, updateMask: { paths: ["paused"] } })} />
  );
}

function WorkerActions({ worker, pool, after }: { worker: Worker; pool: string; after: () => unknown }) {
  const id = lastPart(worker.name);
  const { name } = worker;
  return (
    <span className="buttons">
      <Toggle paused={worker.state === WorkerState.PAUSED} what={`worker ${id}`} after={after} commands={[`towpath worker pause ${pool}/${id}`, `towpath worker resume ${pool}/${id}`]}
        change={(paused) => (paused ? work.pauseWorker({ name }) : work.resumeWorker({ name }))} />
      {worker.state === WorkerState.ONLINE && <Do word="Drain" what={`worker ${id}`} act={() => work.drainWorker({ name })} after={after} />}
      {worker.state === WorkerState.OFFLINE && <Do word="Delete" what={`worker ${id}`} act={() => work.deleteWorker({ name })} after={after} />}
    </span>
  );
}

export function PoolPage() {
  const { pool } = route.useParams();
  const name = `${workspace()}/workPools/${pool}`;
  const answer = useQuery({
    queryKey: ["pool", name],
    queryFn: async ({ signal }) => {
      const [found, queues, workers] = await Promise.all([
        work.getWorkPool({ name }, { signal }),
        work.listWorkQueues({ parent: name, pageSize: 500 }, { signal }),
        work.listWorkers({ parent: name, pageSize: 500 }, { signal }),
      ]);
      return { pool: found.workPool, queues: queues.workQueues, workers: workers.workers };
    },
  });
  const rights = useRights();
  const found = answer.data?.pool;
  const again = () => answer.refetch();
  const change = rights.may("pool.write");
  return (
    <Page title={pool} scrolls crumbs={<Link to="/pools">Work pools</Link>} note={found?.paused ? "paused" : found?.kind}
      actions={<>{found && change && (
        <Toggle paused={found.paused} after={again} commands={[`towpath pool pause ${pool}`, `towpath pool resume ${pool}`]}
          change={(paused) => work.updateWorkPool({ workPool: { name, paused, etag: found.etag }, updateMask: { paths: ["paused"] } })} />
      )}<button className="small" onClick={() => void answer.refetch()}>Refresh</button><CopyCommand command={`towpath pool inspect ${pool}`} /></>}>
      <Answer of={answer}>
        {({ pool: shown, queues, workers }) => (
          <>
            {shown?.description && <p className="note">{shown.description}</p>}
            {shown && <dl className="figures">
              <div><dt>Under way</dt><dd><Use taken={shown.leasedCount} limit={shown.concurrencyLimit} /></dd></div>
              <div><dt>Waiting</dt><dd className="num">{count(Number(shown.queuedCount))}</dd></div>
              <div><dt>Workers online</dt><dd className="num">{count(shown.onlineWorkerCount)}</dd></div>
              <div><dt>Grace when cancelled</dt><dd className="num">{span(durationMs(shown.cancelGracePeriod)) || "–"}</dd></div>
            </dl>}
            <section className="card" aria-labelledby="workers"><h2 id="workers">Workers</h2>
              <Table label="Workers" rows={workers} columns={WORKERS(pool, again, change)} rowKey={(worker) => worker.name} empty={<Empty title="No worker has attached"><pre>towpath worker start --pool {pool}</pre></Empty>} />
            </section>
            <section className="card" aria-labelledby="queues"><h2 id="queues">Queues</h2>
              <Table label="Queues" rows={queues} columns={QUEUES(pool, again, change)} rowKey={(queue) => queue.name} empty={null} />
            </section>
          </>
        )}
      </Answer>
    </Page>
  );
}
