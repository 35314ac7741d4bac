import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { atMs, count, plural, span } from "../format";
import { StateMark } from "../parts/StateMark";
import { BAD, lookOf, ORDER, TERMINAL } from "../states";
import { FOLDED_FROM, HEAD, layout, type Band } from "./layout";
import { lanesOf } from "./lanes";
import type { TimelineModel } from "./model";
import { Stage, type Canvases } from "./stage";

interface Props {
  model: TimelineModel;
  version: number;
  chosen: number;
  choose: (row: number) => void;
  only: ((row: number) => boolean) | null;
  critical: boolean;
}

/** The runs below a run over time, on canvas. The tab of tasks has the same as a table. */
export function Timeline({ model, version, chosen, choose, only, critical }: Props) {
  const canvases = useRef<Partial<Canvases>>({});
  const tip = useRef<HTMLDivElement>(null);
  const stage = useMemo(() => new Stage(model, () => complete(canvases.current)), [model]);
  const [folded, setFolded] = useFolds(model, version);
  const [fitted, setFitted] = useState(true);
  const laid = useMemo(() => layout(model, folded), [model, version, folded]);
  const path = useMemo(() => new Set(critical ? model.criticalPath() : []), [critical, model, version]);
  stage.bands = laid.bands;
  stage.height = laid.height;
  stage.marks = { ...stage.marks, chosen, only, critical: path };
  stage.onFitted = setFitted;
  useEffect(stage.ask);
  useEffect(() => () => stage.close(), [stage]);
  useColours(stage);
  useSize(stage, canvases);
  useWheel(stage, canvases);
  useBeat(stage, model.open > 0);

  const open = useCallback((name: string) => setFolded((all) => without(all, name)), [setFolded]);
  useEffect(() => {
    if (chosen < 0 || stage.reveal(chosen)) return;
    open(model.groupOf(chosen).name);
    const timer = setTimeout(() => stage.reveal(chosen), 50);
    return () => clearTimeout(timer);
  }, [chosen, stage, model, open]);

  const pointer = usePointer(stage, choose, (row, x, y) => showTip(tip.current, stage, row, x, y));
  const bad = [...BAD].reduce((sum, state) => sum + model.counts[state], 0);
  const many = model.groups.filter((group) => group.rows.length > 1).map((group) => group.name);
  return (
    <div className="timeline">
      <div className="tl-tools">
        <span className="muted num">{plural(model.groups.length, "task")} · {plural(model.n, "run")}</span>
        <span className="grow" />
        <span className="muted hint"><kbd>e</kbd> next error · <kbd>u</kbd> upstream · Ctrl + wheel zooms</span>
        <button className="icon" onClick={() => stage.zoom(1.7)} aria-label="Zoom out">−</button>
        <button className="icon" onClick={() => stage.zoom(0.6)} aria-label="Zoom in">+</button>
        <button className="small" onClick={() => setFolded(folded.size ? new Set() : new Set(many))}>{folded.size ? "Open all" : "Fold all"}</button>
        <button className="small" disabled={fitted} onClick={() => stage.fit()}>Fit</button>
      </div>
      <div className="tl-grid">
        <div className="tl-corner muted">Running at once</div>
        <canvas className="tl-over" aria-hidden="true" ref={(c) => keep(canvases, "overview", c)}
          onPointerDown={(e) => brush(stage, e)} onPointerMove={(e) => brush(stage, e)} />
        <div className="tl-corner muted">Task</div>
        <canvas className="tl-axis" aria-hidden="true" ref={(c) => keep(canvases, "axis", c)} />
        <div className="tl-gutter">
          <div ref={(g) => keep(canvases, "gutter", g)}>
            {laid.bands.map((band) => (
              <Head key={band.group.name} band={band} toggle={() => setFolded((all) => toggled(all, band.group.name))} />
            ))}
          </div>
        </div>
        <div className="tl-main">
          <canvas ref={(c) => keep(canvases, "main", c)} tabIndex={0} role="application" aria-roledescription="timeline"
            aria-label={`Timeline of ${plural(model.n, "task run")}, ${count(bad)} of them ended badly. Arrow keys go through the runs, e to the next error, u upstream, plus and minus zoom. The Tasks tab has the same as a table.`}
            onKeyDown={(e) => onKey(e, stage, chosen, choose)} onDoubleClick={(e) => stage.zoom(0.35, e.nativeEvent.offsetX)} {...pointer} />
          <div ref={tip} className="tl-tip" hidden><div><i /> <b /></div><span /></div>
          <div className="sr" aria-live="polite">{chosen >= 0 ? spoken(model, chosen) : ""}</div>
        </div>
      </div>
    </div>
  );
}

