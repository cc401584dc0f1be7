/**
 * From nothing to a running machine, and to its end.
 *
 * The only place that may stop everything: a Panic anywhere below comes here
 * and becomes an Outcome.
 */
import {
  E2BIG,
  EACCES,
  EINVAL,
  EIO,
  ELOOP,
  ENAMETOOLONG,
  ENODEV,
  ENOENT,
  ENOEXEC,
  ENOMEM,
  ENOTDIR,
  EUCLEAN,
  errnoNames,
  failed,
} from "../abi/errno.ts";
import { Ddb } from "../ddb/ddb.ts";
import { LOG_INFO } from "../kern/log.ts";
import type { Host } from "../platform/host.ts";
import { buildTable } from "../syscall/table.ts";
import { UserLoop } from "../trap/userloop.ts";
import type { MachineConfig, Outcome } from "./config.ts";
import { CountsReporter } from "./counts.ts";
import {
  enterDirectory,
  enterRoot,
  makeFirstProcess,
  openStandardFiles,
  startProgram,
} from "./firstproc.ts";
import { Kernel } from "./kernel.ts";
import { LoadSampler } from "./loadavg.ts";
import { mountRoot, mountSystem } from "./mounts.ts";
import { HostOutside } from "./outside.ts";
import { Profiling } from "./profiling.ts";
import { partitionHint, rootDevice } from "./rootdevice.ts";
import { mountShares } from "./shares.ts";
import { syncDisks } from "./shutdown.ts";
import { ConsoleTrace } from "./trace.ts";

/** Boots and runs the machine; returns when it is over. Blocks its thread meanwhile. */
export function boot(host: Host, config: MachineConfig): Outcome {
  try {
    const kernel = makeKernel(host, config);
    if (!kernel) return noMachine(`the host has no ${config.memoryBytes} bytes for it`, ENOMEM);
    return start(kernel, config) ?? run(kernel, config);
  } catch (e) {
    return panicked(e as Error);
  }
}

/** Null if the host has not the memory that the guest is to have: V8 answers with a RangeError. */
function makeKernel(host: Host, config: MachineConfig): Kernel | null {
  try {
    return new Kernel(host, config);
  } catch (e) {
    if (e instanceof RangeError) return null;
    throw e;
  }
}

/** Brings process 1 to its first instruction; an Outcome if that cannot be. */
function start(kernel: Kernel, config: MachineConfig): Outcome | null {
  const { table, vfs, log, disks } = kernel;
  const td = makeFirstProcess(table);
  if (failed(td)) return noMachine("cannot make the first process", td);
  const bootDisk = disks.all[0];
  if (!bootDisk) return noMachine("no root disk", ENODEV);
  const device = rootDevice(config.kenv, disks, bootDisk);
  if (typeof device === "string") return { kind: "nomachine", message: device };
  const { disk } = device;
  const said = log.msgbuf.nextSeq;
  const root = mountRoot(vfs, td, device);
  if (failed(root)) {
    // What the file system found wrong says more than its errno.
    const why = log.msgbuf.at(said)?.text ?? rootText(root);
    const hint = partitionHint(disk, disks);
    return { kind: "nomachine", message: `cannot mount the root: ${why}${hint}` };
  }
  const mode = root.isReadOnly ? "read-only" : "read-write";
  log.log(LOG_INFO, `mounted root from ${root.fs.typeName}:${disk.name}, ${mode}`);
  enterRoot(td, root);
  mountSystem(td.fs, td, log);
  const unshared = mountShares(td.fs, td, config.shares ?? [], log);
  if (unshared) return noMachine(`cannot mount a directory on ${unshared.at}`, unshared.errno);
  if (config.isTraced) table.strace = new ConsoleTrace(kernel.host);
  table.isInitShielded = config.program.kind === "init";
  const { program } = config;
  const files = openStandardFiles(td, program, kernel.host);
  if (failed(files)) return noMachine("cannot open the standard streams", files);
  if (program.kind === "command") {
    const entered = enterDirectory(td, program.cwd);
    if (failed(entered)) return noMachine(`cannot start in ${program.cwd}`, entered);
  }
  const r = startProgram(td, program, config.kenv);
  if (failed(r)) return { kind: "noexec", errno: r, message: errnoText(r) };
  log.log(LOG_INFO, `process 1: ${td.comm}`);
  kernel.cpu.current = null;
  kernel.cpu.makeRunnable(td);
  return null;
}

function run(kernel: Kernel, config: MachineConfig): Outcome {
  const { table, log, terminals, host } = kernel;
  const { program } = config;
  const calls = buildTable();
  const ddb = new Ddb(table, calls, host.console, host.doorbell);
  const isInit = program.kind === "init";
  const { profile, counts } = config;
  const reporter = counts ? new CountsReporter(counts, table, calls) : null;
  const outside = new HostOutside(host, table, terminals, ddb, log, isInit, reporter);
  new LoadSampler(kernel.cpu, table.info).start();
  const hart = kernel.machine.newHart();
  const loop = new UserLoop(table, hart, calls, outside);
  const profiling = profile ? new Profiling(profile, kernel, hart, loop, calls) : null;
  try {
    loop.run();
  } finally {
    profiling?.finish();
    kernel.machine.finish();
    reporter?.report();
  }
  if (table.powerRequest !== null || program.kind === "command" || program.isSingleUser) {
    syncDisks(kernel);
  }
  if (table.powerRequest === "reboot") return { kind: "reboot" };
  if (table.powerRequest === "halt") return { kind: "halt" };
  const status = shellStatus(table.initStatus ?? 0);
  // A single-user shell is left as any shell; an init has no business to end.
  if (program.kind === "command" || program.isSingleUser) return { kind: "exit", status };
  return panicked(new Error(`process 1 ended with status ${status}`));
}

/** A wait status as a shell shows it: the exit code, or 128 + signal. */
function shellStatus(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

function noMachine(what: string, errno: number): Outcome {
  return { kind: "nomachine", message: `${what}: ${errnoText(errno)}` };
}

/** Why a disk cannot be the root. */
function rootText(errno: number): string {
  return errno === EINVAL || errno === ENODEV
    ? "no file system that vkernel knows"
    : errnoText(errno);
}

const ERRNO_TEXTS: ReadonlyMap<number, string> = new Map([
  [ENOENT, "no such file or directory"],
  [ENOTDIR, "not a directory"],
  [EACCES, "permission denied"],
  [ENOEXEC, "not a program of this machine (riscv64 ELF)"],
  [ENOMEM, "not enough memory (-m gives more)"],
  [ELOOP, "too many symbolic links"],
  [ENAMETOOLONG, "file name too long"],
  [E2BIG, "argument list too long"],
  [EIO, "input/output error"],
  [EUCLEAN, "the file system is damaged"],
]);

/** Why a program, a directory or a disk was refused, in words. */
function errnoText(errno: number): string {
  return ERRNO_TEXTS.get(errno) ?? errnoNames.get(-errno) ?? `error ${-errno}`;
}

/** Whoever made the machine says it: its console may be no place to look at any more. */
function panicked(e: Error): Outcome {
  return { kind: "panic", message: e.message, trace: e.stack ?? "" };
}
