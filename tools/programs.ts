/**
 * Runs CPython's own tests and stress-ng in guests, and writes docs/programs.md.
 *
 *   node tools/programs.ts                      writes the page again
 *   node tools/programs.ts --cpython[=NAME,…]   runs modules of CPython's tests first, all or these
 *   node tools/programs.ts --stress[=NAME,…]    runs stress-ng's stressors first, all or these
 *   node tools/programs.ts --linux=ROOT         records instead what CPython's tests do in ROOT on this machine's
 *                                               Linux; debootstrap makes one:
 *     debootstrap --variant=minbase --include=python3,libpython3.13-testsuite,gcc,libc6-dev,netbase trixie ROOT
 *   options: --image=FILE   this image, not "programs", which is built if need be
 *            --logs=DIR     keeps there what the tests said
 *            --time=S       seconds for each stressor (10)
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { imagePath, vkernel } from "../test/cli/cli.ts";
import {
  differences,
  linuxModule,
  linuxRecord,
  type Run,
  runInGuest,
  runOnLinux,
  writeLinuxRecord,
} from "../test/programs/cpython.ts";
import { MODULES } from "../test/programs/modules.ts";
import { runStressor, STRESSORS } from "../test/programs/stressng.ts";
import {
  CPYTHON,
  type ModuleResult,
  PAGE,
  page,
  readIfThere,
  STRESS,
  type StressResult,
} from "./programspage.ts";

const IMAGE = "programs";

/** What the programs need beyond the packages of `debian`. */
const PACKAGES = [
  ...["gcc", "gdb", "git", "libc6-dev", "libpython3.13-testsuite", "make"],
  ...["openssl", "strace", "stress-ng", "unzip", "zip"],
];

function main(): void {
  const text = { type: "string" } as const;
  const options = {
    ...{ cpython: text, stress: text, linux: text },
    ...{ image: text, logs: text, time: text },
  };
  const args = process.argv
    .slice(2)
    .map((arg) => (arg === "--cpython" || arg === "--stress" ? `${arg}=` : arg));
  const { values } = parseArgs({ args, options });
  const image = (): string => values.image ?? builtImage();
  if (values.linux !== undefined) recordLinux(values.linux, values.logs, values.cpython ?? "");
  else if (values.cpython !== undefined) runCpython(image(), values.logs, values.cpython);
  if (values.stress !== undefined) runStress(image(), Number(values.time ?? 10), values.stress);
  writeFileSync(PAGE, page());
}

function builtImage(): string {
  const include = ["--from", "debian", "--include", PACKAGES.join(",")];
  const r = vkernel(["image", "build", IMAGE, ...include, "--size", "4G", "--compile-python"]);
  if (r.status !== 0) throw new Error(r.stderr);
  return imagePath(IMAGE);
}

function recordLinux(root: string, logs: string | undefined, only: string): void {
  const release = readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
  const debian = readFileSync(join(root, "etc/debian_version"), "utf8").trim();
  const system = `Debian ${debian} on ${process.arch}, Linux ${release}`;
  const modules = { ...linuxRecord().modules };
  for (const module of chosen(MODULES, only)) {
    const run = inScratch((dir) => runOnLinux(root, [module], dir));
    modules[module] = linuxModule(run);
    tell(logs, module, run, `${modules[module].passed} passed`);
    writeLinuxRecord({ system, modules });
  }
}

function runCpython(image: string, logs: string | undefined, only: string): void {
  const linux = linuxRecord().modules;
  for (const module of chosen(MODULES, only)) {
    const run = inScratch((dir) => runInGuest(image, [module], dir));
    const { passed, failed, skipped } = linuxModule(run);
    const result: ModuleResult = {
      name: module,
      passed,
      failed: failed.length,
      skipped: skipped.length,
      seconds: run.seconds,
      differences: differences(run.tests, linux[module]!),
    };
    tell(logs, module, run, `${passed} passed, ${result.differences.length} differences`);
    writeJson(CPYTHON, merged(readIfThere<ModuleResult>(CPYTHON), result, MODULES));
  }
}

function runStress(image: string, seconds: number, only: string): void {
  for (const stressor of chosen(STRESSORS, only)) {
    const result: StressResult = {
      name: stressor,
      seconds,
      ...runStressor(image, stressor, seconds),
    };
    process.stderr.write(`${stressor}: ${result.outcome} ${result.reason}\n`);
    writeJson(STRESS, merged(readIfThere<StressResult>(STRESS), result, STRESSORS));
  }
}

/** The results with this one in its place, in the order of `names`. */
function merged<T extends { readonly name: string }>(
  before: readonly T[],
  result: T,
  names: readonly string[],
): readonly T[] {
  const all = new Map([...before, result].map((r) => [r.name, r]));
  return names.flatMap((name) => all.get(name) ?? []);
}

function chosen(all: readonly string[], only: string): readonly string[] {
  if (only === "") return all;
  const names = only.split(",");
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`not in the list: ${unknown.join(" ")}`);
  return names;
}

function inScratch(body: (dir: string) => Run): Run {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-programs-"));
  try {
    return body(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function tell(logs: string | undefined, name: string, run: Run, outcome: string): void {
  process.stderr.write(`${name}: ${outcome} (${run.seconds} s)\n`);
  if (logs === undefined) return;
  mkdirSync(logs, { recursive: true });
  writeFileSync(join(logs, `${name}.log`), run.log, "latin1");
}

function writeJson(file: URL, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

main();
