/** Symbols by address, as nm(1) and readelf(1) tell them; and damaged files. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ElfLayout } from "../../src/prof/elflayout.ts";
import { Image } from "../../src/prof/images.ts";
import { Symbols } from "../../src/prof/symbols.ts";
import { hasCrossCompiler } from "../harness/cc.ts";
import { BytesSource, hotProgram, LIBC, tool } from "./guest.ts";

interface Known {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

const canRun = hasCrossCompiler() && existsSync(LIBC);

/** The functions with a size that readelf shows in `table`. */
function functionsOf(path: string, table: ".symtab" | ".dynsym"): Known[] {
  const lines = tool("readelf", ["-sW", path]).split("\n");
  const from = lines.findIndex((l) => l.includes(`'${table}'`));
  const known: Known[] = [];
  for (const line of lines.slice(from + 1)) {
    if (line.startsWith("Symbol table")) break;
    const [, value, size, type, , , section, name] = line.trim().split(/\s+/);
    if ((type !== "FUNC" && type !== "IFUNC") || section === "UND" || !name) continue;
    if (Number(size) === 0) continue;
    const plain = name.replace(/@.*/, "");
    known.push({ name: plain, start: Number.parseInt(value!, 16), size: Number(size) });
  }
  return known;
}

function agrees(path: string, table: ".symtab" | ".dynsym"): void {
  const file = new BytesSource(readFileSync(path));
  const symbols = Symbols.read(file, ElfLayout.read(file)!);
  const known = functionsOf(path, table);
  assert.ok(known.length > 100);
  const names = new Map<number, Set<string>>();
  for (const k of known) names.set(k.start, (names.get(k.start) ?? new Set()).add(k.name));
  for (const { name, start, size } of known) {
    const first = symbols.find(start);
    assert.ok(first && names.get(start)!.has(first.name), `${name}: ${first?.name}`);
    const last = symbols.find(start + size - 1);
    assert.ok(last, `the last byte of ${name}`);
    const covers = known.some(
      (k) =>
        k.name === last.name && k.start === last.start && last.start + k.size > start + size - 1,
    );
    assert.ok(covers, `the last byte of ${name} is in ${last.name}`);
  }
}

test("a program's functions, from .symtab", { skip: !canRun }, () => {
  agrees(hotProgram(), ".symtab");
});

test("a stripped library's functions, from .dynsym", { skip: !canRun }, () => {
  agrees(LIBC, ".dynsym");
});

test("between functions there is nothing", { skip: !canRun }, () => {
  const file = new BytesSource(readFileSync(LIBC));
  const symbols = Symbols.read(file, ElfLayout.read(file)!);
  assert.equal(symbols.find(0), null);
  assert.equal(symbols.find(2 ** 40), null);
});

test("a stripped program's places are called by file and function", { skip: !canRun }, () => {
  const path = hotProgram(["-s", "-static"]);
  const hot = functionsOf(hotProgram(), ".symtab").find((k) => k.name === "hot")!;
  const image = new Image("prog", "", new BytesSource(readFileSync(path)));
  assert.equal(image.describe(hot.start + 6), `prog+0x${hot.start.toString(16)}`);
  const whole = new Image("prog", "", new BytesSource(readFileSync(hotProgram())));
  assert.equal(whole.describe(hot.start + 6), "hot (prog)");
});

test("damaged files end in fewer names, never in an exception or a long wait", {
  skip: !canRun,
}, () => {
  const bytes = readFileSync(hotProgram());
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const sections = Number(view.getBigUint64(40, true));
  const layout = ElfLayout.read(new BytesSource(bytes))!;
  const frames = layout.extentAt(layout.ehFrame!.vaddr)!.offset;
  let state = 1;
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state % n;
  };
  const begin = performance.now();
  for (let round = 0; round < 300; round++) {
    const damaged = Uint8Array.from(bytes);
    for (let k = 0; k < 1 + random(8); k++) {
      const place = [random(64), 64 + random(600), sections + random(2000), frames + random(4000)];
      const at = place[random(4)]!;
      damaged[at] = [0, 0xff, 0x7f, random(256)][random(4)]!;
    }
    const length = random(8) === 0 ? random(damaged.length) : damaged.length;
    const image = new Image("x", "", new BytesSource(damaged.subarray(0, length)));
    for (let k = 0; k < 50; k++) {
      const vaddr = 0x10000 + random(0x60000);
      image.describe(vaddr);
      image.frames?.ruleAt(vaddr);
      image.vaddrOf(vaddr);
    }
  }
  assert.ok(performance.now() - begin < 60_000);
});
