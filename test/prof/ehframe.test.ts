/** How to leave a function, as readelf(1) interprets the same tables. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { S0, SP } from "../../src/prof/callframe.ts";
import { EhFrame } from "../../src/prof/ehframe.ts";
import { ElfLayout } from "../../src/prof/elflayout.ts";
import { hasCrossCompiler } from "../harness/cc.ts";
import { BytesSource, hotProgram, LIBC, tool } from "./guest.ts";

const canRun = hasCrossCompiler() && existsSync(LIBC);

/** Compares every row that readelf prints; how many there were. */
function compare(path: string): number {
  const file = new BytesSource(readFileSync(path));
  const frames = EhFrame.read(file, ElfLayout.read(file)!)!;
  let rows = 0;
  let columns: string[] = [];
  let start = -1;
  for (const line of tool("readelf", ["--debug-dump=frames-interp", path]).split("\n")) {
    const fde = /FDE .* pc=([0-9a-f]+)\.\./.exec(line);
    const cells = line.trim().split(/\s+/);
    if (fde || line.includes(" CIE ")) {
      start = fde ? Number.parseInt(fde[1]!, 16) : -1;
      // An entry without instructions has no rows of its own.
      columns = [];
    } else if (cells[0] === "LOC") {
      columns = cells;
    } else if (start >= 0 && columns.length > 0 && /^[0-9a-f]{16}$/.test(cells[0]!)) {
      const vaddr = Number.parseInt(cells[0]!, 16);
      const cell = (name: string): string => cells[columns.indexOf(name)] ?? "u";
      const rule = frames.ruleAt(vaddr);
      const cfa = /^(sp|s0)\+(\d+)$/.exec(cells[1]!);
      // Rules that are expressions, or keep ra in another register, are not followed.
      if (!cfa || /^(r\d|exp|vexp)/.test(cell("ra") + cell("s0"))) continue;
      rows++;
      assert.ok(rule, `${path} ${cells[0]}`);
      const expected = {
        functionStart: start,
        cfaRegister: cfa[1] === "sp" ? SP : S0,
        cfaOffset: Number(cfa[2]),
        ra: offsetOf(cell("ra")),
        s0: offsetOf(cell("s0")),
      };
      const { cfaRegister, cfaOffset, ra, s0 } = rule;
      const functionStart = frames.functionStart(vaddr);
      assert.deepEqual({ functionStart, cfaRegister, cfaOffset, ra, s0 }, expected, line);
    }
  }
  return rows;
}

/** "c-16" → -16; null for what was not saved. */
function offsetOf(cell: string): number | null {
  const saved = /^c([+-]\d+)$/.exec(cell);
  return saved ? Number(saved[1]) : null;
}

test("a library with an index", { skip: !canRun }, () => {
  assert.ok(compare(LIBC) > 300);
});

test("a static program, which has none", { skip: !canRun }, () => {
  assert.ok(compare(hotProgram()) > 300);
});
