import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { actCommand, effects, planOf, refusal } from "../src/actions/plan";
import { RunSchema, type Run } from "../src/gen/towpath/api/v1/run_pb";
import { RunState } from "../src/gen/towpath/api/v1/state_pb";

const run = (state: RunState, deployment = "d", shortId = "ab12"): Run => create(RunSchema, { state, deployment, shortId });

it("passes by what can't be done, with the reason", () => {
  const plan = planOf("retry", [run(RunState.FAILED), run(RunState.COMPLETED), run(RunState.RUNNING), run(RunState.CRASHED, ""), run(RunState.RUNNING)]);
  expect(plan.runs.length).toBe(1);
  expect(plan.passed).toEqual([["not ended yet", 2], ["completed: nothing to retry", 1], ["made by a script and not by a deployment", 1]]);
});

it("has one answer for each state: what ended is deleted, what did not is cancelled", () => {
  for (const state of Object.values(RunState).filter((one): one is RunState => typeof one === "number" && one > 0)) {
    const deletable = refusal("delete", run(state)) === "";
    const cancellable = refusal("cancel", run(state)) === "";
    expect(deletable !== cancellable || state === RunState.CANCELLING, RunState[state]).toBe(true);
  }
});

it("says before what will happen, also to the runs below", () => {
  const plan = planOf("delete", [run(RunState.FAILED), run(RunState.COMPLETED)]);
  expect(effects("delete", plan, new Map([[RunState.COMPLETED, 1200]]))[0]).toBe("2 runs go, with their histories and logs, and with 1,200 runs below them.");
  const waiting = planOf("cancel", [run(RunState.SCHEDULED), run(RunState.RUNNING), run(RunState.FAILED)]);
  expect(effects("cancel", waiting, new Map([[RunState.RUNNING, 3], [RunState.COMPLETED, 9]]))).toEqual([
    "1 waiting run ends at once.",
    "1 run is asked to end. Its process is stopped where the grace period of the pool passes.",
    "3 unfinished runs below them end, too.",
  ]);
});

it("copies one command, or a loop", () => {
  expect(actCommand("retry", [run(RunState.FAILED)], "it's late", ["load[1]"])).toBe(`towpath run retry ab12 --from 'load[1]' --message 'it'\\''s late'`);
  expect(actCommand("delete", [run(RunState.FAILED), run(RunState.FAILED, "", "cd34")])).toBe("towpath run delete ab12 cd34");
  expect(actCommand("cancel", [run(RunState.RUNNING), run(RunState.RUNNING, "", "cd34")])).toBe('for run in ab12 cd34; do towpath run cancel "$run"; done');
});
