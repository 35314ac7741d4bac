import type { Field } from "../pages/schema";

/** The inputs of a form that was made from a schema. */
export function Fields({ fields, texts, set }: { fields: readonly Field[]; texts: Record<string, string>; set: (name: string, text: string) => void }) {
  return <>{fields.map((field) => <Input key={field.name} field={field} text={texts[field.name] ?? field.initial} set={(text) => set(field.name, text)} />)}</>;
}

function Input({ field, text, set }: { field: Field; text: string; set: (text: string) => void }) {
  const id = `field-${field.name}`;
  const shared = { id, value: text, required: field.required, "aria-describedby": field.description ? `${id}-note` : undefined };
  return (
    <div className="field">
      <label htmlFor={id}>{field.name}{field.required && <span className="muted"> required</span>}</label>
      {field.kind === "flag" ? (
        <input id={id} type="checkbox" checked={text === "true"} onChange={(e) => set(String(e.target.checked))} />
      ) : field.kind === "choice" ? (
        <select {...shared} onChange={(e) => set(e.target.value)}>{!field.choices.includes(text) && <option value={text}>{text}</option>}{field.choices.map((one) => <option key={one}>{one}</option>)}</select>
      ) : (
        <input {...shared} className={field.kind === "json" ? "mono" : ""} inputMode={field.kind === "whole" || field.kind === "number" ? "decimal" : undefined} onChange={(e) => set(e.target.value)} />
      )}
      {field.description && <p id={`${id}-note`} className="muted">{field.description}</p>}
    </div>
  );
}
