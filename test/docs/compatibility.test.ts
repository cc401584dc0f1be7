/** docs/compatibility.md is what the declarations and the data say now. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { buildTable } from "../../src/syscall/table.ts";
import { page, readResults, syscallRows } from "../../tools/compatibilitypage.ts";
import { readCorpus } from "../commands/corpus.ts";

test("every declared system call is in the data by its number and name", () => {
  const names = new Map(syscallRows().map((r) => [r.number, r.name]));
  for (const [number, call] of buildTable().entries()) {
    if (call) assert.equal(names.get(number), call.name);
  }
});

test("no system call is said to answer an errno and to be undeclared at once", () => {
  const table = buildTable();
  const wrong = syscallRows().filter((r) => r.answer === "ENOSYS" && table[r.number] !== undefined);
  assert.deepEqual(
    wrong.map((r) => r.name),
    [],
  );
});

test("every command of the corpus has a result", () => {
  assert.deepEqual(
    readResults().map((r) => r.name),
    readCorpus().map((c) => c.name),
  );
});

test("the committed page is up to date: node tools/compatibility.ts", () => {
  const committed = readFileSync(new URL("../../docs/compatibility.md", import.meta.url), "utf8");
  assert.equal(committed, page());
});
