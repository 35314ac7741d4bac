import { Link, Outlet, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { session } from "../api/session";
import { useCaller } from "../api/rights";
import { link, type LinkState } from "../live/link";
import { SignIn } from "../pages/signin";
import { Find } from "./Find";
import { ICONS } from "./icons";
import { Keys } from "./Keys";
import { PAGES } from "./pages";
import { useStore } from "./use";

const WORDS: Record<LinkState, string> = {
  live: "Live", connecting: "Connecting", paused: "Paused", waiting: "Too many tabs", offline: "Not reached",
};

export function Shell() {
  useStore(link);
  useStore(session);
  const caller = useCaller();
  const [open, setOpen] = useState<"find" | "keys" | null>(null);
  useShortcuts(setOpen);
  if (session.asked) return <SignIn />;
  return (
    <div className="shell">
      <a className="skip" href="#content">Skip to content</a>
      <header className="rail">
        <Link to="/" className="brand" aria-label="Towpath"><img src="/favicon.svg" width="26" height="26" alt="" /></Link>
        <nav aria-label="Main">
          {PAGES.map((page) => (
            <Link key={page.to} to={page.to} className="nav" activeOptions={{ exact: page.to === "/" }} activeProps={{ "aria-current": "page" } as object}>
              <Icon path={page.icon} />{page.word}
            </Link>
          ))}
        </nav>
        <span className="grow" />
        <span className={`link-state ${link.state}`} role="status"><i aria-hidden="true" />{WORDS[link.state]}</span>
        <button className="nav" onClick={() => setOpen("find")} aria-keyshortcuts="Control+K"><Icon path={ICONS.find} />Find</button>
        <button className="nav" onClick={switchTheme}><Icon path={ICONS.theme} />Theme</button>
        {caller.data?.identity && <button className="nav" onClick={() => session.signOut()} title={caller.data.actor?.displayName}>Sign out</button>}
      </header>
      <div id="content" className="content"><Outlet /></div>
      {open === "find" && <Find close={() => setOpen(null)} />}
      {open === "keys" && <Keys close={() => setOpen(null)} />}
    </div>
  );
}

const Icon = ({ path }: { path: string }) => <svg viewBox="0 0 16 16" aria-hidden="true"><path d={path} /></svg>;

/** Changes between light and dark, and keeps the choice. */
export function switchTheme(): void {
  const root = document.documentElement;
  const dark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("towpath.theme", root.dataset.theme);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName));

/** Ctrl K, ?, g and a letter; other keys go to what carries them in `data-key`. */
function useShortcuts(open: (what: "find" | "keys") => void): void {
  const navigate = useNavigate();
  const g = useRef(0);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        open("find");
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
      const afterG = Date.now() - g.current < 1200;
      g.current = event.key === "g" ? Date.now() : 0;
      const page = afterG && PAGES.find((one) => one.key === event.key);
      if (page) void navigate({ to: page.to });
      else if (event.key === "?") open("keys");
      else if (!reach(event.key)) return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, open]);
}

/** Focuses or presses what a key stands for on this page. */
function reach(key: string): boolean {
  const find = (name: string) => document.querySelector<HTMLElement>(`[data-key="${name}"]`);
  if (key === "/" || /^[1-6]$/.test(key)) {
    const target = find(key);
    target?.focus();
    if (target?.tagName === "BUTTON") target.click();
    return target !== null;
  }
  if (key === "t") {
    const timeline = document.querySelector<HTMLElement>("[aria-roledescription=timeline]");
    timeline?.focus();
    return timeline !== null;
  }
  const table = key === "j" || key === "k" ? find("table") : null;
  if (!table || document.activeElement === table) return false;
  table.focus();
  table.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  return true;
}
