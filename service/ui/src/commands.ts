/** Commands of a terminal that do what a page does. A test parses each of them. */

/** A text as one word of a shell. */
export const shellWord = (text: string): string => (/^[\w=.,:/@+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** The filters of the runs' page that a command has, too. */
export interface RunFilters {
  state?: string;
  flow?: string;
  kind?: string;
}

const KINDS: Record<string, string> = { sub: "--kind flow", task: "--kind task" };

/** `towpath run ls` with the filters of the page. */
export function runsCommand({ state, flow, kind }: RunFilters, since: string): string {
  const words = ["towpath run ls"];
  if (kind && KINDS[kind]) words.push(KINDS[kind]);
  for (const key of (state ?? "").split(",").filter(Boolean)) words.push(`--state ${key.replace("-", "_").toUpperCase()}`);
  if (flow) words.push(`--flow ${shellWord(flow)}`);
  if (since !== "all") words.push(`--since ${since}`);
  return words.join(" ");
}

/**
 * `towpath deployment run` with arguments; what equals the defaults is left out. The command takes the
 * text of a parameter of `plain` as it is, and reads others as JSON where they are JSON.
 */
export function runDeploymentCommand(deployment: string, values: Record<string, unknown>, defaults: Record<string, unknown> = {}, plain: ReadonlySet<string> = new Set()): string {
  const given = Object.entries(values).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name]));
  return `towpath deployment run ${deployment}${pairs("--param", Object.fromEntries(given), plain)}`;
}

/** `towpath run resume` with input. */
export const resumeCommand = (run: string, values: Record<string, unknown>, plain: ReadonlySet<string> = new Set()): string =>
  `towpath run resume ${run}${pairs("--input", values, plain)}`;

const pairs = (option: string, values: Record<string, unknown>, plain: ReadonlySet<string>): string =>
  Object.entries(values).map(([name, value]) => ` ${option} ${shellWord(`${name}=${wordOf(value, plain.has(name))}`)}`).join("");

/** A value as the command reads it. */
function wordOf(value: unknown, plain: boolean): string {
  if (typeof value !== "string") return JSON.stringify(value);
  if (plain) return value;
  try {
    JSON.parse(value);
    return JSON.stringify(value);
  } catch {
    return value;
  }
}
