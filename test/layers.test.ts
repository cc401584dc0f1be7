/**
 * The stairs: a folder imports only from floors below it, or from itself.
 * The floors are the table of docs/layers.md; the compiler keeps Node and the
 * DOM out of everything below hosts/ (tsconfig.core.json).
 */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";

const FLOORS: readonly (readonly string[])[] = [
  ["lib", "abi", "platform"],
  ["machine"],
  ["kern"],
  ["vm"],
  ["vfs", "ipc"],
  ["proc"],
  ["fs", "net", "dev"],
  ["syscall"],
  ["trap"],
  ["ddb", "prof", "boot"],
  ["index.ts"],
  ["hosts"],
  ["cli"],
];

const files = globSync("src/**/*.ts");

function floorOf(path: string): number {
  const folder = path.split("/")[1]!;
  const floor = FLOORS.findIndex((names) => names.includes(folder));
  assert.notEqual(floor, -1, `${path} is on no floor`);
  return floor;
}

function importsOf(path: string): string[] {
  const source = readFileSync(path, "utf8");
  const specifiers = source.matchAll(
    /^(?:import|export)\b[^;"=]*?\bfrom "([^"]+)"|^import "([^"]+)"|\bimport\("([^"]+)"\)/gm,
  );
  return [...specifiers].map((m) => (m[1] ?? m[2] ?? m[3])!);
}

function isAllowed(from: string, to: string): boolean {
  const folder = (path: string): string => path.split("/")[1]!;
  if (folder(from) === folder(to)) return true;
  // abi may use lib; ddb and prof may be used by boot, which is the only one that starts them.
  if (folder(from) === "abi" && folder(to) === "lib") return true;
  if (folder(from) === "boot" && ["ddb", "prof"].includes(folder(to))) return true;
  return floorOf(to) < floorOf(from);
}

test("every import goes downstairs", () => {
  assert.ok(files.length > 50);
  const wrong: string[] = [];
  for (const file of files) {
    for (const spec of importsOf(file)) {
      if (!spec.startsWith(".")) continue;
      const target = normalize(join(dirname(file), spec));
      if (!isAllowed(file, target)) wrong.push(`${file} → ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("nothing below hosts/ imports a package or a Node module", () => {
  const wrong: string[] = [];
  for (const file of files) {
    if (floorOf(file) >= FLOORS.findIndex((names) => names.includes("hosts"))) continue;
    for (const spec of importsOf(file)) {
      if (!spec.startsWith(".")) wrong.push(`${file} → ${spec}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("no file of code is longer than 800 lines", () => {
  const long = files.filter((f) => readFileSync(f, "utf8").split("\n").length > 800);
  assert.deepEqual(long, []);
});
