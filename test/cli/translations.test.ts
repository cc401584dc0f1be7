/** Translations that are kept in the cache directory, as the command's user meets them. */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { openTranslations } from "../../src/hosts/node/translations.ts";
import type { TranslationStore } from "../../src/platform/translations.ts";
import { imageOf, scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

const FUNCTIONS = 16;
const functions = Array.from(
  { length: FUNCTIONS },
  (_, i) => `
__attribute__((noipa)) unsigned f${i}(unsigned n) {
  unsigned x = ${i};
  for (unsigned i = 0; i < n; i++) x = (x * 1664525u + ${i}) ^ (x >> 3);
  return x;
}`,
).join("\n");
const image = imageOf(dir, {
  work: `#include <stdio.h>
${functions}
int main(void) {
  unsigned (*const all[])(unsigned) = {${Array.from({ length: FUNCTIONS }, (_, i) => `f${i}`)}};
  unsigned sum = 0;
  for (int k = 0; k < 50; k++)
    for (int i = 0; i < ${FUNCTIONS}; i++) sum = sum * 31 + all[i](1000 + k);
  printf("%u\\n", sum);
  return 0;
}`,
});

const cache = join(dir, "cache");
const builds = join(cache, "vkernel", "translations");
const before = { ...process.env };
beforeEach(() => {
  rmSync(cache, { recursive: true, force: true });
  delete process.env["VKERNEL_TRANSLATIONS"];
  process.env["XDG_CACHE_HOME"] = cache;
});
after(() => Object.assign(process.env, before));

interface Ran {
  readonly stdout: string;
  readonly restored: number;
  readonly made: number;
}

function work(): Ran {
  const r = vkernel(["run", "-v", image, "--", "/work"]);
  assert.equal(r.status, 0, r.stderr);
  const count = (name: string): number =>
    Number(new RegExp(`machdep\\.jit\\.${name} +(\\d+)`).exec(r.stderr)?.[1]);
  return { stdout: r.stdout, restored: count("regions_restored"), made: count("regions_made") };
}

/** Leaves segments of these sizes in one store after the other. */
function leave(open: () => TranslationStore, sizes: readonly number[]): void {
  for (const size of sizes) {
    const store = open();
    assert.equal(store.append(new Uint8Array(size)), 0);
    store.finish(true, []);
    nextMillisecond();
  }
}

/** Names tell stores of one thread apart by that. */
function nextMillisecond(): void {
  for (const now = Date.now(); Date.now() === now; );
}

test("what was made last is found first", () => {
  const program = join(dir, "program");
  writeFileSync(program, "");
  const open = () => openTranslations(program, { XDG_CACHE_HOME: cache })!;
  leave(open, [1, 2, 3, 4, 5]);
  const store = open();
  assert.deepEqual(
    store.segments.map((s) => s.sizeBytes),
    [5, 4, 3, 2, 1],
  );
  store.finish(false, []);
});

test("a segment of which something was read was used, whatever its machine leaves; what was merged goes", () => {
  const program = join(dir, "program");
  writeFileSync(program, "");
  const open = () => openTranslations(program, { XDG_CACHE_HOME: cache })!;
  leave(open, [100, 200, 300]);
  const files = (): string[] => segments().sort();
  const paths = files().map((name) => join(build(), name));
  const [first, , third] = paths as [string, string, string];
  const longAgo = new Date(0);
  for (const path of paths) utimesSync(path, longAgo, longAgo);
  const store = open();
  // Its index takes two; the newest is the first.
  for (let i = 0; i < 3; i++) assert.equal(store.segments[0]!.read(0, new Uint8Array(8)), 0);
  for (let i = 0; i < 2; i++) assert.equal(store.segments[2]!.read(0, new Uint8Array(8)), 0);
  store.finish(false, []);
  assert.ok(Date.now() - statSync(third).mtimeMs < 60_000);
  assert.equal(statSync(first).mtimeMs, 0);

  const merging = open();
  merging.append(new Uint8Array(1));
  merging.finish(true, merging.segments.slice(1));
  const sizes = files().map((name) => statSync(join(build(), name)).size);
  assert.deepEqual(sizes, [300, 1]);
});

test("two machines that merge the same segments at once lose nothing of what they made", () => {
  const program = join(dir, "program");
  writeFileSync(program, "");
  const open = () => openTranslations(program, { XDG_CACHE_HOME: cache })!;
  leave(open, [100, 200, 300]);
  const one = open();
  nextMillisecond();
  const other = open();
  assert.deepEqual([one.append(new Uint8Array(1)), other.append(new Uint8Array(2))], [0, 0]);
  for (const store of [one, other]) store.finish(true, store.segments);
  const sizes = segments().map((name) => statSync(join(build(), name)).size);
  assert.deepEqual(sizes.sort(), [1, 2]);
});

test("a store whose directory is gone leaves nothing open", () => {
  const program = join(dir, "program");
  writeFileSync(program, "");
  const open = () => openTranslations(program, { XDG_CACHE_HOME: cache })!;
  leave(open, [100, 200]);
  const openFiles = (): number => readdirSync("/proc/self/fd").length;
  const before = openFiles();
  const store = open();
  store.append(new Uint8Array(1));
  assert.equal(openFiles(), before + 3);
  rmSync(builds, { recursive: true });
  store.finish(true, []);
  assert.equal(openFiles(), before);
});

/** The directory of this build, the only one. */
const build = (): string => join(builds, readdirSync(builds)[0]!);
const segments = (): string[] => readdirSync(build()).filter((name) => name.endsWith(".seg"));

test("the second run has the first one's translations, and the same result", () => {
  const first = work();
  const second = work();
  assert.equal(first.restored, 0);
  assert.ok(second.restored >= FUNCTIONS, `${second.restored} restored`);
  assert.equal(second.stdout, first.stdout);
  assert.ok(segments().length > 0);
  const others = readdirSync(build()).filter((name) => !name.endsWith(".seg"));
  assert.match(others.join(), /^runtime-[\w-]+\.wasm$/, "nothing is left half done");
});

test("VKERNEL_TRANSLATIONS=off keeps nothing", () => {
  process.env["VKERNEL_TRANSLATIONS"] = "off";
  assert.equal(work().restored, 0);
  assert.throws(() => readdirSync(builds), /ENOENT/);
});

test("a directory that others may write to is not believed", () => {
  work();
  chmodSync(build(), 0o777);
  assert.equal(work().restored, 0);
});

test("a damaged file costs its translations only", () => {
  const { stdout } = work();
  const file = join(build(), segments()[0]!);
  const bytes = readFileSync(file);
  for (let i = 1000; i < bytes.length - 1000; i += 97) bytes[i]! ^= 0x55;
  writeFileSync(file, bytes);
  assert.equal(work().stdout, stdout);
  writeFileSync(file, bytes.subarray(0, bytes.length / 2));
  assert.equal(work().stdout, stdout);
});

test("a damaged compiled kernel is made anew", () => {
  const { stdout } = work();
  const compiled = join(cache, "vkernel", "compiled");
  const file = join(compiled, readdirSync(compiled)[0]!, "kernel.v8");
  const whole = readFileSync(file);
  const bytes = Buffer.from(whole);
  for (let i = 1000; i < bytes.length; i += 9973) bytes[i]! ^= 0x55;
  for (const damaged of [bytes, whole.subarray(0, 100_000), whole.subarray(0, 2)]) {
    writeFileSync(file, damaged);
    assert.equal(work().stdout, stdout);
    assert.ok(readFileSync(file).length > 1_000_000);
  }
});

test("where nothing can be written, things go on without", () => {
  mkdirSync(cache);
  writeFileSync(join(cache, "vkernel"), "a file");
  assert.equal(work().restored, 0);
});
