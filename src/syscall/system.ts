/** The system as a whole: uname(2), sysinfo(2), reboot(2), getrandom(2), riscv_hwprobe(2). */
import { EFAULT, EINVAL, EPERM, failed } from "../abi/errno.ts";
import { HWPROBE_PAIR_BYTES, hwprobeValue } from "../abi/hwprobe.ts";
import { SIGHUP, SIGINT } from "../abi/signal.ts";
import {
  UTS_FIELD_BYTES,
  UTS_FIELDS,
  UTS_MACHINE,
  UTS_RELEASE,
  UTS_SYSNAME,
} from "../abi/utsname.ts";
import { killedStatus } from "../abi/wait.ts";
import { CAP_SYS_ADMIN, CAP_SYS_BOOT } from "../kern/cred.ts";
import { byteString, bytesOf } from "../lib/bytes.ts";
import { struct, u16, u32, u64 } from "../lib/struct.ts";
import { exitGroup } from "../proc/exit.ts";
import type { Lwp } from "../proc/lwp.ts";
import { flags, int, size, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const HOST_NAME_MAX = 64;

export const sys_uname = syscall("uname", [uaddr], (td, out) => {
  const { info } = td.proc.table;
  const { hostname, domainname } = td.ns.uts;
  const bytes = new Uint8Array(UTS_FIELDS * UTS_FIELD_BYTES);
  const fields = [UTS_SYSNAME, hostname, UTS_RELEASE, info.version, UTS_MACHINE, domainname];
  fields.forEach((text, i) => {
    bytes.set(bytesOf(text.slice(0, UTS_FIELD_BYTES - 1)), i * UTS_FIELD_BYTES);
  });
  return td.proc.vmspace.copyout(out, bytes);
});

export const sys_sethostname = syscall("sethostname", [uaddr, int], (td, at, length) => {
  const name = loadName(td, at, length);
  if (typeof name === "number") return name;
  td.ns.uts.hostname = name;
  return 0;
});

export const sys_setdomainname = syscall("setdomainname", [uaddr, int], (td, at, length) => {
  const name = loadName(td, at, length);
  if (typeof name === "number") return name;
  td.ns.uts.domainname = name;
  return 0;
});

function loadName(td: Lwp, at: number, length: number): string | number {
  if (!td.cred.hasCapIn(td.ns.uts.owner, CAP_SYS_ADMIN)) return EPERM;
  if (length < 0 || length > HOST_NAME_MAX) return EINVAL;
  const bytes = new Uint8Array(length);
  if (failed(td.proc.vmspace.copyin(at, bytes))) return EFAULT;
  return byteString(bytes).replace(/\0.*$/s, "");
}

const Sysinfo = struct({
  uptime: u64,
  load1: u64,
  load5: u64,
  load15: u64,
  totalram: u64,
  freeram: u64,
  sharedram: u64,
  bufferram: u64,
  totalswap: u64,
  freeswap: u64,
  procs: u16,
  pad: u16,
  totalhigh: u64,
  freehigh: u64,
  mem_unit: u32,
});
const LOAD_SCALE = 65536;
const PAGE_BYTES = 4096;

export const sys_sysinfo = syscall("sysinfo", [uaddr], (td, out) => {
  const { info, pages, threadCount } = td.proc.table;
  const v = new DataView(new ArrayBuffer(Sysinfo.sizeof));
  Sysinfo.uptime.set(
    v,
    0,
    Math.ceil((td.cpu.clock.monotonicNs() + td.ns.time.boottimeOffsetNs) / 1e9),
  );
  Sysinfo.load1.set(v, 0, Math.round(info.loadavg[0] * LOAD_SCALE));
  Sysinfo.load5.set(v, 0, Math.round(info.loadavg[1] * LOAD_SCALE));
  Sysinfo.load15.set(v, 0, Math.round(info.loadavg[2] * LOAD_SCALE));
  Sysinfo.totalram.set(v, 0, pages.totalPages * PAGE_BYTES);
  Sysinfo.freeram.set(v, 0, pages.freePages * PAGE_BYTES);
  Sysinfo.procs.set(v, 0, Math.min(threadCount, 0xffff));
  Sysinfo.mem_unit.set(v, 0, 1);
  return td.proc.vmspace.copyout(out, new Uint8Array(v.buffer));
});

const REBOOT_MAGIC1 = 0xfee1dead;
const REBOOT_MAGIC2 = [672274793, 85072278, 369367448, 537993216];
const CMD_RESTART = 0x01234567;
const CMD_HALT = 0xcdef0123;
const CMD_CAD_ON = 0x89abcdef;
const CMD_CAD_OFF = 0;
const CMD_POWER_OFF = 0x4321fedc;
const CMD_RESTART2 = 0xa1b2c3d4;

export const sys_reboot = syscall("reboot", [uint, uint, uint, uaddr], (td, m1, m2, command) => {
  if (!td.cred.hasCapIn(td.pidns.owner, CAP_SYS_BOOT)) return EPERM;
  if (m1 !== REBOOT_MAGIC1 || !REBOOT_MAGIC2.includes(m2)) return EINVAL;
  if (td.pidns.level > 0) return rebootNamespace(td, command);
  switch (command) {
    case CMD_CAD_ON:
    case CMD_CAD_OFF:
      return 0;
    case CMD_RESTART:
    case CMD_RESTART2:
      td.proc.table.powerRequest = "reboot";
      return td.sleepUntil(null, "reboot", Number.POSITIVE_INFINITY);
    case CMD_HALT:
    case CMD_POWER_OFF:
      td.proc.table.powerRequest = "halt";
      return td.sleepUntil(null, "halt", Number.POSITIVE_INFINITY);
    default:
      return EINVAL;
  }
});

/** In a further pid name space it is that which ends: its init by a signal that tells what was asked for. */
function rebootNamespace(td: Lwp, command: number): number {
  const isRestart = command === CMD_RESTART || command === CMD_RESTART2;
  const isEnd = command === CMD_HALT || command === CMD_POWER_OFF;
  if (!isRestart && !isEnd) return EINVAL;
  const { init } = td.pidns;
  if (init) exitGroup(init, killedStatus(isRestart ? SIGHUP : SIGINT));
  return 0;
}

const GRND_NONBLOCK = 1;
const GRND_RANDOM = 2;
const GRND_INSECURE = 4;
/** As Linux gave at most of /dev/urandom in one call. */
const RANDOM_MAX_BYTES = 2 ** 25 - 1;

export const sys_getrandom = syscall("getrandom", [uaddr, size, flags], (td, buf, length, how) => {
  if (how & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) return EINVAL;
  if ((how & GRND_RANDOM) !== 0 && (how & GRND_INSECURE) !== 0) return EINVAL;
  const want = Math.min(length, RANDOM_MAX_BYTES);
  let done = 0;
  while (done < want) {
    // Page by page, so that what could be given is counted.
    const at = buf + done;
    const chunk = td.cpu.scratchPrefix(Math.min(PAGE_BYTES - (at % PAGE_BYTES), want - done));
    td.proc.table.entropy.fill(chunk);
    if (failed(td.proc.vmspace.copyout(at, chunk))) return done > 0 ? done : EFAULT;
    done += chunk.length;
  }
  return done;
});

/** Pairs of key and value: unknown keys become -1, as programs expect. */
export const sys_riscv_hwprobe = syscall(
  "riscv_hwprobe",
  [uaddr, size, size, uaddr, flags],
  (td, pairs, count, cpuSetBytes, cpus, how) => {
    if (how !== 0 || (cpus === 0) !== (cpuSetBytes === 0)) return EINVAL;
    const pair = new Uint8Array(HWPROBE_PAIR_BYTES);
    const v = new DataView(pair.buffer);
    for (let i = 0; i < Math.min(count, 4096); i++) {
      const at = pairs + i * HWPROBE_PAIR_BYTES;
      if (failed(td.proc.vmspace.copyin(at, pair))) return EFAULT;
      const value = hwprobeValue(v.getInt32(0, true), v.getInt32(4, true));
      if (value === null) v.setBigInt64(0, -1n, true);
      v.setBigInt64(8, BigInt(value ?? 0), true);
      if (failed(td.proc.vmspace.copyout(at, pair))) return EFAULT;
    }
    return 0;
  },
);

/** Stores are seen by instruction fetch at once here: the machine drops what they touch. */
export const sys_riscv_flush_icache = syscall(
  "riscv_flush_icache",
  [uaddr, uaddr, flags],
  (_td, _start, _end, how) => ((how & ~1) === 0 ? 0 : EINVAL),
);

const MEMBARRIER_QUERY = 0;
const MEMBARRIER_PRIVATE = 8;
const MEMBARRIER_PRIVATE_SYNC_CORE = 32;
const MEMBARRIER_GET_REGISTRATIONS = 512;
const MEMBARRIER_PRIVATE_RSEQ = 128;
const MEMBARRIER_FLAG_CPU = 1;
const MEMBARRIER_SUPPORTED = 0x1ff | MEMBARRIER_GET_REGISTRATIONS;
const MEMBARRIER_PRIVATES = [
  MEMBARRIER_PRIVATE,
  MEMBARRIER_PRIVATE_SYNC_CORE,
  MEMBARRIER_PRIVATE_RSEQ,
];
/** The commands that announce a later use; each is twice the command that it allows. */
const MEMBARRIER_REGISTER = 4 | 16 | 64 | 256;

/**
 * One CPU at a time runs a process, so every barrier has already happened, and every thread but
 * the caller begins its restartable sequence again anyhow; who forgets to announce a private one
 * is told so all the same.
 */
export const sys_membarrier = syscall("membarrier", [int, flags, int], (td, command, how) => {
  const mayNameCpu = command === MEMBARRIER_PRIVATE_RSEQ && how === MEMBARRIER_FLAG_CPU;
  if (how !== 0 && !mayNameCpu) return EINVAL;
  if (command === MEMBARRIER_QUERY) return MEMBARRIER_SUPPORTED;
  const isOne = command > 0 && (command & (command - 1)) === 0;
  if (!isOne || (command & MEMBARRIER_SUPPORTED) === 0) return EINVAL;
  const p = td.proc;
  if (command === MEMBARRIER_GET_REGISTRATIONS) return p.membarriers;
  if (command & MEMBARRIER_REGISTER) p.membarriers |= command;
  const isPrivate = MEMBARRIER_PRIVATES.includes(command);
  return isPrivate && (p.membarriers & (command << 1)) === 0 ? EPERM : 0;
});

export const systemSyscalls: readonly (readonly [number, Syscall])[] = [
  [142, sys_reboot],
  [160, sys_uname],
  [161, sys_sethostname],
  [162, sys_setdomainname],
  [179, sys_sysinfo],
  [258, sys_riscv_hwprobe],
  [259, sys_riscv_flush_icache],
  [278, sys_getrandom],
  [283, sys_membarrier],
];
