/**
 * `vkernel run IMAGE -- CMD…`: one command in a fresh machine; its status is ours.
 *
 * Each of the three standard streams that is a terminal becomes the guest's
 * console; the others stay byte streams of their own, so stdout and stderr
 * never mix.
 */
import type { Worker } from "node:worker_threads";
import { sendKernel } from "../hosts/node/kernelfiles.ts";
import type { LaunchOutcome } from "../hosts/node/launch.ts";
import type { DiskSpec, MachineSpec, ShareSpec } from "../hosts/node/machinespec.ts";
import { startWorker } from "../hosts/node/startworker.ts";
import {
  addDisk,
  byName,
  checkCpus,
  DEFAULT_MEMORY,
  parseMemory,
  reportKilled,
  reportPanic,
} from "./bootcmd.ts";
import { parseDisk } from "./diskoptions.ts";
import { claimDisks } from "./disks.ts";
import { EX_NOT_EXECUTABLE, EX_NOT_FOUND, EX_OK, EX_RUN_FAILURE, EX_USAGE } from "./exitcodes.ts";
import { getopt } from "./getopt.ts";
import { launchObserved } from "./observed.ts";
import { answer, complain } from "./report.ts";
import { runUsage } from "./usage.ts";
import { addVolume, checkVolumes } from "./volumes.ts";

interface RunOptions {
  memoryBytes: number;
  env: Map<string, string>;
  cwd: string;
  isVerbose: boolean;
  isTraced: boolean;
  /** Writes to the root vanish (or go to an overlay), reach the image, or are refused. */
  root: "cow" | "rw" | "ro";
  profile: string | null;
  readonly shares: ShareSpec[];
  /** Beyond the root. */
  readonly disks: DiskSpec[];
  image: string;
  argv: readonly string[];
}

/** `early`: a Worker that loads the kernel already. */
export async function runCommand(
  argv: readonly string[],
  early: Worker | null = null,
): Promise<number> {
  const o = parseRunOptions(argv);
  if (o === "help") {
    answer(runUsage);
    return EX_OK;
  }
  if (typeof o === "string") {
    complain(`${o} (vkernel run --help for help)`);
    return EX_USAGE;
  }
  const root = parseDisk(o.image, "R");
  if (typeof root === "string") {
    complain(`${root} (vkernel run --help for help)`);
    return EX_USAGE;
  }
  if (o.root === "rw" && root.overlay !== undefined) {
    complain("--rw and an overlay: writes go to one of them (vkernel run --help for help)");
    return EX_USAGE;
  }
  // It loads the kernel while disks are looked at and locked.
  const worker = early ?? sendKernel(startWorker());
  const [first, ...others] = [root, ...o.disks].map(byName);
  const disks = [{ ...first!, isCopyOnWrite: o.root !== "rw" }, ...others];
  const badDisk = checkVolumes(o.shares) ?? (await claimDisks(disks));
  if (badDisk) {
    complain(badDisk);
    return EX_RUN_FAILURE;
  }
  const outcome = await launchObserved(specOf(o, disks), o.profile, worker);
  if (typeof outcome === "string") {
    complain(outcome);
    return EX_RUN_FAILURE;
  }
  return report(o, outcome);
}

function report(o: RunOptions, outcome: LaunchOutcome): number {
  switch (outcome.kind) {
    case "exit":
      return outcome.status;
    case "halt":
    case "reboot":
      return EX_OK;
    case "killed":
      return reportKilled(outcome.signal);
    case "noexec":
      complain(`${o.argv[0] || "''"}: ${outcome.message}`);
      return outcome.errno === -2 ? EX_NOT_FOUND : EX_NOT_EXECUTABLE;
    case "nomachine":
      complain(`${o.image}: ${outcome.message}`);
      return EX_RUN_FAILURE;
    case "panic":
      reportPanic(outcome, o.isVerbose);
      return EX_RUN_FAILURE;
  }
}

function specOf(o: RunOptions, disks: readonly DiskSpec[]): MachineSpec {
  const stdio = {
    stdin: !process.stdin.isTTY,
    stdout: !process.stdout.isTTY,
    stderr: !process.stderr.isTTY,
  };
  return {
    memoryBytes: o.memoryBytes,
    disks,
    shares: o.shares,
    kenv: new Map(o.root === "cow" ? [] : [["vfs.root.mountfrom.options", o.root]]),
    isVerbose: o.isVerbose,
    program: {
      kind: "command",
      argv: o.argv,
      env: [...o.env].map(([name, value]) => `${name}=${value}`),
      cwd: o.cwd,
    },
    hostname: "vkernel",
    isTraced: o.isTraced,
    stdio,
    consoleFd: stdio.stdout ? 2 : 1,
    profileFd: null,
  };
}

/** The options, "help", or a complaint. */
function parseRunOptions(argv: readonly string[]): RunOptions | string {
  const spec = {
    flags: ["v", "h", "help", "rw", "ro", "strace"],
    values: ["m", "n", "e", "w", "profile", "volume", "r", "R", "c"],
  };
  const parsed = getopt(argv, spec);
  if (typeof parsed === "string") return parsed;
  const o: RunOptions = {
    memoryBytes: DEFAULT_MEMORY,
    env: defaultEnv(),
    cwd: "/",
    isVerbose: false,
    isTraced: false,
    root: "cow",
    profile: null,
    shares: [],
    disks: [],
    image: parsed.operands[0] ?? "",
    argv: parsed.operands.slice(parsed.operands[1] === "--" ? 2 : 1),
  };
  for (const { name, value } of parsed.options) {
    if (name === "h" || name === "help") return "help";
    const wrong = applyRunOption(o, name, value);
    if (wrong) return wrong;
  }
  if (o.image === "" || parsed.sawDashes) return "no image named";
  if (o.argv.length === 0) return "no command named";
  return o;
}

function applyRunOption(o: RunOptions, name: string, value: string): string | null {
  switch (name) {
    case "m": {
      const bytes = parseMemory(value);
      if (typeof bytes === "string") return bytes;
      o.memoryBytes = bytes;
      return null;
    }
    case "n":
      return checkCpus(value);
    case "e": {
      const eq = value.indexOf("=");
      if (eq === 0 || value === "") return `-e ${value}: want NAME=value, or NAME`;
      const name = eq < 0 ? value : value.slice(0, eq);
      const ours = process.env[name];
      if (eq > 0) o.env.set(name, value.slice(eq + 1));
      else if (ours !== undefined) o.env.set(name, ours);
      return null;
    }
    case "w":
      o.cwd = value;
      return null;
    case "v":
      o.isVerbose = true;
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
    case "strace":
      o.isTraced = true;
      return null;
    default:
      if (o.root !== "cow" && o.root !== name) return "--rw and --ro: one of them";
      o.root = name === "rw" ? "rw" : "ro";
      return null;
  }
}

function defaultEnv(): Map<string, string> {
  const env = new Map([
    ["PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    ["HOME", "/root"],
  ]);
  if (process.stdin.isTTY || process.stdout.isTTY) env.set("TERM", process.env["TERM"] || "linux");
  return env;
}
