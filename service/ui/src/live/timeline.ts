import type { StreamRunTimelineResponse } from "../gen/towpath/api/v1/run_timeline_pb";
import { ms } from "../format";
import type { TimelineModel } from "../timeline/model";

/** Takes the messages of a timeline into a model. */
export class TimelineReader {
  resumeToken = "";
  truncated = false;
  private ids: string[] = [];
  private groups: string[] = [];
  private waits: [row: number, upstream: number[]][] = [];

  constructor(private model: TimelineModel) {}

  take(message: StreamRunTimelineResponse): void {
    const base = ms(message.baseTime);
    const first = this.ids.length;
    this.groups.push(...message.groupNames);
    let next = 0;
    message.displayNames.forEach((name, i) => {
      const id = uuid(message.runIds, 16 * i);
      this.ids.push(id);
      this.model.upsert({
        id, name, group: this.groups[message.groups[i]], state: message.states[i], revision: message.revisions[i],
        created: base + message.createTimes[i], start: base + message.startTimes[i], end: base + message.endTimes[i],
        attempt: message.attempts[i],
      });
      const upstream = message.upstreamRows.slice(next, (next += message.upstreamCounts[i]));
      if (upstream.length) this.waits.push([first + i, upstream]);
    });
    message.changeRows.forEach((row, i) => {
      const at = this.model.rowOf(this.ids[row]);
      const segments = this.model.segments.get(at) ?? [];
      if (!segments.length) this.model.segments.set(at, segments);
      segments.push({ state: message.changeStates[i], time: base + message.changeTimes[i] });
    });
    if (message.resumeToken) this.resumeToken = message.resumeToken;
    this.truncated ||= message.truncated;
  }

  /** Upstream runs may come after those that wait for them: they are joined at the end. */
  end(): void {
    for (const [row, upstream] of this.waits)
      this.model.upstream[this.model.rowOf(this.ids[row])] = upstream.map((at) => this.ids[at]);
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const DASHES = new Set([4, 6, 8, 10]);

/** The UUID that begins at a byte. */
export function uuid(bytes: Uint8Array, from: number): string {
  let text = "";
  for (let i = 0; i < 16; i++) text += (DASHES.has(i) ? "-" : "") + HEX[bytes[from + i]];
  return text;
}
