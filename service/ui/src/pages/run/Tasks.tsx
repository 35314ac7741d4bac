import { useVirtualizer } from "@tanstack/react-virtual";
import { useMemo, useRef, useState, type KeyboardEvent } from "react";
import { atMs, span } from "../../format";
import { StateMark } from "../../parts/StateMark";
import { ORDER } from "../../states";
import type { TimelineModel } from "../../timeline/model";

type By = "state" | "name" | "start" | "wait" | "took";
const COLUMNS: readonly [key: By, word: string][] = [["state", "State"], ["name", "Task"], ["start", "Began"], ["wait", "Waited"], ["took", "Duration"]];
const FROM_LONGEST: ReadonlySet<By> = new Set(["wait", "took"]);
const RANK = new Map(ORDER.map((state, i) => [state, i]));
const ROW = 28;

interface Props {
  model: TimelineModel;
  version: number;
  only: ((row: number) => boolean) | null;
  chosen: number;
  choose: (row: number) => void;
}

/** The timeline as a table. */
export function Tasks({ model, version, only, chosen, choose }: Props) {
  const [by, setBy] = useState<By>("start");
  const scroller = useRef<HTMLDivElement>(null);
  const sorted = useMemo(() => sort(model, only, by), [model, version, only, by]);
  const rows = useVirtualizer({ count: sorted.length, getScrollElement: () => scroller.current, estimateSize: () => ROW, overscan: 16 });
  const now = Date.now();
  const onKey = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!step || !sorted.length) return;
    event.preventDefault();
    const at = Math.max(0, Math.min(sorted.length - 1, sorted.indexOf(chosen) + step));
    choose(sorted[at]);
    rows.scrollToIndex(at);
  };
  return (
    <div className="scroller tasks" ref={scroller} tabIndex={0} role="grid" aria-label="Task runs" aria-rowcount={sorted.length + 1} onKeyDown={onKey}>
      <div className="row head" role="row">
        {COLUMNS.map(([key, word]) => (
          <div key={key} role="columnheader" aria-sort={by !== key ? "none" : FROM_LONGEST.has(key) ? "descending" : "ascending"}>
            <button onClick={() => setBy(key)}>{word}{by === key && <span aria-hidden="true">{FROM_LONGEST.has(key) ? " ↓" : " ↑"}</span>}</button>
          </div>
        ))}
      </div>
      <div style={{ height: rows.getTotalSize(), position: "relative" }} role="presentation">
        {rows.getVirtualItems().map((item) => {
          const row = sorted[item.index];
          return (
            <div key={model.ids[row]} role="row" aria-rowindex={item.index + 2} className={row === chosen ? "row at" : "row"} style={{ transform: `translateY(${item.start}px)` }}>
              <div role="gridcell"><StateMark state={model.state[row]} /></div>
              <div role="gridcell" className="clip"><button className="plain" onClick={() => choose(row)}>{model.names[row]}</button>{model.attempt[row] > 1 && <span className="tag" title="Attempts">#{model.attempt[row]}</span>}</div>
              <div role="gridcell" className="num muted">{atMs(model.start[row])}</div>
              <div role="gridcell" className="num muted">{span(model.start[row] - model.created[row])}</div>
              <div role="gridcell" className="num">{span(model.endOf(row, now) - model.start[row])}</div>
            </div>
          );
        })}
      </div>
      {!sorted.length && <p className="empty">{model.n ? "No task is in this state." : "No task yet."}</p>}
    </div>
  );
}

function sort(model: TimelineModel, only: ((row: number) => boolean) | null, by: By): number[] {
  const now = Date.now();
  const rows: number[] = [];
  for (let row = 0; row < model.n; row++) if (!only || only(row)) rows.push(row);
  const started = (row: number) => (Number.isNaN(model.start[row]) ? Infinity : model.start[row]);
  const took = (row: number) => model.endOf(row, now) - model.start[row] || 0;
  const waited = (row: number) => model.start[row] - model.created[row] || 0;
  const rank = (row: number) => RANK.get(model.state[row]) ?? 0;
  const orders: Record<By, (a: number, b: number) => number> = {
    state: (a, b) => rank(a) - rank(b) || a - b,
    name: (a, b) => model.names[a].localeCompare(model.names[b], "en", { numeric: true }),
    start: (a, b) => (started(a) === started(b) ? a - b : started(a) - started(b)),
    wait: (a, b) => waited(b) - waited(a) || a - b,
    took: (a, b) => took(b) - took(a) || a - b,
  };
  return rows.sort(orders[by]);
}
