/**
 * The terminals and memory devices of a machine, made and registered together.
 *
 * The boot floor keeps what it gets back: it forwards the host's events there.
 */
import {
  HOST_STREAM_MAJOR,
  HVC_MAJOR,
  MEM_FULL,
  MEM_KMSG,
  MEM_MAJOR,
  MEM_NULL,
  MEM_RANDOM,
  MEM_ZERO,
  PTY_SLAVE_MAJOR,
  TTYAUX_CONSOLE,
  TTYAUX_MAJOR,
  TTYAUX_PTMX,
  TTYAUX_TTY,
} from "../abi/devices.ts";
import type { KernelLog } from "../kern/log.ts";
import type { MsgBuf } from "../kern/msgbuf.ts";
import type { ByteStream, ConsolePort, Entropy } from "../platform/host.ts";
import { makedev } from "../vfs/device.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { HostStream, HostStreamDriver } from "./hoststream.ts";
import { KmsgDriver } from "./kmsg.ts";
import { MemDriver } from "./mem.ts";
import { RandomDriver } from "./random.ts";
import { ConsoleTty } from "./tty/console.ts";
import { ConsoleDriver, ControllingTtyDriver, TtyDriver } from "./tty/drivers.ts";
import { PtyDriver } from "./tty/ptmx.ts";

/** What of the host the devices need; see platform/host.ts. */
export interface DeviceHost {
  readonly console: ConsolePort;
  readonly entropy: Entropy;
  readonly stdin: ByteStream | null;
  readonly stdout: ByteStream | null;
  readonly stderr: ByteStream | null;
}

export interface Terminals {
  readonly console: ConsoleTty;
  readonly ptys: PtyDriver;
  readonly streams: HostStreamDriver;
}

export const HVC0_RDEV = makedev(HVC_MAJOR, 0);

/** Registers the drivers of all character devices here with `vfs`. */
export function registerTerminals(
  vfs: Vfs,
  host: DeviceHost,
  msgbuf: MsgBuf,
  log: KernelLog,
): Terminals {
  const console = new ConsoleTty(HVC0_RDEV, "hvc0", host.console);
  const ptys = new PtyDriver(vfs, console.redirect);
  const streams = new HostStreamDriver([
    host.stdin && new HostStream("host/stdin", host.stdin),
    host.stdout && new HostStream("host/stdout", host.stdout),
    host.stderr && new HostStream("host/stderr", host.stderr),
  ]);
  const mem = new MemDriver();
  const chr = vfs.chrdevs;
  chr.register("mem", MEM_MAJOR, MEM_NULL, 1, mem);
  chr.register("mem", MEM_MAJOR, MEM_ZERO, 1, mem);
  chr.register("mem", MEM_MAJOR, MEM_FULL, 1, mem);
  chr.register("mem", MEM_MAJOR, MEM_RANDOM, 2, new RandomDriver(host.entropy));
  chr.register("mem", MEM_MAJOR, MEM_KMSG, 1, new KmsgDriver(msgbuf, log));
  chr.register("/dev/tty", TTYAUX_MAJOR, TTYAUX_TTY, 1, new ControllingTtyDriver());
  chr.register("/dev/console", TTYAUX_MAJOR, TTYAUX_CONSOLE, 1, new ConsoleDriver(console));
  chr.register("/dev/ptmx", TTYAUX_MAJOR, TTYAUX_PTMX, 1, ptys);
  chr.register("pts", PTY_SLAVE_MAJOR, 0, 1 << 20, ptys);
  chr.register("hvc", HVC_MAJOR, 0, 1, new TtyDriver(console));
  chr.register("host", HOST_STREAM_MAJOR, 0, 3, streams);
  return { console, ptys, streams };
}
