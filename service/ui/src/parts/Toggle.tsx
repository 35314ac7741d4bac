import { useMutation } from "@tanstack/react-query";
import { messageOf } from "../api/clients";
import { Copy } from "./Copy";

interface Props {
  paused: boolean;
  /** What is paused, for people: "queue fast". */
  what?: string;
  words?: readonly [pause: string, resume: string];
  change: (paused: boolean) => Promise<unknown>;
  /** Reads what is shown again. */
  after: () => unknown;
  /** The commands that do the same. */
  commands: readonly [pause: string, resume: string];
}

/** Pauses and resumes; a resource says itself what that means. */
export function Toggle({ paused, what, words = ["Pause", "Resume"], change, after, commands }: Props) {
  const act = useMutation({ mutationFn: () => change(!paused), onSettled: after });
  const at = paused ? 1 : 0;
  return (
    <>
      {act.error && <span role="alert" className="refused">{messageOf(act.error)}</span>}
      <Copy text={commands[at]} label="Copy" title={`Copy as command line: ${commands[at]}`} className="link" />
      <button className="small" disabled={act.isPending} aria-label={what && `${words[at]} ${what}`} onClick={() => act.mutate()}>{words[at]}</button>
    </>
  );
}
