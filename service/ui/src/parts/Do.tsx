import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { messageOf } from "../api/clients";
import { Copy } from "./Copy";
import { Dialog } from "./Dialog";

interface Props {
  word: string;
  /** What it is done to, for people: "worker build-7". */
  what: string;
  act: () => Promise<unknown>;
  after: () => unknown;
  /** What will happen; with it, the button asks first. */
  ask?: ReactNode;
  command?: string;
}

/** A button that does something to a resource, after a question where that can't be undone. */
export function Do({ word, what, act, after, ask, command }: Props) {
  const [asking, setAsking] = useState(false);
  const doing = useMutation({ mutationFn: act, onSuccess: () => { setAsking(false); return after(); } });
  const said = doing.error && <span role="alert" className="refused">{messageOf(doing.error)}</span>;
  return (
    <>
      {!asking && said}
      <button className="small" aria-label={`${word} ${what}`} disabled={doing.isPending} onClick={() => (ask ? setAsking(true) : doing.mutate())}>{word}</button>
      {asking && (
        <Dialog title={`${word} ${what}?`} close={() => setAsking(false)}>
          <div>{ask}</div>
          {said}
          <footer>
            {command && <Copy text={command} label="Copy command" className="link" />}
            <span className="grow" />
            <button className="small" onClick={() => setAsking(false)}>Keep</button>
            <button className="small danger" disabled={doing.isPending} onClick={() => doing.mutate()}>{word}</button>
          </footer>
        </Dialog>
      )}
    </>
  );
}
