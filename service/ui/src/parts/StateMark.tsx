import { lookOf } from "../states";

/** A state as icon, word and colour. `bare` leaves the word to what stands beside it. */
export function StateMark({ state, bare, big }: { state: number; bare?: boolean; big?: boolean }) {
  const look = lookOf(state);
  return (
    <span className={big ? "state big" : "state"} data-state={look.key}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><path d={look.icon} /></svg>
      {bare ? <span className="sr">{look.word}</span> : look.word}
    </span>
  );
}
