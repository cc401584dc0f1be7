/** docs/programs.md is what the data say now, and nothing in it is left unexplained. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  CPYTHON,
  explained,
  type ModuleResult,
  PAGE,
  page,
  readIfThere,
  STRESS,
  type StressResult,
} from "../../tools/programspage.ts";
import { linuxRecord } from "../programs/cpython.ts";
import { MODULES } from "../programs/modules.ts";
import { STRESSORS } from "../programs/stressng.ts";

test("the committed page is up to date: node tools/programs.ts", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});

test("every module has results of Linux; those of guests are of these modules", () => {
  assert.deepEqual(Object.keys(linuxRecord().modules).sort(), [...MODULES].sort());
  const run = readIfThere<ModuleResult>(CPYTHON).map((r) => r.name);
  assert.deepEqual(
    run,
    MODULES.filter((name) => run.includes(name)),
  );
});

test("every stressor has a result", () => {
  const run = readIfThere<StressResult>(STRESS).map((r) => r.name);
  assert.deepEqual(run, STRESSORS);
});

test("every difference has its reason in docs/data/programs-explained.tsv", () => {
  const tests = readIfThere<ModuleResult>(CPYTHON).flatMap((r) => r.differences.map((d) => d.test));
  const stressors = readIfThere<StressResult>(STRESS)
    .filter((r) => r.outcome !== "passed")
    .map((r) => `stress-ng ${r.name}`);
  const unexplained = [...tests, ...stressors].filter((name) => explained(name) === undefined);
  assert.deepEqual(unexplained, []);
});
