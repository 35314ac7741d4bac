import { useQuery } from "@tanstack/react-query";
import { secrets } from "../api/resources";
import { useRights } from "../api/rights";
import { workspace } from "../api/workspace";
import { shellWord } from "../commands";
import { away, count, lastPart, ms } from "../format";
import type { Secret } from "../gen/towpath/api/v1/secret_service_pb";
import { Answer, Empty } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { FormButton } from "../parts/FormDialog";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";

const COLUMNS: readonly Column<Secret>[] = [
  { name: "Name", cell: (secret) => <code className="strong">{lastPart(secret.name)}</code> },
  { name: "Description", cell: (secret) => <span className="muted">{secret.description}</span> },
  { name: "Version", wide: true, cell: (secret) => <span className="num">{String(secret.version)}</span> },
  { name: "Set by", wide: true, cell: (secret) => <span className="muted">{secret.setter}</span> },
  { name: "Set", cell: (secret) => <span className="muted num">{away(ms(secret.updateTime))}</span> },
];

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** The names of secrets. Values are written here and never shown; runs read them. */
export function Secrets() {
  const { may } = useRights();
  const all = useQuery({
    queryKey: ["secrets", workspace()],
    queryFn: async ({ signal }) => (await secrets.listSecrets({ parent: workspace(), pageSize: 500 }, { signal })).secrets,
  });
  const after = () => all.refetch();
  const actions: Column<Secret> = { name: "", cell: (secret) => {
    const id = lastPart(secret.name);
    return (
      <span className="buttons">
        <FormButton label="Set" title={`Set ${id}`} word="Set" asks={[{ name: "value", label: "New value", kind: "hidden" }]} after={after} command={() => `towpath secret update ${id}`}
          act={async ({ value }) => { await secrets.updateSecret({ secret: { name: secret.name, value: bytes(value), etag: secret.etag }, updateMask: { paths: ["value"] } }); }} />
        <Do word="Delete" what={`secret ${id}`} ask="It goes with its value. Runs that load it fail." act={() => secrets.deleteSecret({ name: secret.name, etag: secret.etag })} after={after} command={`towpath secret rm ${id}`} />
      </span>
    );
  } };
  return (
    <Page title="Secrets" note={all.data && count(all.data.length)} actions={<>
      {may("secret.write") && <FormButton label="New secret" title="New secret" word="Create" after={after}
        asks={[{ name: "id", label: "Name", hint: "Small letters, digits and -." }, { name: "value", label: "Value", kind: "hidden" }, { name: "description", label: "Description", optional: true }]}
        act={async ({ id, value, description }) => { await secrets.createSecret({ parent: workspace(), secretId: id, secret: { value: bytes(value), description } }); }}
        command={({ id, description }) => `towpath secret create ${id || "NAME"}${description && ` --description ${shellWord(description)}`}`} />}
      <CopyCommand command="towpath secret ls" />
    </>}>
      <div className="body">
        <Answer of={all}>
          {(rows) => <Table label="Secrets" rows={rows} columns={may("secret.write") ? [...COLUMNS, actions] : COLUMNS} rowKey={(secret) => secret.name} empty={<Empty title="No secret yet"><p>Only runs can read a secret; nobody sees its value here.</p><pre>towpath secret create warehouse-password</pre></Empty>} />}
        </Answer>
      </div>
    </Page>
  );
}
