import { describe, expect, it } from "vitest";
import { RunState } from "../src/gen/towpath/api/v1/state_pb";
import { axisLabel } from "../src/timeline/axis";
import { densityOf } from "../src/timeline/density";
import { lanesOf } from "../src/timeline/lanes";
import { baseName, TimelineModel, type TaskRun } from "../src/timeline/model";

/** The same numbers each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const run = (n: number, start: number, end: number, state = RunState.COMPLETED): TaskRun => ({
  id: `run-${n}`, name: `load[${n}]`, group: "", state, revision: 2, created: start, start, end, attempt: 1,
});

function filled(seed: number, n: number): TimelineModel {
  const next = numbers(seed);
  const model = new TimelineModel();
  for (let i = 0; i < n; i++) {
    const start = next() * 1000;
    model.upsert(run(i, start, start + next() * 100, next() < 0.1 ? RunState.FAILED : RunState.COMPLETED));
  }
  return model;
}

describe("lanes", () => {
  it.each([1, 2, 3, 4, 5])("never overlap, and are as few as ran at once (%i)", (seed) => {
    const model = filled(seed, 400);
    const [group] = model.groups;
    const lanes = lanesOf(model, group);
    const all = lanes.flatMap((lane) => [...lane]);
    expect(all.sort((a, b) => a - b)).toEqual([...group.rows].sort((a, b) => a - b));
    for (const lane of lanes)
      for (let i = 1; i < lane.length; i++) expect(model.end[lane[i - 1]]).toBeLessThanOrEqual(model.start[lane[i]]);
    const atOnce = group.rows.map((row) => group.rows.filter((other) => model.start[other] <= model.start[row] && model.end[other] > model.start[row]).length);
    expect(lanes.length).toBe(Math.max(...atOnce));
  });

  it("keep the place of a run that is under way", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 0, NaN, RunState.RUNNING));
    model.upsert(run(1, 5, 6));
    expect(lanesOf(model, model.groups[0]).map((lane) => [...lane])).toEqual([[0], [1]]);
  });
});

describe("density", () => {
  it.each([1, 2, 3])("counts by area, as a slow count does (%i)", (seed) => {
    const model = filled(seed, 200);
    const family = new Uint8Array(256);
    const columns = 50;
    const [t0, t1] = [0, 1100];
    const { stacks, peak } = densityOf(model, null, t0, t1, columns, 0, family);
    const width = (t1 - t0) / columns;
    for (let column = 0; column < columns; column++) {
      let area = 0;
      for (let row = 0; row < model.n; row++)
        area += Math.max(0, Math.min(model.end[row], (column + 1) * width) - Math.max(model.start[row], column * width)) / width;
      expect(stacks[0][column]).toBeCloseTo(area, 1);
    }
    expect(peak).toBeLessThanOrEqual(lanesOf(model, model.groups[0]).length + 0.01);
  });

  it("marks the column in which a run ended badly", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 0, 55, RunState.FAILED));
    const { bad } = densityOf(model, null, 0, 100, 10, 0, new Uint8Array(256));
    expect([...bad]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });
});

describe("the model", () => {
  it("drops older revisions", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 0, 9, RunState.FAILED));
    expect(model.upsert({ ...run(0, 0, NaN, RunState.RUNNING), revision: 1 })).toBe(false);
    expect(model.state[0]).toBe(RunState.FAILED);
  });

  it("takes an open run twice as no change, although its end equals nothing", () => {
    const model = new TimelineModel();
    expect(model.upsert(run(0, 0, NaN, RunState.RUNNING))).toBe(true);
    expect(model.upsert(run(0, 0, NaN, RunState.RUNNING))).toBe(false);
  });

  it("counts each run once, however often it changes", () => {
    const model = new TimelineModel();
    model.upsert({ ...run(0, 0, NaN, RunState.RUNNING), revision: 1 });
    expect([model.open, model.counts[RunState.RUNNING]]).toEqual([1, 1]);
    model.upsert(run(0, 0, 5, RunState.FAILED));
    expect([model.open, model.counts[RunState.RUNNING], model.counts[RunState.FAILED]]).toEqual([0, 0, 1]);
  });

  it("keeps the attempts of a run that is tried again", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 10, NaN, RunState.RETRYING));
    model.noteState(0, RunState.RETRYING, 20);
    model.noteState(0, RunState.RETRYING, 20);
    model.noteState(0, RunState.RUNNING, 30);
    expect(model.segments.get(0)).toEqual([
      { state: RunState.RUNNING, time: 10 }, { state: RunState.RETRYING, time: 20 }, { state: RunState.RUNNING, time: 30 },
    ]);
  });

  it("grows beyond its first columns", () => {
    const model = filled(1, 5000);
    expect(model.n).toBe(5000);
    expect(model.start[4999]).toBeGreaterThan(0);
  });

  it("follows the critical path back through the upstream run that ended last", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 0, 10));
    model.upsert(run(1, 0, 30));
    model.upsert({ ...run(2, 31, 40), upstream: ["run-0", "run-1"] });
    expect(model.criticalPath()).toEqual([1, 2]);
  });

  it("finds the run that failed first", () => {
    const model = new TimelineModel();
    model.upsert(run(0, 0, 30, RunState.FAILED));
    model.upsert(run(1, 0, 20, RunState.FAILED));
    expect(model.firstBad(new Set([RunState.FAILED]))).toBe(1);
  });

  it.each([["load[3]", "load"], ["load", "load"], ["[3]", "[3]"], ["a[1][2]", "a[1]"]])("groups %s by %s", (name, base) => {
    expect(baseName(name)).toBe(base);
  });
});

it.each([[1, 2, "0.001s"], [250, 50, "0.25s"], [1500, 1000, "2s"], [61e3, 1e3, "1m01"], [120e3, 60e3, "2m"], [3_660e3, 60e3, "1h01"]])("labels %i ms as %s", (time, step, label) => {
  expect(axisLabel(time, step)).toBe(label);
});
