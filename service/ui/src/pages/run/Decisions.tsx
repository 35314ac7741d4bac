import { runs } from "../../api/clients";
import { runName } from "../../api/workspace";
import { atMs, ms } from "../../format";
import { RunVerdict, type RunDecision } from "../../gen/towpath/api/v1/run_service_pb";
import { TransitionSource } from "../../gen/towpath/api/v1/state_pb";
import { Empty, Problem, Skeleton } from "../../parts/Answer";
import { More } from "../../parts/More";
import { StateMark } from "../../parts/StateMark";
import { Table, type Column } from "../../parts/Table";
import { usePages } from "../../parts/usePages";

const COLUMNS: readonly Column<RunDecision>[] = [
  { name: "Decided", cell: (one) => <span className="num muted">{atMs(ms(one.recordTime))}</span> },
  { name: "State", cell: (one) => <StateMark state={one.toState} /> },
  { name: "Verdict", cell: (one) => (one.verdict === RunVerdict.REFUSED ? <b className="refused">Refused</b> : "Accepted") },
  { name: "Rule", cell: (one) => <code>{one.rule || one.reason}</code> },
  { name: "Source", wide: true, cell: (one) => <span className="muted">{(TransitionSource[one.source] ?? "").toLowerCase()}</span> },
  { name: "Why", wide: true, cell: (one) => <span className="muted">{one.message}</span> },
];

/** What the service decided about the updates of a run, and by which rule. */
export function Decisions({ id, revision }: { id: string; revision: string }) {
  const pages = usePages(["decisions", id, revision], (pageToken, signal) => runs.listRunDecisions({ parent: runName(id), pageToken, pageSize: 200 }, { signal }));
  if (pages.error) return <Problem error={pages.error} retry={() => void pages.refetch()} />;
  if (!pages.data) return <Skeleton lines={5} />;
  const rows = pages.data.pages.flatMap((page) => page.decisions);
  return (
    <>
      <Table label="Decisions" rows={rows} columns={COLUMNS} rowKey={(one) => `${one.revision}-${one.producerSequence}-${ms(one.recordTime)}`}
        empty={<Empty title="No decision is on record" />} />
      <More of={pages} />
    </>
  );
}
