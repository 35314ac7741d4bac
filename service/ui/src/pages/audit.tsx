import { access } from "../api/resources";
import { useRights } from "../api/rights";
import { when } from "../format";
import type { AuditEntry } from "../gen/towpath/api/v1/access_service_pb";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { usePages } from "../parts/usePages";

const COLUMNS: readonly Column<AuditEntry>[] = [
  { name: "Time", cell: (entry) => <span className="num muted">{when(Number(entry.recordTimeUs) / 1000)}</span> },
  { name: "Who", cell: (entry) => entry.actor },
  { name: "Action", cell: (entry) => <code>{entry.action}</code> },
  { name: "Outcome", cell: (entry) => <span className={entry.outcome === "OK" ? "" : "refused"}>{entry.outcome}{entry.reason && ` (${entry.reason})`}</span> },
  { name: "Resource", wide: true, cell: (entry) => <span className="muted mono">{entry.resource}</span> },
  { name: "From", wide: true, cell: (entry) => <span className="muted mono">{entry.clientAddress}</span> },
];

export function Audit() {
  const { caller, identity } = useRights();
  const pages = usePages(["audit"], (pageToken, signal) => access.listAuditEntries({ pageSize: 100, pageToken }, { signal }), identity);
  const rows = pages.data?.pages.flatMap((page) => page.auditEntries) ?? [];
  return (
    <Page title="Audit" actions={identity && <CopyCommand command="towpath audit ls" />}>
      <div className="body">
        {caller && !identity ? (
          <Empty title="Nothing is audited on this server"><p>With identity, each change is in a log that shows when it was tampered with:</p><pre>towpath server start --auth</pre></Empty>
        ) : pages.error ? <Problem error={pages.error} retry={() => void pages.refetch()} /> : !pages.data ? <Skeleton /> : (
          <Table label="Audit log" rows={rows} columns={COLUMNS} rowKey={(entry) => entry.hash} empty={<Empty title="The log is empty" />} />
        )}
        <More of={pages} />
      </div>
    </Page>
  );
}
