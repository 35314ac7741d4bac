import type { RunAggregate } from "../gen/towpath/api/v1/run_service_pb";
import { count, ms, when } from "../format";
import { BAD, lookOf, ORDER } from "../states";

const HEIGHT = 52;
/** The lane of what went bad has a scale of its own: a few among many are seen. */
const BAD_LANE = 14;
const MOST_BARS = 200;

interface Props {
  buckets: RunAggregate[];
  from: number;
  seconds: number;
  now: number;
}

/** Runs over time by state. */
export function Activity({ buckets, from, seconds, now }: Props) {
  const step = seconds * 1000;
  const start = from || ms(buckets[0]?.timeRange?.startTime) || now - step;
  const bars = Math.min(MOST_BARS, Math.max(1, Math.ceil((now - start) / step)));
  const all = (bucket: RunAggregate) => bucket.counts.reduce((sum, one) => sum + Number(one.count), 0);
  const bad = (bucket: RunAggregate) => bucket.counts.reduce((sum, one) => sum + (BAD.has(one.state) ? Number(one.count) : 0), 0);
  const most = Math.max(1, ...buckets.map(all));
  const mostBad = Math.max(1, ...buckets.map(bad));
  const total = buckets.reduce((sum, bucket) => sum + all(bucket), 0);
  const width = 1000 / bars;
  return (
    <div className="activity">
      <svg viewBox={`0 0 1000 ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={`${count(total)} runs over time, at most ${count(most)} in one bar`}>
        {buckets.map((bucket) => {
          const at = Math.round((ms(bucket.timeRange?.startTime) - start) / step);
          if (at < 0 || at >= bars) return null;
          return <Bar key={at} bucket={bucket} x={(at + 0.08) * width} width={0.84 * width} most={most} mostBad={mostBad} time={start + at * step} />;
        })}
      </svg>
      <span className="muted num first">{when(start, now)}</span>
      <span className="muted num last">now</span>
    </div>
  );
}

function Bar({ bucket, x, width, most, mostBad, time }: { bucket: RunAggregate; x: number; width: number; most: number; mostBad: number; time: number }) {
  const counts = new Map(bucket.counts.map((one) => [one.state as number, Number(one.count)]));
  const words = ORDER.filter((state) => counts.get(state)).map((state) => `${counts.get(state)} ${lookOf(state).word.toLowerCase()}`);
  let y = HEIGHT;
  let top = BAD_LANE - 2;
  const rects = [...ORDER].reverse().flatMap((state) => {
    const n = counts.get(state);
    if (!n) return [];
    const bad = BAD.has(state);
    const height = bad ? Math.max(2, (n / mostBad) * (BAD_LANE - 3)) : Math.max(1.5, (n / most) * (HEIGHT - BAD_LANE - 3));
    if (bad) top -= height;
    else y -= height;
    return [<rect key={state} x={x} width={width} y={bad ? top : y} height={height} fill={`var(--s-${lookOf(state).key})`} />];
  });
  return <g><title>{`${when(time)}: ${words.join(", ")}`}</title>{rects}</g>;
}
