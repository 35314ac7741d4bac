import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { server } from "../api/clients";
import { useRights } from "../api/rights";
import { chooseWorkspace, workspace } from "../api/workspace";
import { away, count, lastPart, ms, span } from "../format";
import { Answer } from "../parts/Answer";
import { Copy } from "../parts/Copy";
import { Page } from "../parts/Page";
import { Choice } from "./runs";

const THEME = "towpath.theme";

export function Settings() {
  const info = useQuery({ queryKey: ["info"], queryFn: ({ signal }) => server.getServerInfo({ client: "towpath-ui" }, { signal }) });
  const { caller, identity } = useRights();
  return (
    <Page title="Settings" scrolls>
      <section className="card" aria-labelledby="page"><h2 id="page">This page</h2><Theme />{identity && <Workspace />}</section>
      <section className="card" aria-labelledby="server">
        <h2 id="server">Server</h2>
        <Answer of={info} lines={4}>
          {(found) => (
            <dl className="pairs">
              <div><dt>Version</dt><dd>{found.version}{found.commit && ` (${found.commit.slice(0, 8)})`}</dd></div>
              <div><dt>Address</dt><dd><code>{location.origin}</code></dd></div>
              <div><dt>Its clock</dt><dd className="num">{clockText(ms(found.serverTime) - info.dataUpdatedAt)}</dd></div>
              <div><dt>Largest message</dt><dd className="num">{count(Number(found.limits?.maxMessageBytes ?? 0n) / 1024)} KiB</dd></div>
            </dl>
          )}
        </Answer>
      </section>
      <section className="card" aria-labelledby="you">
        <h2 id="you">You</h2>
        {identity && caller ? (
          <dl className="pairs">
            <div><dt>Signed in as</dt><dd>{caller.actor?.displayName || caller.actor?.principal}</dd></div>
            <div><dt>Tenant</dt><dd>{caller.tenantDisplayName}</dd></div>
            <div><dt>Credential</dt><dd><code>{caller.credentialId}</code></dd></div>
            <div><dt>Ends</dt><dd className="num">{away(ms(caller.credentialExpireTime)) || "never"}</dd></div>
          </dl>
        ) : <p className="muted">Identity is off: whoever reaches this server may do all.</p>}
      </section>
      <section className="card" aria-labelledby="shell">
        <h2 id="shell">Use it from a program</h2>
        <p className="muted">Flows report here once they know the address of the gRPC port:</p>
        <p><code>export TOWPATH_SERVER_ADDRESS={location.hostname}:4200</code> <Copy text={`export TOWPATH_SERVER_ADDRESS=${location.hostname}:4200`} label="Copy" className="link" /></p>
      </section>
    </Page>
  );
}

const MOST_DELAY = 10_000;

/** How the server's clock stands to this machine's; an answer takes its time. */
const clockText = (ahead: number): string =>
  Math.abs(ahead) < MOST_DELAY ? "agrees with this machine's" : `${span(Math.abs(ahead))} ${ahead > 0 ? "ahead" : "behind"}`;

function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem(THEME) ?? "system");
  const choose = (next: string) => {
    setTheme(next);
    if (next === "system") {
      localStorage.removeItem(THEME);
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem(THEME, next);
      document.documentElement.dataset.theme = next;
    }
  };
  return <p className="setting"><span>Theme</span><Choice label="Theme" value={theme} options={[["system", "As the system"], ["light", "Light"], ["dark", "Dark"]]} choose={choose} /></p>;
}

function Workspace() {
  const queries = useQueryClient();
  const [chosen, setChosen] = useState(lastPart(workspace()));
  const { caller } = useRights();
  const choose = (id: string) => {
    chooseWorkspace(id);
    setChosen(id);
    void queries.invalidateQueries();
  };
  const ids = caller?.workspaceGrants.map((grant) => lastPart(grant.workspace)) ?? [];
  return (
    <p className="setting"><label htmlFor="workspace">Workspace</label>
      <select id="workspace" value={chosen} onChange={(e) => choose(e.target.value)}>{[...new Set([chosen, ...ids])].map((id) => <option key={id}>{id}</option>)}</select>
    </p>
  );
}
