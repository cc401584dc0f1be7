/**
 * CPython's own tests (Debian's libpython3.13-testsuite) in a guest, beside what the same release does
 * on Debian's Linux: docs/data/cpython-linux.tsv, recorded by `node tools/programs.ts --linux=ROOT`.
 *
 * A difference is a test that Linux passes and the guest does not. What only the guest has
 * (a zip program for test_shutil) is none.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CLI } from "../cli/cli.ts";
import { parseJunit, type TestResult } from "./junit.ts";

/** Which of regrtest's resources are offered: not sites of the Internet, gigabytes, or minutes of sums. */
const RESOURCES = "curses,network,subprocess,walltime";
const TIMEOUT_MS = 1_800_000;

export type Tests = ReadonlyMap<string, TestResult>;

/** A module on Linux: how many tests passed, and which did not. */
export interface LinuxModule {
  readonly seconds: number;
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export interface LinuxRecord {
  readonly system: string;
  readonly modules: Readonly<Record<string, LinuxModule>>;
}

export interface Difference {
  readonly test: string;
  readonly outcome: "failed" | "skipped" | "not run";
  readonly reason: string;
}

export interface Run {
  readonly tests: Tests;
  readonly seconds: number;
  /** What the tests said, for when there is no result. */
  readonly log: string;
}

export const LINUX = new URL("../../docs/data/cpython-linux.tsv", import.meta.url);

/**
 * Rows of the file: "system TEXT", "MODULE seconds N", "MODULE passed N", and "MODULE failed TEST" or
 * "MODULE skipped TEST" for each that did not pass; tabs between them.
 */
export function linuxRecord(): LinuxRecord {
  const rows = existsSync(LINUX) ? readFileSync(LINUX, "utf8").trimEnd().split("\n") : [];
  const modules: Record<string, LinuxModule> = {};
  let system = "";
  for (const [name, what, value] of rows.map((row) => row.split("\t"))) {
    if (name === "system") system = what!;
    else modules[name!] = withRow(modules[name!] ?? EMPTY, what!, value!);
  }
  return { system, modules };
}

const EMPTY: LinuxModule = { seconds: 0, passed: 0, failed: [], skipped: [] };

function withRow(m: LinuxModule, what: string, value: string): LinuxModule {
  if (what === "failed") return { ...m, failed: [...m.failed, value] };
  if (what === "skipped") return { ...m, skipped: [...m.skipped, value] };
  return { ...m, [what]: Number(value) };
}

export function writeLinuxRecord({ system, modules }: LinuxRecord): void {
  const rows = Object.entries(modules).flatMap(([name, m]) => [
    `${name}\tseconds\t${m.seconds}`,
    `${name}\tpassed\t${m.passed}`,
    ...m.failed.map((test) => `${name}\tfailed\t${test}`),
    ...m.skipped.map((test) => `${name}\tskipped\t${test}`),
  ]);
  writeFileSync(LINUX, `${[`system\t${system}`, ...rows].join("\n")}\n`);
}

/** Runs modules in a fresh guest; `dir` is an empty directory of the host's, to pass the results in. */
export function runInGuest(image: string, modules: readonly string[], dir: string): Run {
  const share = ["--volume", `${dir}:/results`];
  const argv = [CLI, "run", "-m", "2g", ...share, image, "--", ...testCommand(modules)];
  return run(process.execPath, argv, dir);
}

/** The same in the root directory `root` of a Debian of this machine's architecture; needs root. */
export function runOnLinux(root: string, modules: readonly string[], dir: string): Run {
  const script = new URL("./linux.sh", import.meta.url).pathname;
  return run("sh", [script, root, dir, ...testCommand(modules)], dir);
}

function testCommand(modules: readonly string[]): readonly string[] {
  const line = `mkdir /tmp/t && cd /tmp/t && exec python3 -m test -u ${RESOURCES} --timeout 1200 --junit-xml /results/x.xml "$@"`;
  return ["sh", "-c", line, "sh", ...modules];
}

function run(command: string, args: readonly string[], dir: string): Run {
  const start = performance.now();
  const r = spawnSync(command, args, {
    input: "",
    encoding: "latin1",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
  });
  const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
  const xml = join(dir, "x.xml");
  const tests: Tests = existsSync(xml) ? parseJunit(readFileSync(xml, "utf8")) : new Map();
  return { tests, seconds, log: `${r.stdout}\n${r.stderr}` };
}

/** Where the guest did worse than Linux. `module` is the name that all its tests begin with. */
export function differences(tests: Tests, linux: LinuxModule): readonly Difference[] {
  const known = new Set([...linux.failed, ...linux.skipped]);
  const worse: Difference[] = [];
  for (const [test, { outcome, reason }] of tests) {
    if (outcome === "passed" || (outcome === "skipped" && known.has(test))) continue;
    if (!linux.failed.includes(test)) worse.push({ test, outcome, reason });
  }
  const missing = linux.passed + known.size - tests.size;
  if (missing > 0) {
    worse.push({ test: `${missing} tests`, outcome: "not run", reason: "they gave no result" });
  }
  return worse;
}

/** The tests of one module out of those of several. */
export function testsOf(tests: Tests, module: string): Tests {
  const prefix = new RegExp(`^(?:setUp\\w+|tearDown\\w+)?\\(?(?:test\\.)?${module}\\b`);
  return new Map([...tests].filter(([name]) => prefix.test(name)));
}

/** What is to be recorded of a module's run on Linux. */
export function linuxModule({ tests, seconds }: Run): LinuxModule {
  const named = (outcome: string): string[] =>
    [...tests].filter(([, t]) => t.outcome === outcome).map(([name]) => name);
  return {
    seconds,
    passed: named("passed").length,
    failed: named("failed").sort(),
    skipped: named("skipped").sort(),
  };
}