/** A group's name and counts, beside its band. */
function Head({ band, toggle }: { band: Band; toggle: () => void }) {
  const { group, y, height, open } = band;
  const room = Math.max(1, Math.floor((height - HEAD) / 18));
  return (
    <div className="tl-head" style={{ top: y, height }}>
      <button aria-expanded={open} onClick={toggle} title={group.name}>
        <span className="twist" aria-hidden="true">{open ? "▾" : "▸"}</span>
        <span className="name">{group.name}</span>
        {group.rows.length > 1 && <span className="muted num">{count(group.rows.length)}</span>}
      </button>
      {height > 44 && (
        <ul className="tl-counts">
          {ORDER.filter((state) => group.counts[state]).slice(0, room).map((state) => (
            <li key={state}><StateMark state={state} bare /><span className="num">{count(group.counts[state])}</span> <span className="muted">{lookOf(state).word.toLowerCase()}</span></li>
          ))}
        </ul>
      )}
    </div>
  );
}

const complete = (some: Partial<Canvases>): Canvases | null =>
  some.main && some.overview && some.axis && some.gutter ? (some as Canvases) : null;

function keep<K extends keyof Canvases>(all: { current: Partial<Canvases> }, key: K, element: Canvases[K] | null): void {
  if (element) all.current[key] = element;
  else delete all.current[key];
}

function without(all: ReadonlySet<string>, name: string): Set<string> {
  const rest = new Set(all);
  rest.delete(name);
  return rest;
}

const toggled = (all: ReadonlySet<string>, name: string): Set<string> =>
  all.has(name) ? without(all, name) : new Set([...all, name]);

/** The folded groups: those of many lanes, until the reader opens them. */
function useFolds(model: TimelineModel, version: number) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const seen = useRef(new Set<string>());
  useEffect(() => {
    const wide = model.groups.filter((group) => !seen.current.has(group.name) && lanesOf(model, group).length > FOLDED_FROM);
    if (!wide.length) return;
    for (const group of wide) seen.current.add(group.name);
    setFolded((all) => new Set([...all, ...wide.map((group) => group.name)]));
  }, [model, version]);
  return [folded, setFolded] as const;
}

/** Reads the colours again when the theme changes. */
function useColours(stage: Stage): void {
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const chosen = new MutationObserver(stage.recolour);
    system.addEventListener("change", stage.recolour);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    void document.fonts.ready.then(stage.ask);
    return () => {
      system.removeEventListener("change", stage.recolour);
      chosen.disconnect();
    };
  }, [stage]);
}

function useSize(stage: Stage, canvases: { current: Partial<Canvases> }): void {
  useEffect(() => {
    const box = canvases.current.main?.parentElement;
    if (!box) return;
    const observer = new ResizeObserver(([{ contentRect }]) => stage.resize(Math.floor(contentRect.width), Math.floor(contentRect.height)));
    observer.observe(box);
    return () => observer.disconnect();
  }, [stage, canvases]);
}

function useWheel(stage: Stage, canvases: { current: Partial<Canvases> }): void {
  useEffect(() => {
    const main = canvases.current.main;
    if (!main) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) stage.zoom(Math.exp(event.deltaY * 0.0022), event.offsetX);
      else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) stage.panBy(event.deltaX || event.deltaY);
      else stage.scrollBy(event.deltaY);
    };
    main.addEventListener("wheel", wheel, { passive: false });
    return () => main.removeEventListener("wheel", wheel);
  }, [stage, canvases]);
}

/** Bars of runs that are under way grow. */
function useBeat(stage: Stage, open: boolean): void {
  useEffect(() => {
    if (!open) return;
    const timer = setInterval(stage.ask, 250);
    return () => clearInterval(timer);
  }, [stage, open]);
}

