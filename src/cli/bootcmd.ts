/**
 * `vkernel -R root.img …`: boots a machine from disks and lives until it halts. See vkernel(7).
 */
import type { Worker } from "node:worker_threads";
import { sendKernel } from "../hosts/node/kernelfiles.ts";
import type { LaunchOutcome } from "../hosts/node/launch.ts";
import type { DiskSpec, MachineSpec, ShareSpec } from "../hosts/node/machinespec.ts";
import { startWorker } from "../hosts/node/startworker.ts";
import { checkCount, type DiskLetter, parseDisk } from "./diskoptions.ts";
import { claimDisks, findImage } from "./disks.ts";
import { EX_NOINPUT, EX_OK, EX_OSERR, EX_PANIC, EX_USAGE } from "./exitcodes.ts";
import { getopt } from "./getopt.ts";
import { launchObserved } from "./observed.ts";
import { claimPidfile } from "./pidfile.ts";
import { answer, complain } from "./report.ts";
import { parseSize } from "./size.ts";
import { usage } from "./usage.ts";
import { addVolume, checkVolumes } from "./volumes.ts";

export const DEFAULT_MEMORY = 256 * 2 ** 20;
const MIN_MEMORY = 16 * 2 ** 20;
const MAX_MEMORY = 3.5 * 2 ** 30;

interface BootOptions {
  memoryBytes: number;
  readonly disks: DiskSpec[];
  readonly kenv: Map<string, string>;
  isVerbose: boolean;
  isSingleUser: boolean;
  pidfile: string | null;
  profile: string | null;
  readonly shares: ShareSpec[];
}

/** `early`: a Worker that loads the kernel already. */
export async function bootCommand(
  argv: readonly string[],
  early: Worker | null = null,
): Promise<number> {
  const o = parseBootOptions(argv);
  if (o === "help") {
    answer(usage);
    return EX_OK;
  }
  if (typeof o === "string") {
    complain(`${o} (vkernel -h for help)`);
    return EX_USAGE;
  }
  if (o.disks.length === 0) {
    complain("no root disk: name one with -r, -R or -c (vkernel -h for help)");
    return EX_USAGE;
  }
  // It loads the kernel while disks are looked at and locked.
  const worker = early ?? sendKernel(startWorker());
  const disks = o.disks.map(byName);
  const badDisk = checkVolumes(o.shares) ?? (await claimDisks(disks));
  if (badDisk) {
    complain(badDisk);
    return EX_NOINPUT;
  }
  const badPidfile = o.pidfile ? claimPidfile(o.pidfile) : null;
  if (badPidfile) {
    complain(badPidfile);
    return EX_OSERR;
  }
  return live(specOf(o, disks), o.profile, worker);
}

/** An image of `vkernel image ls` may be named to boot from, not to be changed. */
export function byName(d: DiskSpec): DiskSpec {
  return d.isCopyOnWrite ? { ...d, path: findImage(d.path) } : d;
}

/** Boots, and boots again for as long as the guest reboots. */
async function live(
  spec: MachineSpec,
  profile: string | null,
  firstWorker: Worker,
): Promise<number> {
  for (let worker = firstWorker; ; worker = sendKernel(startWorker())) {
    const outcome = await launchObserved(spec, profile, worker);
    if (typeof outcome === "string") {
      complain(outcome);
      return EX_OSERR;
    }
    if (outcome.kind !== "reboot") return statusOf(outcome, spec);
  }
}

function statusOf(outcome: LaunchOutcome, { kenv, isVerbose }: MachineSpec): number {
  switch (outcome.kind) {
    case "halt":
    case "reboot":
      return EX_OK;
    case "exit":
      return outcome.status;
    case "killed":
      return reportKilled(outcome.signal);
    case "noexec":
      complain(`${kenv.get("init") ?? "init"}: ${outcome.message}`);
      return EX_NOINPUT;
    case "nomachine":
      complain(outcome.message);
      return EX_NOINPUT;
    case "panic":
      reportPanic(outcome, isVerbose);
      return EX_PANIC;
  }
}

