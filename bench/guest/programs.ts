/**
 * Debian's own programs: natively where this host has them, under qemu-riscv64 and in a vkernel, interleaved in one run.
 *
 *   node bench/guest/programs.ts [--rounds N] [--json FILE] [--image FILE|NAME] [--root DIR] [--cli FILE] [NAME…]
 *
 * Without --image the named image "bench" is built first. qemu runs the same files, extracted from the image
 * (or from --root, if they are there already); QEMU_RISCV64 may name it. vkernel's time is that of the whole
 * command: Node.js, boot, program; every rival runs once before anything counts, and vkernel also runs without what it
 * keeps from earlier runs. All get the same input, directory and environment. What qemu and vkernel
 * print must be equal to the byte; native programs are other versions, and those that print something else
 * are marked.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { findImage, findQemu, treeOf } from "./image.ts";
import { geomean, median, printTable, type Samples } from "./table.ts";
import { WORKLOADS, type Workload } from "./workloads.ts";

const RIVALS = ["native", "qemu", "vkernel"] as const;
/** vkernel without the translations that earlier runs left: as on the first day. */
const FIRST = "first run";
type Rival = (typeof RIVALS)[number] | typeof FIRST;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
    image: { type: "string" },
    root: { type: "string" },
    cli: {
      type: "string",
      default: new URL("../../dist/cli/vkernel.js", import.meta.url).pathname,
    },
  },
});
const qemu = findQemu();
const image = findImage(values.cli, values.image);
const root = values.root ?? treeOf(image);
const scratch = mkdtempSync(join(tmpdir(), "vkernel-bench-"));
/** Else Python leaves its compiled library in qemu's tree, and is faster the next time. */
const ENV = { HOME: "/root", PYTHONDONTWRITEBYTECODE: "1" };
const PATH = process.env["PATH"] ?? "";
const OFF = { VKERNEL_TRANSLATIONS: "off" };
/** A cache directory of our own: it begins empty. */
const translations = join(scratch, "cache");

const wall: Samples = new Map();
const cpu: Samples = new Map();
const versions = new Map<string, { native: string | null; guest: string }>();
/** Workloads whose native output is another. */
const differing = new Set<string>();

const chosen = WORKLOADS.filter(
  (w) =>
    (positionals.length === 0 || positionals.some((p) => w.name.includes(p))) &&
    existsSync(join(root, w.program)),
);
try {
  for (const w of chosen) versions.set(w.name, versionsOf(w));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const w of chosen) runAll(w, round === 0);
  }
} finally {
  rmSync(scratch, { recursive: true });
}
report();

/** One round of one workload: all rivals, one after the other; before the first, caches of all sorts get warm. */
function runAll(w: Workload, isFirst: boolean): void {
  const outputs = new Map<Rival, string>();
  for (const rival of [...RIVALS, FIRST] as const) {
    const argv = commandOf(w, rival);
    if (argv && isFirst && rival !== FIRST) measure(w, rival, argv, false);
    if (argv) outputs.set(rival, measure(w, rival, argv));
  }
  if (outputs.get("qemu") !== outputs.get("vkernel")) {
    throw new Error(`${w.name}: qemu and vkernel print different things`);
  }
  const native = outputs.get("native");
  if (native && native !== outputs.get("qemu")) differing.add(w.name);
}

/** The command line of a workload; null where this host lacks the program. */
function commandOf(w: Workload, rival: Rival): readonly string[] | null {
  switch (rival) {
    case "native": {
      const program = nativeProgram(w);
      return program === null ? null : repeated(w, [program, ...w.args]);
    }
    case "qemu":
      return repeated(w, [qemu, "-L", root, join(root, w.program), ...w.args]);
    case FIRST:
    case "vkernel": {
      const options = Object.entries(ENV).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
      if (w.cwd) options.push("-w", w.cwd);
      const guest = repeated(w, [w.program, ...w.args]);
      return [process.execPath, values.cli, "run", "-m", "512m", ...options, image, "--", ...guest];
    }
  }
}

function repeated(w: Workload, argv: readonly string[]): readonly string[] {
  if (w.times === undefined) return argv;
  const loop = `i=0; while [ $i -lt ${w.times} ]; do "$@"; i=$((i+1)); done`;
  return ["/bin/sh", "-c", loop, "sh", ...argv];
}

