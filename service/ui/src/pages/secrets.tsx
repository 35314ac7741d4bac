import { useQuery } from "@tanstack/react-query";
import { secrets } from "../api/resources";
import { workspace } from "../api/workspace";
import { away, count, lastPart, ms } from "../format";
import type { Secret } from "../gen/towpath/api/v1/secret_service_pb";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";

const COLUMNS: readonly Column<Secret>[] = [
  { name: "Name", cell: (secret) => <code className="strong">{lastPart(secret.name)}</code> },
  { name: "Description", cell: (secret) => <span className="muted">{secret.description}</span> },
  { name: "Set by", wide: true, cell: (secret) => <span className="muted">{secret.setter}</span> },
  { name: "Set", cell: (secret) => <span className="muted num">{away(ms(secret.updateTime))}</span> },
];

/** The names of secrets. Their values are read by runs only. */
export function Secrets() {
  const all = useQuery({
    queryKey: ["secrets", workspace()],
    queryFn: async ({ signal }) => (await secrets.listSecrets({ parent: workspace(), pageSize: 500 }, { signal })).secrets,
  });
  return (
    <Page title="Secrets" note={all.data && count(all.data.length)} actions={<CopyCommand command="towpath secret ls" />}>
      <div className="body">
        <Answer of={all}>
          {(rows) => <Table label="Secrets" rows={rows} columns={COLUMNS} rowKey={(secret) => secret.name} empty={<Empty title="No secret yet"><p>Only runs can read a secret; nobody sees its value here.</p><pre>towpath secret create warehouse-password</pre></Empty>} />}
        </Answer>
      </div>
    </Page>
  );
}