/** One line; the trace is for those who asked for more. */
export function reportPanic(
  { message, trace }: { readonly message: string; readonly trace: string },
  isVerbose: boolean,
): void {
  complain(`panic: ${message}`);
  if (isVerbose) complain(trace);
}

/** The status of a program that `signal` ended. */
export function reportKilled(signal: number): number {
  complain(`ended by signal ${signal} before the machine was`);
  return 128 + signal;
}

function specOf(o: BootOptions, disks: readonly DiskSpec[]): MachineSpec {
  return {
    memoryBytes: o.memoryBytes,
    disks,
    shares: o.shares,
    kenv: o.kenv,
    isVerbose: o.isVerbose,
    program: {
      kind: "init",
      isSingleUser: o.isSingleUser,
      env: ["HOME=/", `TERM=${(process.stdin.isTTY && process.env["TERM"]) || "linux"}`],
    },
    hostname: o.kenv.get("kern.hostname") ?? "vkernel",
    isTraced: false,
    stdio: { stdin: false, stdout: false, stderr: false },
    consoleFd: 1,
    profileFd: null,
  };
}

/** The options, "help", or a complaint. */
function parseBootOptions(argv: readonly string[]): BootOptions | string {
  const parsed = getopt(argv, {
    flags: ["h", "help", "s", "v"],
    values: ["c", "e", "m", "n", "p", "r", "R", "I", "i", "l", "profile", "volume"],
  });
  if (typeof parsed === "string") return parsed;
  if (parsed.options.some(({ name }) => name === "h" || name === "help")) return "help";
  if (parsed.operands.length > 0) {
    return `unknown ${parsed.options.length > 0 ? "argument" : "command"} ${parsed.operands[0]}`;
  }
  const o: BootOptions = {
    memoryBytes: DEFAULT_MEMORY,
    disks: [],
    kenv: new Map(),
    isVerbose: false,
    isSingleUser: false,
    pidfile: null,
    profile: null,
    shares: [],
  };
  for (const { name, value } of parsed.options) {
    const wrong = applyOption(o, name, value);
    if (wrong) return wrong;
  }
  return o;
}

function applyOption(o: BootOptions, name: string, value: string): string | null {
  switch (name) {
    case "s":
      o.isSingleUser = true;
      return null;
    case "v":
      o.isVerbose = true;
      return null;
    case "m": {
      const bytes = parseMemory(value);
      if (typeof bytes === "string") return bytes;
      o.memoryBytes = bytes;
      return null;
    }
    case "n":
      return checkCpus(value);
    case "p":
      o.pidfile = value;
      return null;
    case "profile":
      o.profile = value;
      return null;
    case "volume":
      return addVolume(o.shares, value);
    case "r":
    case "R":
    case "c":
      return addDisk(o.disks, name, value);
    case "e":
      return addKenv(o.kenv, value);
    default:
      return `option -${name} is not supported yet`;
  }
}

/** -r, -R or -c; a complaint, or null. */
export function addDisk(disks: DiskSpec[], letter: DiskLetter, value: string): string | null {
  const disk = parseDisk(value, letter);
  if (typeof disk === "string") return disk;
  disks.push(disk);
  return checkCount(disks);
}

/** Bytes, or a complaint. */
export function parseMemory(value: string): number | string {
  const bytes = parseSize(value);
  if (bytes === null) return `-m ${value}: not a size (try 256m)`;
  if (bytes < MIN_MEMORY || bytes > MAX_MEMORY) return `-m ${value}: between 16m and 3584m, please`;
  return bytes;
}

export function checkCpus(value: string): string | null {
  if (!/^\d+(:\d+){0,2}$/.test(value)) return `-n ${value}: not a number of CPUs`;
  return Number.parseInt(value, 10) === 1 ? null : `-n ${value}: only 1 CPU until SMP is in`;
}

function addKenv(kenv: Map<string, string>, text: string): string | null {
  // A colon ends a pair only where another begins: a value may hold one (ext4:vkd0p1).
  for (const pair of text.split(/:(?=[\w.-]+=)/)) {
    const eq = pair.indexOf("=");
    if (eq <= 0) return `-e ${text}: want name=value`;
    kenv.set(pair.slice(0, eq), pair.slice(eq + 1));
  }
  return null;
}
