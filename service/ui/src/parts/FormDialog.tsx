import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";
import { messageOf } from "../api/clients";
import { Copy } from "./Copy";
import { Dialog } from "./Dialog";

/** One input of a form. */
export interface Ask {
  name: string;
  label: string;
  hint?: string;
  initial?: string;
  optional?: boolean;
  kind?: "text" | "number" | "long" | "hidden";
  choices?: readonly string[];
}

interface Props {
  title: string;
  asks: readonly Ask[];
  word: string;
  /** Does it; what it answers with is shown instead of the form, once. */
  act: (values: Record<string, string>) => Promise<ReactNode | void>;
  command?: (values: Record<string, string>) => string;
  close: () => void;
  after: () => unknown;
}

/** A form in a dialog that makes or changes something. */
export function FormDialog({ title, asks, word, act, command, close, after }: Props) {
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries(asks.map((ask) => [ask.name, ask.initial ?? ask.choices?.[0] ?? ""])));
  const [shown, setShown] = useState<ReactNode>(null);
  const doing = useMutation({
    mutationFn: act,
    onSuccess: (answer) => {
      void after();
      if (answer) setShown(answer);
      else close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    doing.mutate(values);
  };
  if (shown) return <Dialog title={title} close={close}>{shown}<footer><span className="grow" /><button className="small primary" onClick={close}>Done</button></footer></Dialog>;
  return (
    <Dialog title={title} close={close}>
      <form className="form" onSubmit={submit} autoComplete="off">
        {asks.map((ask) => <Input key={ask.name} ask={ask} value={values[ask.name]} set={(value) => setValues((all) => ({ ...all, [ask.name]: value }))} />)}
        {doing.error && <p role="alert" className="refused">{messageOf(doing.error)}</p>}
        <footer>
          {command && <Copy text={command(values)} label="Copy command" className="link" />}
          <span className="grow" />
          <button type="button" className="small" onClick={close}>Back</button>
          <button className="small primary" disabled={doing.isPending}>{word}</button>
        </footer>
      </form>
    </Dialog>
  );
}

function Input({ ask, value, set }: { ask: Ask; value: string; set: (value: string) => void }) {
  const id = `ask-${ask.name}`;
  const shared = { id, value, required: !ask.optional, "aria-describedby": ask.hint ? `${id}-hint` : undefined };
  return (
    <div className="field">
      <label htmlFor={id}>{ask.label}{ask.optional && <span className="muted"> optional</span>}</label>
      {ask.choices ? (
        <select {...shared} onChange={(event) => set(event.target.value)}>{ask.choices.map((one) => <option key={one} value={one}>{one}</option>)}</select>
      ) : ask.kind === "long" ? (
        <textarea {...shared} rows={6} className="mono" onChange={(event) => set(event.target.value)} />
      ) : (
        <input {...shared} type={ask.kind === "hidden" ? "password" : "text"} autoComplete={ask.kind === "hidden" ? "new-password" : "off"} inputMode={ask.kind === "number" ? "decimal" : undefined} onChange={(event) => set(event.target.value)} />
      )}
      {ask.hint && <p id={`${id}-hint`} className="muted">{ask.hint}</p>}
    </div>
  );
}

/** A button that opens a form. */
export function FormButton({ label, primary, ...form }: Omit<Props, "close"> & { label: string; primary?: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button className={primary ? "small primary" : "small"} onClick={() => setOpen(true)}>{label}</button>
      {open && <FormDialog {...form} close={() => setOpen(false)} />}
    </>
  );
}

/** A credential, shown this once. */
export const Once = ({ value }: { value: string }) => (
  <div>
    <p>Copy it now: nobody can show it again.</p>
    <p className="once"><code className="break">{value}</code> <Copy text={value} label="Copy" title="Copy the key" /></p>
  </div>
);
