const KEY = "towpath.workspace";
let chosen: string | null = null;

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Name of the workspace that the page shows, "workspaces/default". */
export const workspace = (): string => `workspaces/${(chosen ??= stored() ?? "default")}`;

/** Shows another workspace from now on. */
export function chooseWorkspace(id: string): void {
  chosen = id;
  try {
    localStorage.setItem(KEY, id);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

export const runName = (id: string): string => `${workspace()}/runs/${id}`;

/** A text as a string of a filter. */
export const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;
