import { useEffect, useRef, type ReactNode } from "react";

/** A native modal dialog: the browser keeps the focus within, and Escape closes it. `data-focus` marks what has the focus first. */
export function Dialog({ title, close, children, wide }: { title: string; close: () => void; children: ReactNode; wide?: boolean }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (!box.current || box.current.open) return;
    box.current.showModal();
    box.current.querySelector<HTMLElement>("[data-focus], form :is(input, select, textarea)")?.focus();
  }, []);
  return (
    <dialog ref={box} className={wide ? "dialog wide" : "dialog"} aria-label={title} onClose={close}
      onClick={(event) => event.target === box.current && close()}>
      <div className="dialog-body">
        <header><h2>{title}</h2><button className="icon" onClick={close} aria-label="Close">×</button></header>
        {children}
      </div>
    </dialog>
  );
}
