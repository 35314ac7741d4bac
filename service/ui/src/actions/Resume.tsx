import { useMutation } from "@tanstack/react-query";
import { useMemo, useState, type FormEvent } from "react";
import { messageOf, runs } from "../api/clients";
import { runName } from "../api/workspace";
import { resumeCommand } from "../commands";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { argumentsOf, fieldsOf } from "../pages/schema";
import { Copy } from "../parts/Copy";
import { newId } from "./Backfill";
import { Dialog } from "../parts/Dialog";
import { Fields } from "../parts/Fields";

/** Resumes a paused run, with the input that it waits for: a form from the schema of the pause. */
export function Resume({ run, close }: { run: Run; close: () => void }) {
  const schema = run.pause?.inputSchemaJson ?? "";
  const fields = useMemo(() => (schema ? fieldsOf(schema, {}) : []), [schema]);
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [json, setJson] = useState("{}");
  const [problem, setProblem] = useState("");
  const [requestId] = useState(newId);
  const resume = useMutation({
    mutationFn: (values: Record<string, unknown> | null) => runs.resumeRun({
      name: runName(run.runId), pauseKey: run.pause?.key ?? "", requestId,
      ...(values ? { input: { location: { case: "data" as const, value: new TextEncoder().encode(JSON.stringify(values)) } } } : {}),
    }),
    onSuccess: close,
  });
  const read = (): Record<string, unknown> | null => {
    if (!schema) return null;
    return fields ? argumentsOf(fields, texts) : (JSON.parse(json) as Record<string, unknown>);
  };
  const commandOf = (): string => {
    try {
      return resumeCommand(run.shortId, read() ?? {}, new Set(fields?.filter((field) => field.plain).map((field) => field.name)));
    } catch {
      return resumeCommand(run.shortId, {});
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    try {
      setProblem("");
      resume.mutate(read());
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const said = problem || (resume.error ? messageOf(resume.error) : "");
  return (
    <Dialog title="Resume this run?" close={close} wide={schema !== ""}>
      <form className="form" onSubmit={submit}>
        {!schema && <p>The run goes on where it was paused{run.pause?.suspended ? ": it is queued for a worker" : ""}.</p>}
        {fields && <Fields fields={fields} texts={texts} set={(name, text) => setTexts((all) => ({ ...all, [name]: text }))} />}
        {!fields && <label>Input, a JSON object<textarea rows={6} className="mono" value={json} onChange={(e) => setJson(e.target.value)} /></label>}
        {said && <p role="alert" className="refused">{said}</p>}
        <footer>
          <Copy text={commandOf()} label="Copy command" className="link" />
          <span className="grow" />
          <button type="button" className="small" onClick={close}>Back</button>
          <button className="small primary" data-focus={schema ? undefined : true} disabled={resume.isPending}>Resume run</button>
        </footer>
      </form>
    </Dialog>
  );
}
