import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState, type KeyboardEvent } from "react";
import { flows, runs } from "../api/clients";
import { workspace } from "../api/workspace";
import { lastPart, ms, when } from "../format";
import { textFilter } from "../pages/filters";
import { Dialog } from "./Dialog";
import { Name } from "./Name";
import { PAGES } from "./pages";
import { StateMark } from "./StateMark";

const HITS = 8;

interface Hit {
  key: string;
  state: number;
  name: string;
  code: string;
  note: string;
  open: () => void;
}

/** Finds runs by name or short id, flows and pages. */
export function Find({ close }: { close: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const hits = useHits(useSettled(text));
  useEffect(() => setAt(0), [text]);
  const open = (hit: Hit | undefined) => {
    if (!hit) return;
    close();
    hit.open();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt(Math.min(hits.length - 1, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter") open(hits[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Find" close={close} wide>
      <input className="find-input" data-focus role="combobox" aria-expanded="true" aria-controls="hits" aria-activedescendant={hits[at] ? `hit-${at}` : undefined}
        aria-label="Find a run, a flow or a page" placeholder="A run by name or short id, a flow, a page" value={text} onChange={(e) => setText(e.target.value)} onKeyDown={onKey} />
      <ul id="hits" role="listbox" aria-label="Found" className="hits">
        {hits.map((hit, i) => (
          <li key={hit.key} id={`hit-${i}`} role="option" aria-selected={i === at} onMouseEnter={() => setAt(i)} onClick={() => open(hit)}>
            {hit.state ? <StateMark state={hit.state} bare /> : <span className="kind" aria-hidden="true">→</span>}
            <span className="clip"><Name text={hit.name} /></span><code className="muted">{hit.code}</code><span className="muted note"><Name text={hit.note} /></span>
          </li>
        ))}
      </ul>
      {!hits.length && <p className="muted">Nothing begins with this.</p>}
    </Dialog>
  );
}

/** The text once the typing pauses. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text.trim()), 120);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

function useHits(text: string): Hit[] {
  const navigate = useNavigate();
  const found = useQuery({
    queryKey: ["find", workspace(), text], placeholderData: keepPreviousData, retry: false,
    queryFn: ({ signal }) => runs.listRuns({ parent: workspace(), filter: text ? textFilter(text) : "kind = FLOW", pageSize: HITS }, { signal }),
  });
  const known = useQuery({
    queryKey: ["flow-names", workspace()], staleTime: 60_000,
    queryFn: ({ signal }) => flows.listFlows({ parent: workspace(), pageSize: 500 }, { signal }),
  });
  const begins = (name: string) => name.toLowerCase().includes(text.toLowerCase());
  const pages = PAGES.filter((page) => text && begins(page.word)).map((page): Hit => ({
    key: page.to, state: 0, name: page.word, code: "", note: "page", open: () => void navigate({ to: page.to }),
  }));
  const matching = (known.data?.flows ?? []).filter((flow) => text && begins(flow.displayName)).slice(0, HITS).map((flow): Hit => ({
    key: flow.name, state: 0, name: flow.displayName, code: "", note: "flow", open: () => void navigate({ to: "/flows/$flow", params: { flow: lastPart(flow.name) } }),
  }));
  const matched = (found.data?.runs ?? []).map((run): Hit => {
    const root = lastPart(run.rootRun);
    const search = root === run.runId ? {} : { task: run.runId };
    return {
      key: run.runId, state: run.state, name: run.displayName, code: run.shortId, note: `${run.flowName} ${when(ms(run.createTime))}`,
      open: () => void navigate({ to: "/runs/$id", params: { id: root }, search }),
    };
  });
  return [...pages, ...matching, ...matched];
}
