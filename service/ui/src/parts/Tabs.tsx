import { useId, type KeyboardEvent, type ReactNode } from "react";

export interface Tab {
  key: string;
  word: string;
  note?: string;
  panel: () => ReactNode;
}

/** Tabs by the pattern of the WAI-ARIA practices: arrows choose, Tab goes into the panel. */
export function Tabs({ tabs, value, choose }: { tabs: readonly Tab[]; value: string; choose: (key: string) => void }) {
  const id = useId();
  const chosen = tabs.find((tab) => tab.key === value) ?? tabs[0];
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    event.preventDefault();
    const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length];
    choose(next.key);
    document.getElementById(`${id}-${next.key}`)?.focus();
  };
  return (
    <div className="tabs">
      <div className="tablist" role="tablist" onKeyDown={onKey}>
        {tabs.map((tab, i) => (
          <button key={tab.key} id={`${id}-${tab.key}`} role="tab" className="tab" aria-selected={tab === chosen} aria-controls={`${id}-panel`}
            tabIndex={tab === chosen ? 0 : -1} data-key={String(i + 1)} onClick={() => choose(tab.key)}>
            {tab.word}{tab.note && <span className="muted num"> {tab.note}</span>}
          </button>
        ))}
      </div>
      <div id={`${id}-panel`} role="tabpanel" className="panel" aria-labelledby={`${id}-${chosen.key}`}>{chosen.panel()}</div>
    </div>
  );
}
