/**
 * From nothing to a running machine, and to its end.
 *
 * The only place that may stop everything: a Panic anywhere below comes here
 * and becomes an Outcome.
 */
import {
  EACCES,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOEXEC,
  EUCLEAN,
  errnoNames,
  failed,
} from "../abi/errno.ts";
import { Ddb } from "../ddb/ddb.ts";
import { LOG_CRIT, LOG_INFO } from "../kern/log.ts";
import { utf8 } from "../lib/bytes.ts";
import type { Host } from "../platform/host.ts";
import { buildTable } from "../syscall/table.ts";
import { UserLoop } from "../trap/userloop.ts";
import type { MachineConfig, Outcome } from "./config.ts";
import { enterRoot, makeFirstProcess, startProgram } from "./firstproc.ts";
import { Kernel } from "./kernel.ts";
import { LoadSampler } from "./loadavg.ts";
import { mountRoot, mountSystem } from "./mounts.ts";
import { HostOutside } from "./outside.ts";
import { ConsoleTrace } from "./trace.ts";

const SIGUSR2 = 12;

/** Boots and runs the machine; returns when it is over. Blocks its thread meanwhile. */
export function boot(host: Host, config: MachineConfig): Outcome {
  let kernel: Kernel | null = null;
  try {
    kernel = new Kernel(host, config);
    return start(kernel, config) ?? run(kernel, config);
  } catch (e) {
    return panicked(kernel, e as Error);
  }
}

/** Brings process 1 to its first instruction; an Outcome if that cannot be. */
function start(kernel: Kernel, config: MachineConfig): Outcome | null {
  const { table, vfs, log, disks } = kernel;
  const td = makeFirstProcess(table);
  if (failed(td)) return noMachine("cannot make the first process", td);
  const disk = disks.all[0];
  if (!disk) return noMachine("no root disk", ENODEV);
  const root = mountRoot(vfs, td, `/dev/${disk.name}`, disk.rdev);
  if (failed(root)) return noMachine(`cannot mount the root from ${disk.name}`, root);
  log.log(LOG_INFO, `mounted root from ${root.fs.typeName}:${disk.name}, read-only`);
  enterRoot(td, root);
  mountSystem(td.proc.fs, td, log);
  if (config.isTraced) table.strace = new ConsoleTrace(kernel.host);
  table.isInitShielded = config.program.kind === "init";
  const r = startProgram(td, config.program, config.kenv, kernel.host);
  if (failed(r)) return { kind: "noexec", errno: r, message: errnoText(r) };
  log.log(LOG_INFO, `process 1: ${td.comm}`);
  kernel.cpu.current = null;
  kernel.cpu.makeRunnable(td);
  return null;
}

function run(kernel: Kernel, config: MachineConfig): Outcome {
  const { table, log, terminals, host } = kernel;
  const isInit = config.program.kind === "init";
  const calls = buildTable();
  const ddb = new Ddb(table, calls, host.console, host.doorbell);
  const signal = isInit ? SIGUSR2 : null;
  const outside = new HostOutside(host, table, terminals, ddb, log, signal);
  new LoadSampler(kernel.cpu, table.info).start();
  const loop = new UserLoop(table, kernel.machine.newHart(), calls, outside);
  loop.run();
  if (table.powerRequest === "reboot") return { kind: "reboot" };
  if (table.powerRequest === "halt") return { kind: "halt" };
  const status = shellStatus(table.initStatus ?? 0);
  if (!isInit) return { kind: "exit", status };
  return panicked(kernel, new Error(`process 1 ended with status ${status}`));
}

/** A wait status as a shell shows it: the exit code, or 128 + signal. */
function shellStatus(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

function noMachine(what: string, errno: number): Outcome {
  return { kind: "nomachine", message: `${what}: ${errnoText(errno)}` };
}

/** Why a program or a root was refused, in words. */
function errnoText(errno: number): string {
  switch (errno) {
    case ENOENT:
      return "no such file";
    case EACCES:
      return "permission denied";
    case ENOEXEC:
      return "not a program of this machine (riscv64 ELF)";
    case EINVAL:
    case ENODEV:
      return "no file system that vkernel knows";
    case EUCLEAN:
      return "the file system is damaged";
    default:
      return errnoNames.get(-errno) ?? String(errno);
  }
}

function panicked(kernel: Kernel | null, e: Error): Outcome {
  kernel?.log.log(LOG_CRIT, utf8(`panic: ${e.message}`));
  return { kind: "panic", message: e.stack ?? e.message };
}
