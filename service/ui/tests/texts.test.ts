import { describe, expect, it } from "vitest";
import { runDeploymentCommand, runsCommand } from "../src/commands";
import { count, prettyJson, span, typeName, userFrame } from "../src/format";
import { textFilter } from "../src/pages/filters";
import { argumentsOf, fieldsOf, valueOf } from "../src/pages/schema";
import { plainLine } from "../src/parts/ansi";
import { uuid } from "../src/live/timeline";

it.each([[NaN, ""], [0.4, "<1 ms"], [81, "81 ms"], [4200, "4.20 s"], [12_340, "12.3 s"], [185e3, "3m 05s"], [7_500e3, "2h 05m"], [200_000e3, "2d 7h"]])("shows %d ms", (time, text) => {
  expect(span(time)).toBe(text);
});

it("shows numbers so that they can be read", () => {
  expect([count(9_990), count(1_234_567), typeName("builtins.ValueError")]).toEqual(["9,990", "1.2M", "ValueError"]);
  expect(prettyJson('{"a":1}')).toBe('{\n  "a": 1\n}');
  expect(prettyJson("no json")).toBe("no json");
});

describe("the user's line of a stack trace", () => {
  const TRACE = [
    'Traceback (most recent call last):',
    '  File "/x/towpath/_engine/attempts.py", line 8, in run', "    self.call()",
    '  File "/home/ada/flows/orders.py", line 31, in load', "    raise ValueError(path)",
    '  File "/v/site-packages/pandas/io.py", line 9, in read', "    fail()", "ValueError: x",
  ].join("\n");

  it("is the innermost one outside Towpath and packages", () => {
    expect(userFrame(TRACE)).toEqual({ place: "flows/orders.py:31 in load", code: "raise ValueError(path)" });
  });

  it("is none without such a frame", () => {
    expect(userFrame("ValueError: x")).toBeNull();
  });
});

it("replaces marks that turn text, and drops colours of terminals", () => {
  expect(plainLine("\u001b[31mred\u001b[0m", 99)).toBe("red");
  expect(plainLine("a\u202etxt.exe", 99)).toBe("a�txt.exe");
  expect(plainLine("one\n\ttwo", 99)).toBe("one two");
  expect(plainLine("x".repeat(20), 10)).toBe(`${"x".repeat(10)}…`);
});

it("filters by what a text means", () => {
  expect(textFilter("nightly")).toBe('display_name : "nightly*"');
  expect(textFilter("attempt > 1")).toBe("(attempt > 1)");
  expect(textFilter("v53bb3y6")).toBe('(short_id = "v53bb3y6" OR display_name : "v53bb3y6*")');
  expect(textFilter('say "hi"')).toBe('display_name : "say \\"hi\\"*"');
});

it("reads ids from bytes", () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(uuid(bytes, 16)).toBe("10111213-1415-1617-1819-1a1b1c1d1e1f");
});

describe("the form of parameters", () => {
  const SCHEMA = JSON.stringify({
    properties: {
      day: { type: "string" }, parts: { type: "integer", default: 3 }, fast: { type: "boolean", default: false },
      mode: { enum: ["full", "delta"], default: "full" }, rows: { type: "array" }, note: { anyOf: [{ type: "string" }, { type: "null" }] },
    },
    required: ["day"],
  });
  const fields = fieldsOf(SCHEMA, { parts: 5 }) ?? [];

  it("has a field for each parameter, with the deployment's values", () => {
    expect(fields.map((field) => [field.name, field.kind, field.initial, field.required])).toEqual([
      ["day", "text", "", true], ["parts", "whole", "5", false], ["fast", "flag", "false", false],
      ["mode", "choice", "full", false], ["rows", "json", "", false], ["note", "text", "", false],
    ]);
  });

  it("gives the values that were changed", () => {
    expect(argumentsOf(fields, { day: "monday", parts: "7", fast: "true", rows: "[1]" })).toEqual({ day: "monday", parts: 7, fast: true, rows: [1] });
  });

  it("says what is wrong with a value", () => {
    expect(() => argumentsOf(fields, {})).toThrow("day is required");
    expect(() => valueOf(fields[1], "1.5")).toThrow("whole number");
    expect(() => valueOf(fields[4], "[")).toThrow("must be JSON");
  });

  it("has no fields without a schema", () => {
    expect(fieldsOf("", {})).toBeNull();
  });
});

it("copies the filters of runs as a command", () => {
  expect(runsCommand({}, "24h")).toBe("towpath run ls --since 24h");
  expect(runsCommand({ kind: "task", state: "failed,timed-out", flow: "odd $(x)" }, "all")).toBe("towpath run ls --kind task --state FAILED --state TIMED_OUT --flow 'odd $(x)'");
});

it("copies a run of a deployment with arguments that a shell and the command read as they are", () => {
  const values = { day: "2026-01-02", n: 4, code: "4", zip: "007", note: "it's \"so\"", list: [1, "a b"], same: true };
  expect(runDeploymentCommand("orders/nightly", values, { same: true }, new Set(["zip"]))).toBe(
    `towpath deployment run orders/nightly --param day=2026-01-02 --param n=4 --param 'code="4"' --param zip=007 --param 'note=it'\\''s "so"' --param 'list=[1,"a b"]'`,
  );
});
