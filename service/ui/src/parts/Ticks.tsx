import { Link } from "@tanstack/react-router";
import { durationMs, ms, span, when } from "../format";
import type { Run } from "../gen/towpath/api/v1/run_pb";
import { BAD, lookOf } from "../states";

const HEIGHT = 22;

/** The last runs of a flow, the newest on the right: height is duration, what went bad is marked below. */
export function Ticks({ runs, tall }: { runs: readonly Run[]; tall?: boolean }) {
  if (!runs.length) return null;
  const took = (run: Run) => durationMs(run.runDuration) || 0;
  const longest = Math.max(1, ...runs.map(took));
  const height = tall ? 4 * HEIGHT : HEIGHT;
  return (
    <span className={tall ? "ticks tall" : "ticks"} style={{ height }}>
      {[...runs].reverse().map((run) => {
        const look = lookOf(run.state);
        const share = Math.max(0.12, Math.sqrt(took(run) / longest));
        const title = `${look.word}, ${span(took(run))}, ${when(ms(run.startTime ?? run.createTime))}`;
        return (
          <Link key={run.runId} to="/runs/$id" params={{ id: run.runId }} title={title} aria-label={title} className={BAD.has(run.state) ? "bad" : ""}>
            <i style={{ height: `${share * 100}%`, background: `var(--s-${look.key})` }} />
          </Link>
        );
      })}
    </span>
  );
}