function usePointer(stage: Stage, choose: (row: number) => void, tell: (row: number, x: number, y: number) => void) {
  const drag = useRef<{ x: number; y: number; moved: boolean } | null>(null);
  const hover = (row: number) => {
    if (row === stage.marks.hover) return;
    stage.marks = { ...stage.marks, hover: row };
    stage.ask();
  };
  return {
    onPointerDown(event: PointerEvent<HTMLCanvasElement>) {
      drag.current = { x: event.nativeEvent.offsetX, y: event.nativeEvent.offsetY, moved: false };
      event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent<HTMLCanvasElement>) {
      const { offsetX: x, offsetY: y } = event.nativeEvent;
      const held = drag.current;
      if (!held) {
        const row = stage.at(x, y);
        hover(row);
        tell(row, x, y);
        return;
      }
      const dx = x - held.x;
      const dy = y - held.y;
      if (!held.moved && Math.abs(dx) + Math.abs(dy) <= 3) return;
      drag.current = { x, y, moved: true };
      stage.panBy(-dx);
      stage.scrollBy(-dy);
    },
    onPointerUp(event: PointerEvent<HTMLCanvasElement>) {
      const held = drag.current;
      drag.current = null;
      if (held && !held.moved) choose(stage.at(event.nativeEvent.offsetX, event.nativeEvent.offsetY));
    },
    onPointerLeave() {
      drag.current = null;
      hover(-1);
      tell(-1, 0, 0);
    },
  };
}

/** Fills the box at the pointer, without React: it moves with every pixel. */
function showTip(tip: HTMLDivElement | null, stage: Stage, row: number, x: number, y: number): void {
  if (!tip) return;
  tip.hidden = row < 0;
  if (row < 0) return;
  const { model } = stage;
  const state = lookOf(model.state[row]);
  const [name, word, times] = [tip.querySelector("b"), tip.querySelector("i"), tip.querySelector("span")];
  if (!name || !word || !times) return;
  name.textContent = model.names[row];
  word.textContent = state.word;
  word.style.color = `var(--t-${state.key})`;
  const attempts = model.attempt[row] > 1 ? ` · ${model.attempt[row]} attempts` : "";
  const waited = model.start[row] - model.created[row];
  const wait = waited > 50 ? ` · waited ${span(waited)}` : "";
  times.textContent = `${span(model.endOf(row, stage.now()) - model.start[row])} from ${atMs(model.start[row])}${wait}${attempts}`;
  tip.style.transform = `translate(${Math.max(0, Math.min(x + 14, stage.width - 300))}px, ${y > 120 ? y - 62 : y + 16}px)`;
}

function brush(stage: Stage, event: PointerEvent<HTMLCanvasElement>): void {
  if (!(event.buttons & 1)) return;
  event.currentTarget.setPointerCapture(event.pointerId);
  stage.brush(event.nativeEvent.offsetX / event.currentTarget.clientWidth);
}

function onKey(event: KeyboardEvent, stage: Stage, chosen: number, choose: (row: number) => void): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { model } = stage;
  const step = (to: (rows: number[], at: number) => number | undefined) => {
    const rows = stage.order();
    const next = to(rows, rows.indexOf(chosen));
    if (next !== undefined && next >= 0) choose(next);
  };
  switch (event.key) {
    case "ArrowRight": step((rows, at) => rows[Math.min(rows.length - 1, at + 1)]); break;
    case "ArrowLeft": step((rows, at) => rows[Math.max(0, at - 1)]); break;
    case "ArrowDown": stage.scrollBy(60); break;
    case "ArrowUp": stage.scrollBy(-60); break;
    case "e": step((rows, at) => [...rows.slice(at + 1), ...rows.slice(0, at + 1)].find((row) => BAD.has(model.state[row]))); break;
    case "u": step(() => (chosen >= 0 ? model.lastUpstream(chosen) : -1)); break;
    case "+": case "=": stage.zoom(0.6); break;
    case "-": stage.zoom(1.7); break;
    case "f": case "0": stage.fit(); break;
    case "Escape": choose(-1); break;
    default: return;
  }
  event.preventDefault();
  event.stopPropagation();
}

function spoken(model: TimelineModel, row: number): string {
  const took = TERMINAL.has(model.state[row]) ? span(model.end[row] - model.start[row]) : "under way";
  return `${model.names[row]}, ${lookOf(model.state[row]).word}, ${took}`;
}
