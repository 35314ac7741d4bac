import type { TimelineModel } from "../timeline/model";

export const BOX = { width: 190, height: 54 };
const STEP = { x: 250, y: 74 };
const MARGIN = 20;
const PASSES = 8;

export interface Node {
  name: string;
  runs: number;
  counts: Uint32Array;
  x: number;
  y: number;
}

export interface Edge {
  from: number;
  to: number;
  runs: number;
}

export interface Layout {
  nodes: Node[];
  edges: Edge[];
  width: number;
  height: number;
}

/**
 * A graph of tasks, not of task runs: 10,000 runs of four tasks are four boxes. Layers by the longest
 * path, then passes of medians, so that fewer edges cross.
 */
export function layoutOf(model: TimelineModel): Layout {
  const edges = edgesOf(model);
  const layer = layersOf(model.groups.length, edges);
  const layers: number[][] = [];
  layer.forEach((at, node) => (layers[at] ??= []).push(node));
  const place = placesOf(layers, edges, layer.length);
  const most = Math.max(1, ...layers.map((nodes) => nodes.length));
  const nodes = model.groups.map((group, i) => ({
    name: group.name, runs: group.rows.length, counts: group.counts,
    x: MARGIN + layer[i] * STEP.x,
    y: MARGIN + (place[i] + (most - layers[layer[i]].length) / 2) * STEP.y,
  }));
  return { nodes, edges, width: 2 * MARGIN + layers.length * STEP.x, height: 2 * MARGIN + most * STEP.y };
}

function edgesOf(model: TimelineModel): Edge[] {
  const edges = new Map<string, Edge>();
  for (let row = 0; row < model.n; row++) {
    for (const id of model.upstream[row] ?? []) {
      const up = model.rowOf(id);
      if (up < 0) continue;
      const [from, to] = [model.group[up], model.group[row]];
      if (from === to) continue;
      const known = edges.get(`${from}-${to}`);
      if (known) known.runs++;
      else edges.set(`${from}-${to}`, { from, to, runs: 1 });
    }
  }
  return [...edges.values()];
}

/** The longest path to each node. A circle ends after as many passes as there are nodes. */
function layersOf(n: number, edges: Edge[]): number[] {
  const layer = new Array<number>(n).fill(0);
  for (let pass = 0, moved = true; moved && pass < n; pass++) {
    moved = false;
    for (const { from, to } of edges) {
      if (layer[to] > layer[from] || layer[from] + 1 >= n) continue;
      layer[to] = layer[from] + 1;
      moved = true;
    }
  }
  const used = [...new Set(layer)].sort((a, b) => a - b);
  return layer.map((at) => used.indexOf(at));
}

function placesOf(layers: number[][], edges: Edge[], n: number): number[] {
  const place = new Array<number>(n).fill(0);
  const settle = (nodes: number[]) => nodes.forEach((node, i) => (place[node] = i));
  layers.forEach(settle);
  for (let pass = 0; pass < PASSES; pass++) {
    const forward = pass % 2 === 0;
    for (const nodes of layers) {
      const median = new Map(nodes.map((node) => [node, medianOf(neighbours(edges, node, forward).map((other) => place[other])) ?? place[node]]));
      nodes.sort((a, b) => (median.get(a) ?? 0) - (median.get(b) ?? 0));
      settle(nodes);
    }
  }
  return place;
}

const neighbours = (edges: Edge[], node: number, before: boolean): number[] =>
  before ? edges.filter((edge) => edge.to === node).map((edge) => edge.from) : edges.filter((edge) => edge.from === node).map((edge) => edge.to);

function medianOf(values: number[]): number | undefined {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
