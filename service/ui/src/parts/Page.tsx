import type { ReactNode } from "react";
import { useTitle } from "./use";

interface Props {
  title: string;
  note?: ReactNode;
  crumbs?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  /** Whether the page scrolls as a whole; else its parts do. */
  scrolls?: boolean;
}

/** A page: its one heading, what can be done, its content. */
export function Page({ title, note, crumbs, actions, children, scrolls }: Props) {
  useTitle(title);
  return (
    <main className={scrolls ? "page scrolls" : "page"} tabIndex={scrolls ? 0 : undefined}>
      <div className="top">
        {crumbs && <nav aria-label="Breadcrumb" className="crumbs">{crumbs}<span aria-hidden="true">/</span></nav>}
        <h1>{title}</h1>
        {note && <span className="muted num">{note}</span>}
        <span className="grow" />
        {actions}
      </div>
      {children}
    </main>
  );
}