/** Where this host has the program; what stands in PATH may be a script that finds another. */
function nativeProgram(w: Workload): string | null {
  const name = basename(w.program);
  const say = (file: string, ...args: string[]): string | null => {
    const path = spawnSync(file, args, { encoding: "utf8" }).stdout?.trim();
    return path && existsSync(path) ? path : null;
  };
  if (name === "cc1") return say("gcc", "-print-prog-name=cc1");
  if (name === "python3") return say("python3", "-c", "import sys; print(sys.executable)");
  return (
    PATH.split(":")
      .map((dir) => join(dir, name))
      .find(existsSync) ?? null
  );
}

/** Runs it, notes its times; the hash of what it printed. */
function measure(w: Workload, rival: Rival, argv: readonly string[], isCounted = true): string {
  const times = join(scratch, "times");
  const started = performance.now();
  const r = spawnSync("/usr/bin/time", ["-f", "%U %S", "-o", times, ...argv], {
    cwd: join(root, w.cwd ?? "/"),
    input: w.stdin ?? "",
    maxBuffer: 1 << 28,
    env: { PATH, ...ENV, XDG_CACHE_HOME: translations, ...(rival === FIRST && OFF) },
  });
  const seconds = (performance.now() - started) / 1000;
  // git diff --no-index tells by status 1 that there are differences.
  if (r.status === null || r.status > 1) throw new Error(`${w.name} (${rival}): ${r.stderr}`);
  const last = readFileSync(times, "utf8").trim().split("\n").at(-1)!;
  const [user, system] = last.split(" ").map(Number) as [number, number];
  if (isCounted) {
    note(wall, w.name, rival, seconds);
    note(cpu, w.name, rival, user + system);
  }
  return createHash("sha256").update(r.stdout).digest("hex");
}

function note(into: Samples, name: string, rival: string, value: number): void {
  const byRival = into.get(name) ?? new Map<string, number[]>();
  into.set(name, byRival);
  byRival.set(rival, [...(byRival.get(rival) ?? []), value]);
}

/** The first line in which each program names its version. */
function versionsOf(w: Workload): { native: string | null; guest: string } {
  const ask = (argv: readonly string[]): string => {
    const [file, ...args] = [...argv, ...(w.version ?? ["--version"])];
    const r = spawnSync(file!, args, { encoding: "utf8", input: "" });
    return `${r.stdout}${r.stderr}`.trim().split("\n")[0]!;
  };
  const native = nativeProgram(w);
  const guest = ask([qemu, "-L", root, join(root, w.program)]);
  return { native: native && ask([native]), guest };
}

function report(): void {
  printTable("wall seconds", wall, RIVALS);
  printTable("CPU seconds", cpu, RIVALS);
  printTable("first run", wall, ["vkernel", FIRST]);
  const counted = chosen.filter((w) => !w.isExtra).map((w) => w.name);
  const speedup = geomean(
    counted.map(
      (name) => median(wall.get(name)!.get("qemu")!) / median(wall.get(name)!.get("vkernel")!),
    ),
  );
  console.log(`\nvkernel is ${speedup.toFixed(2)} times as fast as qemu-riscv64 by wall time:`);
  console.log(`geometric mean of ${counted.join(", ")}`);
  console.log("\nversions: native, guest (native programs that print something else are marked *)");
  for (const [name, { native, guest }] of versions) {
    console.log(`${differing.has(name) ? "*" : " "} ${name}: ${native ?? "none"}, ${guest}`);
  }
  if (!values.json) return;
  const workloads = chosen.map((w) => ({
    name: w.name,
    isCounted: !w.isExtra,
    sameOutputNatively: !differing.has(w.name),
    versions: versions.get(w.name),
    wall: mediansOf(wall, w.name),
    cpu: mediansOf(cpu, w.name),
  }));
  const json = { unit: "s", rounds: Number(values.rounds), speedup, workloads };
  writeFileSync(values.json, `${JSON.stringify(json, null, 2)}\n`);
}

function mediansOf(from: Samples, name: string): Record<string, number> {
  return Object.fromEntries([...from.get(name)!].map(([rival, list]) => [rival, median(list)]));
}
