import { useMemo } from "react";
import { count, plural } from "../format";
import { lookOf, ORDER } from "../states";
import type { TimelineModel } from "../timeline/model";
import { BOX, layoutOf, type Edge, type Node } from "./layout";

const BAR = BOX.width - 24;
const LETTERS = 20;

export function Graph({ model, version }: { model: TimelineModel; version: number }) {
  const { nodes, edges, width, height } = useMemo(() => layoutOf(model), [model, version]);
  if (!nodes.length) return <p className="empty">No task yet.</p>;
  return (
    <div className="graph" tabIndex={0} role="region" aria-label="Graph">
      <svg width={width} height={height} role="img" aria-label={`${plural(nodes.length, "task")}, ${plural(edges.length, "dependency", "dependencies")}`}>
        {edges.map((edge) => <Line key={`${edge.from}-${edge.to}`} edge={edge} nodes={nodes} />)}
        {nodes.map((node) => <Box key={node.name} node={node} />)}
      </svg>
    </div>
  );
}

function Line({ edge, nodes }: { edge: Edge; nodes: Node[] }) {
  const [from, to] = [nodes[edge.from], nodes[edge.to]];
  const x0 = from.x + BOX.width;
  const [y0, y1] = [from.y + BOX.height / 2, to.y + BOX.height / 2];
  const bend = Math.max(24, (to.x - x0) / 2);
  const thick = 1 + Math.min(4, Math.log10(edge.runs + 1));
  return <path d={`M${x0} ${y0}C${x0 + bend} ${y0} ${to.x - bend} ${y1} ${to.x} ${y1}`} className="edge" style={{ strokeWidth: thick }}><title>{`${from.name} → ${to.name}: ${count(edge.runs)}`}</title></path>;
}

function Box({ node }: { node: Node }) {
  let x = 0;
  const present = ORDER.filter((state) => node.counts[state]);
  return (
    <g transform={`translate(${node.x} ${node.y})`}>
      <title>{node.name}</title>
      <rect width={BOX.width} height={BOX.height} rx="7" className="box" />
      <text x="12" y="21">{node.name.length > LETTERS ? `${node.name.slice(0, LETTERS - 1)}…` : node.name}</text>
      <text x={BOX.width - 12} y="21" className="n" textAnchor="end">{count(node.runs)}</text>
      <g transform="translate(12 36)">
        {present.map((state) => {
          const width = Math.max(3, (node.counts[state] / node.runs) * (BAR - 8));
          const at = x;
          x += width + 1;
          return <rect key={state} x={at} width={width} height="7" rx="1.5" fill={`var(--s-${lookOf(state).key})`}><title>{`${count(node.counts[state])} ${lookOf(state).word}`}</title></rect>;
        })}
      </g>
    </g>
  );
}
