import { Code, ConnectError } from "@connectrpc/connect";
import { link } from "./link";
import { pause, takeSlot, visible } from "./slots";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
/** The server speaks at least every 15 seconds. */
const LONGEST_SILENCE = 40_000;
/** A glance at another tab costs nothing; a tab that stays hidden gives its connection back. */
const HIDDEN_GRACE = 5_000;
/** A resumed watch may say nothing for 15 s: no refusal for a while is taken for a yes. */
const TAKEN_FOR_LIVE = 1_500;

export interface Following<M> {
  open: (resumeToken: string, signal: AbortSignal) => AsyncIterable<M>;
  take: (message: M) => void;
  token?: string;
  /** Is called when the token has expired: list again, and follow from there. */
  expired: () => void;
  /** Whether the stream is done when the server ends it. */
  done?: () => boolean;
}

/** Reads a stream until told to stop: while the tab is seen, resumed where it broke, with growing pauses. */
export async function follow<M extends { resumeToken: string }>(of: Following<M>, signal: AbortSignal): Promise<void> {
  const stream = {};
  const place = { token: of.token ?? "", wait: FIRST_PAUSE };
  try {
    while (!signal.aborted) {
      if (document.hidden) link.tell(stream, "paused");
      await visible(signal);
      const release = await takeSlot(signal, () => link.tell(stream, "waiting"));
      try {
        if (!(await readOnce(of, stream, place, signal))) return;
      } finally {
        release();
      }
    }
  } catch {
    // Told to stop.
  } finally {
    link.tell(stream, null);
  }
}

interface Place {
  token: string;
  wait: number;
}

/** Reads until the stream ends; whether to read on. */
async function readOnce<M extends { resumeToken: string }>(
  of: Following<M>, stream: object, place: Place, signal: AbortSignal,
): Promise<boolean> {
  const watch = new Watch(signal);
  if (place.wait === FIRST_PAUSE) link.tell(stream, "connecting");
  const calm = setTimeout(() => link.tell(stream, "live"), TAKEN_FOR_LIVE);
  try {
    for await (const message of of.open(place.token, watch.signal)) {
      watch.heard();
      place.wait = FIRST_PAUSE;
      link.tell(stream, "live");
      if (message.resumeToken) place.token = message.resumeToken;
      of.take(message);
    }
    return !of.done?.();
  } catch (error) {
    clearTimeout(calm);
    if (signal.aborted) return false;
    const code = ConnectError.from(error).code;
    if (code === Code.OutOfRange) {
      of.expired();
      return false;
    }
    if (code === Code.NotFound || code === Code.PermissionDenied || code === Code.Unauthenticated) return false;
    if (!watch.signal.aborted || watch.silent) {
      link.tell(stream, "offline");
      await pause(place.wait * (0.5 + Math.random()), signal);
      place.wait = Math.min(place.wait * 2, LONGEST_PAUSE);
    }
    return true;
  } finally {
    clearTimeout(calm);
    watch.close();
  }
}

/** Ends an attempt that is silent, hidden or no longer wanted. */
class Watch {
  silent = false;
  private control = new AbortController();
  private last = Date.now();
  private hidden: ReturnType<typeof setTimeout> | undefined;
  private timer = setInterval(() => {
    if (Date.now() - this.last <= LONGEST_SILENCE) return;
    this.silent = true;
    this.stop();
  }, 10_000);

  constructor(private outer: AbortSignal) {
    outer.addEventListener("abort", this.stop);
    document.addEventListener("visibilitychange", this.look);
  }

  get signal(): AbortSignal {
    return this.control.signal;
  }

  heard(): void {
    this.last = Date.now();
  }

  close(): void {
    clearInterval(this.timer);
    clearTimeout(this.hidden);
    this.outer.removeEventListener("abort", this.stop);
    document.removeEventListener("visibilitychange", this.look);
  }

  private stop = (): void => this.control.abort();

  private look = (): void => {
    clearTimeout(this.hidden);
    if (document.hidden) this.hidden = setTimeout(this.stop, HIDDEN_GRACE);
  };
}
