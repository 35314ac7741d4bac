/** Data that changes: pages subscribe, and are told at most ten times a second. */
export class Store {
  version = 0;
  private listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private last = -Infinity;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  snapshot = (): number => this.version;

  protected changed(): void {
    if (this.timer !== null) return;
    const wait = Math.max(0, 100 - (performance.now() - this.last));
    this.timer = setTimeout(() => {
      this.timer = null;
      this.last = performance.now();
      this.version++;
      for (const listener of this.listeners) listener();
    }, wait);
  }
}
