import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { adviceOf, messageOf } from "../api/clients";

/** Grey lines where rows will be. */
export function Skeleton({ lines = 8 }: { lines?: number }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => <i key={i} />)}
    </div>
  );
}

/** What the server said, and what can be done about it. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const advice = adviceOf(error);
  return (
    <div className="empty" role="alert">
      <h2>{messageOf(error)}</h2>
      {advice && <p>{advice}</p>}
      {retry && <button className="small" onClick={retry}>Try again</button>}
    </div>
  );
}

/** What to do when there is nothing to show. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** The answer of a call, or its loading and error states. What was there stays while it is asked again. */
export function Answer<T>({ of, lines, children }: { of: UseQueryResult<T>; lines?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error) return <Problem error={of.error} retry={() => void of.refetch()} />;
  return <Skeleton lines={lines} />;
}
