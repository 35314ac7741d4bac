import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { STATES } from "../src/states";
import { luminance } from "../src/timeline/ink";

const css = readFileSync(new URL("../src/theme/tokens.css", import.meta.url), "utf8");
const read = (block: string): Map<string, string> => new Map([...block.matchAll(/(--[\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
const blockAfter = (selector: string): string => css.slice(css.indexOf(selector)).split("}")[0];
const light = read(blockAfter(":root {"));
const system = read(blockAfter(':root:not([data-theme="light"])'));
const dark = read(blockAfter(':root[data-theme="dark"]'));

function contrast(one: string, other: string): number {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}

it("has the same dark theme for the system's choice and for the reader's", () => {
  expect([...system]).toEqual([...dark]);
});

describe.each([["light", light], ["dark", dark]])("the %s theme", (_, tokens) => {
  const token = (name: string): string => tokens.get(name) ?? "";
  const grounds = ["--surface", "--hover", "--page"];

  it.each(["--text", "--muted", "--accent"])("can be read: %s", (name) => {
    for (const ground of grounds) expect(contrast(token(name), token(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.values(STATES).map((state) => state.key))("shows %s on every ground", (key) => {
    expect(contrast(token(`--t-${key}`), token("--surface"))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(token(`--t-${key}`), token("--hover"))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(token(`--s-${key}`), token("--surface"))).toBeGreaterThanOrEqual(3);
  });
});
