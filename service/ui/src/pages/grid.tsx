/** The grid of runs x tasks of a flow. */
export function Grid(_: { flow: string; newest: string }) {
  return null;
}
