import { Store } from "./store";

/** How the page stands with the server. */
export type LinkState = "live" | "connecting" | "paused" | "waiting" | "offline";

const WORST: readonly LinkState[] = ["offline", "waiting", "connecting", "paused", "live"];

class Link extends Store {
  state: LinkState = "live";
  private streams = new Map<object, LinkState>();

  /** Notes the state of one stream; null when it has ended. */
  tell(stream: object, state: LinkState | null): void {
    if (state) this.streams.set(stream, state);
    else this.streams.delete(stream);
    const all = new Set(this.streams.values());
    const next = WORST.find((one) => all.has(one)) ?? "live";
    if (next === this.state) return;
    this.state = next;
    this.changed();
  }
}

/** The worst of all streams of this page, for the mark beside the navigation. */
export const link = new Link();
