import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { Store } from "../live/store";
import { plainLine } from "./ansi";

/** Draws the component again with each change of a store. */
export function useStore(store: Store): number {
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

/** A live store of a key: made with the key, started with the page, ended with it. */
export function useLive<S extends Store & { start: () => () => void }>(key: string, make: () => S): S {
  const store = useMemo(make, [key]);
  useEffect(() => store.start(), [store]);
  useStore(store);
  return store;
}

/** Draws again every second, while something runs. */
export function useSeconds(running: boolean): void {
  const [, beat] = useState(0);
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => beat((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [running]);
}

/** The title of the tab. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${plainLine(title, 120)} · Towpath` : "Towpath";
  }, [title]);
}
