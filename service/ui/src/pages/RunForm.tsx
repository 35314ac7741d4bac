import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState, type FormEvent } from "react";
import { messageOf, runs } from "../api/clients";
import { runDeploymentCommand } from "../commands";
import { workspace } from "../api/workspace";
import type { Payload } from "../gen/towpath/api/v1/common_pb";
import type { Deployment } from "../gen/towpath/api/v1/deployment_pb";
import { Copy } from "../parts/Copy";
import { Dialog } from "../parts/Dialog";
import { Fields } from "../parts/Fields";
import { payloadText } from "./run/payload";
import { partsOf } from "./deployments";
import { argumentsOf, fieldsOf, textOf } from "./schema";

/** Creates a run of a deployment: a form from the schema of its parameters, or JSON without one. `given` are arguments to begin with. */
export function RunForm({ deployment, given, close }: { deployment: Deployment; given?: Payload; close: () => void }) {
  const navigate = useNavigate();
  const defaults = useMemo(() => objectOf(payloadText(deployment.parameters)), [deployment]);
  const fields = useMemo(() => fieldsOf(deployment.parameterSchemaJson, defaults), [deployment, defaults]);
  const first = useMemo(() => objectOf(payloadText(given)), [given]);
  const [texts, setTexts] = useState<Record<string, string>>(() => Object.fromEntries((fields ?? []).filter((field) => field.name in first).map((field) => [field.name, textOf(field, first[field.name])])));
  const [json, setJson] = useState(() => JSON.stringify({ ...defaults, ...first }, null, 2));
  const [problem, setProblem] = useState("");
  const create = useMutation({
    mutationFn: (values: Record<string, unknown>) => runs.createRun({
      parent: workspace(), deployment: deployment.name,
      parameters: { location: { case: "data", value: new TextEncoder().encode(JSON.stringify(values)) } },
    }),
    onSuccess: (answer) => answer.run && void navigate({ to: "/runs/$id", params: { id: answer.run.runId } }),
  });
  const read = (): Record<string, unknown> => (fields ? argumentsOf(fields, texts) : (JSON.parse(json) as Record<string, unknown>));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    try {
      setProblem("");
      create.mutate(read());
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const { flow, deployment: id } = partsOf(deployment.name);
  const commandOf = (): string => {
    try {
      return runDeploymentCommand(`${flow}/${id}`, read(), fields ? {} : defaults, new Set(fields?.filter((field) => field.plain).map((field) => field.name)));
    } catch {
      return runDeploymentCommand(`${flow}/${id}`, {});
    }
  };
  const said = problem || (create.error ? messageOf(create.error) : "");
  return (
    <Dialog title={`Run ${partsOf(deployment.name).deployment}`} close={close} wide>
      <form className="form" onSubmit={submit}>
        {fields && <Fields fields={fields} texts={texts} set={(name, text) => setTexts((all) => ({ ...all, [name]: text }))} />}
        {fields?.length === 0 && <p className="muted">This flow takes no parameters.</p>}
        {!fields && <label>Parameters, a JSON object<textarea rows={8} className="mono" value={json} onChange={(e) => setJson(e.target.value)} /></label>}
        {said && <p role="alert" className="refused">{said}</p>}
        <footer>
          <Copy text={commandOf()} label="Copy command" className="link" />
          <span className="grow" />
          <button type="button" className="small" onClick={close}>Close</button>
          <button className="small primary" disabled={create.isPending}>Run</button>
        </footer>
      </form>
    </Dialog>
  );
}

function objectOf(json: string): Record<string, unknown> {
  try {
    const value = JSON.parse(json || "{}") as unknown;
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
