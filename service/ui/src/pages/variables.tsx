import { variables } from "../api/resources";
import { useRights } from "../api/rights";
import { workspace } from "../api/workspace";
import { shellWord } from "../commands";
import { away, count, lastPart, ms } from "../format";
import type { Variable } from "../gen/towpath/api/v1/variable_service_pb";
import { plainLine } from "../parts/ansi";
import { Empty, Problem, Skeleton } from "../parts/Answer";
import { CopyCommand } from "../parts/Copy";
import { Do } from "../parts/Do";
import { FormButton } from "../parts/FormDialog";
import { More } from "../parts/More";
import { Page } from "../parts/Page";
import { Table, type Column } from "../parts/Table";
import { usePages } from "../parts/usePages";

const SHOWN = 200;
const COLUMNS: readonly Column<Variable>[] = [
  { name: "Name", cell: (one) => <code className="strong">{lastPart(one.name)}</code> },
  { name: "Value", cell: (one) => <code title={plainLine(one.valueJson, 2000)}>{plainLine(one.valueJson, SHOWN)}</code> },
  { name: "Tags", wide: true, cell: (one) => one.tags.map((tag) => <span key={tag} className="tag">{tag}</span>) },
  { name: "Changed", wide: true, cell: (one) => <span className="muted num">{away(ms(one.updateTime))}</span> },
];

/** A text as JSON: what is none is a text, as the command line has it. */
function jsonOf(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify(text);
  }
}

export function Variables() {
  const { may } = useRights();
  const pages = usePages(["variables", workspace()], (pageToken, signal) => variables.listVariables({ parent: workspace(), pageSize: 200, pageToken }, { signal }));
  const rows = pages.data?.pages.flatMap((page) => page.variables) ?? [];
  const after = () => pages.refetch();
  const hint = "JSON, such as 10, true or [1, 2]; all else is a text.";
  const actions: Column<Variable> = { name: "", cell: (one) => {
    const id = lastPart(one.name);
    return (
      <span className="buttons">
        <FormButton label="Edit" title={`Change ${id}`} word="Save" asks={[{ name: "value", label: "Value", kind: "long", initial: one.valueJson, hint }]} after={after} command={({ value }) => `towpath variable set ${id} ${shellWord(value || '""')} --overwrite`}
          act={async ({ value }) => { await variables.updateVariable({ variable: { name: one.name, valueJson: jsonOf(value), etag: one.etag }, updateMask: { paths: ["value_json"] } }); }} />
        <Do word="Delete" what={`variable ${id}`} ask="Runs that read it get their default, or fail." act={() => variables.deleteVariable({ name: one.name, etag: one.etag })} after={after} command={`towpath variable unset ${id}`} />
      </span>
    );
  } };
  return (
    <Page title="Variables" note={pages.data && count(rows.length)} actions={<>
      {may("variable.write") && <FormButton label="New variable" title="New variable" word="Create" asks={[{ name: "id", label: "Name", hint: "Small letters, digits, - and _." }, { name: "value", label: "Value", kind: "long", hint }]} after={after}
        act={async ({ id, value }) => { await variables.createVariable({ parent: workspace(), variableId: id, variable: { valueJson: jsonOf(value) } }); }} command={({ id, value }) => `towpath variable set ${id || "NAME"} ${shellWord(value || '""')}`} />}
      <CopyCommand command="towpath variable ls" />
    </>}>
      <div className="body">
        {pages.error && !pages.data ? <Problem error={pages.error} retry={() => void pages.refetch()} /> : !pages.data ? <Skeleton /> : (
          <Table label="Variables" rows={rows} columns={may("variable.write") ? [...COLUMNS, actions] : COLUMNS} rowKey={(one) => one.name}
            empty={<Empty title="No variable yet"><p>A variable is a value that flows read and people change, without deploying again:</p><pre>towpath variable set regions '["north", "east"]'</pre></Empty>} />
        )}
        <More of={pages} />
      </div>
    </Page>
  );
}
