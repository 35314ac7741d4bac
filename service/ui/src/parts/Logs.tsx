import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { logs as service } from "../api/clients";
import { atMs, ms, plural } from "../format";
import { LogSeverity, type LogRecord } from "../gen/towpath/api/v1/log_service_pb";
import { Store } from "../live/store";
import { follow } from "../live/stream";
import { plainLine } from "./ansi";
import { useLive } from "./use";

const KEPT_LINES = 20_000;
const FIRST_LINES = 2_000;
const LINE_HEIGHT = 20;
/** A line is one row of the table; its whole text is in the dialog that a click opens. */
const SHOWN_LETTERS = 2_000;

const LEVELS: readonly [least: number, word: string, key: string][] = [
  [LogSeverity.ERROR, "ERROR", "error"], [LogSeverity.WARN, "WARN", "warn"], [LogSeverity.INFO, "INFO", "info"],
  [LogSeverity.DEBUG, "DEBUG", "debug"], [0, "TRACE", "debug"],
];
const levelOf = (severity: number) => LEVELS.find(([least]) => severity >= least) ?? LEVELS[LEVELS.length - 1];

/** The last lines of a run and of all below it, as they come. */
class Tail extends Store {
  lines: LogRecord[] = [];
  /** Whether the server has said what there is. */
  heard = false;

  constructor(private run: string, private ended: () => boolean) {
    super();
  }

  start = (): (() => void) => {
    const control = new AbortController();
    const begin = () => {
      this.lines = [];
      void follow({
        open: (resumeToken, signal) => service.tailLogs({ parent: this.run, resumeToken, tailLines: FIRST_LINES, includeDescendants: true }, { signal }),
        take: (message) => this.take(message.records),
        expired: begin,
        done: this.ended,
      }, control.signal).finally(() => this.hear());
    };
    begin();
    return () => control.abort();
  };

  private hear(): void {
    this.heard = true;
    this.changed();
  }

  private take(records: LogRecord[]): void {
    if (!this.heard) this.hear();
    if (!records.length) return;
    this.lines = this.lines.concat(records);
    if (this.lines.length > KEPT_LINES) this.lines = this.lines.slice(-KEPT_LINES);
    this.changed();
  }
}

interface Props {
  run: string;
  /** Only the lines of this run below; empty for all. */
  only?: string;
  nameOf: (id: string) => string;
  ended: boolean;
  choose: (id: string) => void;
}

export function Logs({ run, only, nameOf, ended, choose }: Props) {
  const done = useRef(ended);
  done.current = ended;
  const tail = useLive(run, () => new Tail(run, () => done.current));
  const [text, setText] = useState("");
  const [level, setLevel] = useState(0);
  const [following, setFollowing] = useState(true);
  const scroller = useRef<HTMLDivElement>(null);
  const { lines } = tail;
  const shown = useMemo(() => {
    const part = text.toLowerCase();
    const matches = (line: LogRecord) => line.body.toLowerCase().includes(part) || nameOf(line.runId).toLowerCase().includes(part);
    return lines.filter((line) => line.severity >= level && (!only || line.runId === only) && (!part || matches(line)));
  }, [lines, text, level, only, nameOf]);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: () => LINE_HEIGHT, overscan: 20 });
  useEffect(() => {
    if (following && shown.length) rows.scrollToIndex(shown.length - 1, { align: "end" });
  }, [shown.length, following, rows]);
  return (
    <div className="logs">
      <div className="bar">
        <input type="search" value={text} onChange={(e) => setText(e.target.value)} placeholder="Search these lines" aria-label="Search these lines" />
        <div className="seg" role="group" aria-label="Least level">
          {[[0, "All"], [LogSeverity.INFO, "Info"], [LogSeverity.WARN, "Warnings"], [LogSeverity.ERROR, "Errors"]].map(([least, word]) => (
            <button key={least} aria-pressed={level === least} onClick={() => setLevel(least as number)}>{word}</button>
          ))}
        </div>
        <span className="muted num" role="status">{plural(shown.length, "line")}</span>
        <span className="grow" />
        <button className="small" aria-pressed={following} onClick={() => setFollowing(!following)}>{following ? "Following" : "Follow"}</button>
      </div>
      <div className="lines" ref={scroller} tabIndex={0} role="log" aria-live="off" aria-label="Log lines"
        onWheel={(e) => e.deltaY < 0 && setFollowing(false)} onKeyDown={(e) => (e.key === "ArrowUp" || e.key === "PageUp") && setFollowing(false)}>
        <div style={{ height: rows.getTotalSize(), position: "relative" }}>
          {rows.getVirtualItems().map((item) => <Line key={item.key} line={shown[item.index]} top={item.start} nameOf={nameOf} choose={choose} />)}
        </div>
        {!shown.length && <p className="empty">{lines.length ? "No line matches." : !tail.heard ? "Loading" : ended ? "This run logged nothing." : "No lines yet. They appear here as they are written."}</p>}
      </div>
    </div>
  );
}

function Line({ line, top, nameOf, choose }: { line: LogRecord; top: number; nameOf: (id: string) => string; choose: (id: string) => void }) {
  const [, word, key] = levelOf(line.severity);
  const body = plainLine(line.body, SHOWN_LETTERS);
  const name = plainLine(nameOf(line.runId), 255);
  return (
    <div className="line" data-level={key} style={{ transform: `translateY(${top}px)` }}>
      <time>{atMs(ms(line.occurTime))}</time>
      <span className="lv">{word}</span>
      <button className="who" onClick={() => choose(line.runId)} title={name}>{name}</button>
      <span className="body" title={body}>{body}</span>
    </div>
  );
}
