/** The form of a JSON Schema of a flow's parameters. */
export interface Field {
  name: string;
  kind: "text" | "number" | "whole" | "flag" | "choice" | "json";
  choices: string[];
  required: boolean;
  description: string;
  /** Whether it takes texts only. */
  plain: boolean;
  /** What the field holds at first, as text. */
  initial: string;
}

interface Property {
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Property[];
  default?: unknown;
  description?: string;
  title?: string;
}

interface Schema {
  properties?: Record<string, Property>;
  required?: string[];
}

/** The fields of a schema; null when it has none that a form can show. */
export function fieldsOf(schemaJson: string, defaults: Record<string, unknown>): Field[] | null {
  let schema: Schema;
  try {
    schema = JSON.parse(schemaJson) as Schema;
  } catch {
    return null;
  }
  if (!schema.properties) return null;
  const required = new Set(schema.required);
  return Object.entries(schema.properties).map(([name, property]) => {
    const kind = kindOf(property);
    const value = name in defaults ? defaults[name] : property.default;
    return {
      name, kind, plain: property.type === "string", required: required.has(name) && !(name in defaults), description: property.description ?? "",
      choices: kind === "choice" ? (property.enum ?? []).map(String) : [],
      initial: textOf({ kind }, value),
    };
  });
}

/** A value as the text of its field. */
export function textOf({ kind }: Pick<Field, "kind">, value: unknown): string {
  if (value === undefined || value === null) return "";
  return kind === "json" ? JSON.stringify(value) : String(value);
}

function kindOf(property: Property): Field["kind"] {
  if (property.enum?.every((value) => typeof value === "string")) return "choice";
  const types = property.anyOf ? property.anyOf.map((one) => one.type) : [property.type].flat();
  const type = types.filter((one) => one !== "null");
  if (type.length !== 1) return "json";
  switch (type[0]) {
    case "string": return "text";
    case "integer": return "whole";
    case "number": return "number";
    case "boolean": return "flag";
    default: return "json";
  }
}

/** The argument that a text of a field stands for; throws with what is wrong with it. */
export function valueOf(field: Field, text: string): unknown {
  switch (field.kind) {
    case "text": case "choice": return text;
    case "flag": return text === "true";
    case "number": case "whole": {
      const value = Number(text);
      if (text.trim() === "" || Number.isNaN(value) || (field.kind === "whole" && !Number.isInteger(value)))
        throw new Error(`${field.name} must be a ${field.kind === "whole" ? "whole " : ""}number`);
      return value;
    }
    case "json":
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw new Error(`${field.name} must be JSON, such as [1, 2] or "text"`);
      }
  }
}

/** The arguments of a form: fields that are unchanged are left to the deployment. */
export function argumentsOf(fields: readonly Field[], texts: Record<string, string>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const field of fields) {
    const text = texts[field.name] ?? field.initial;
    if (text === field.initial && !(field.required && text !== "")) {
      if (field.required) throw new Error(`${field.name} is required`);
      continue;
    }
    values[field.name] = valueOf(field, text);
  }
  return values;
}
