/**
 * HTTP/1.1 gives a browser six connections to a host, over all tabs. Locks of the origin are slots
 * for streams, so that calls always find a free connection.
 */
export const STREAM_SLOTS = 4;

/** Waits until the tab may open a stream; the answer gives the slot back. */
export async function takeSlot(signal: AbortSignal, onFull: () => void): Promise<() => void> {
  // Without a secure context there are no locks; then only hidden tabs don't stream.
  if (!navigator.locks) return () => {};
  for (;;) {
    for (let slot = 0; slot < STREAM_SLOTS; slot++) {
      const release = await tryLock(`towpath.stream.${slot}`);
      if (release) return release;
    }
    onFull();
    await pause(1000, signal);
  }
}

function tryLock(name: string): Promise<(() => void) | null> {
  return new Promise((resolve) => {
    void navigator.locks.request(name, { ifAvailable: true }, (lock) => {
      if (!lock) {
        resolve(null);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    });
  });
}

/** Waits for a time, or fails when told to stop. */
export function pause(time: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, time);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** Waits until the tab is seen. */
export function visible(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!document.hidden) return resolve();
    const end = () => {
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", stop);
    };
    const look = () => {
      if (document.hidden) return;
      end();
      resolve();
    };
    const stop = () => {
      end();
      reject(signal.reason as Error);
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", stop, { once: true });
  });
}
