/** How ddb shows threads, registers and call frames. */
import { failed } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { Syscall } from "../syscall/declare.ts";
import { describeCall } from "../trap/strace.ts";
import { File } from "../vfs/file.ts";
import { pathString } from "../vfs/namei.ts";

const X_NAMES =
  "zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6".split(
    " ",
  );
const RA = 1;
const S0 = 8;
/** Frames that a backtrace follows: a loop in a hostile stack ends here. */
const MAX_FRAMES = 64;

export function formatThread(td: Lwp): string {
  const p = td.proc;
  const cells = [
    String(p.pid).padStart(5),
    String(td.tid).padStart(5),
    String(p.parent?.pid ?? 0).padStart(5),
    String(td.cred.uid).padStart(4),
    (p.isStopped ? "stopped" : td.state).padEnd(8),
    (td.wmesg || "-").padEnd(8),
    td.comm,
  ];
  return `${cells.join(" ")}\n`;
}

export function formatRegisters(td: Lwp): string {
  let out = `pc   ${hex(td.context.pc)}  fcsr ${td.context.fcsr.toString(16)}\n`;
  for (let i = 1; i < 32; i++) {
    const high = (td.context.xhi(i) >>> 0).toString(16).padStart(8, "0");
    const low = (td.context.xlo(i) >>> 0).toString(16).padStart(8, "0");
    out += `${X_NAMES[i]!.padEnd(4)} ${high}${low}${i % 4 === 3 ? "\n" : "  "}`;
  }
  return `${out}`;
}

/**
 * The system call it sleeps in, then pc, ra, and the frame-pointer chain as far
 * as it is one (code built with -fno-omit-frame-pointer), each with what is
 * mapped there and the offset in that.
 */
export function backtrace(td: Lwp, calls: readonly (Syscall | undefined)[]): string {
  const { context, proc } = td;
  const nr = td.callInProgress;
  const call = nr >= 0 ? `, in ${describeCall(td, nr, calls[nr])}` : "";
  let out = `thread ${td.tid} (${td.comm}) ${td.wmesg ? `waits for ${td.wmesg}` : td.state}${call}\n`;
  const frame = (n: number, pc: number): string =>
    `${`#${n}`.padEnd(3)} ${hex(pc)}  ${placeOf(td, pc)}\n`;
  out += frame(0, context.pc) + frame(1, context.getXu(RA));
  let fp = context.getXu(S0);
  for (let n = 2; n < MAX_FRAMES && fp >= 16; n++) {
    const ra = proc.vmspace.loadU64(fp - 8);
    const up = proc.vmspace.loadU64(fp - 16);
    if (failed(ra) || failed(up) || up <= fp) break;
    out += frame(n, ra);
    fp = up;
  }
  return out;
}

/** "libc.so.6 +0x2c4a": the file mapped at `addr` and the offset in it; "-" where nothing is. */
function placeOf(td: Lwp, addr: number): string {
  const e = td.proc.vmspace.entries.find(addr);
  if (!e) return "-";
  const offset = `+0x${(addr - e.start + e.offset).toString(16)}`;
  if (!(e.file instanceof File)) return `${e.name || "anonymous"} ${offset}`;
  const { path } = e.file;
  return `${path ? pathString(td.fs.root, path) : e.file.describe()} ${offset}`;
}

function hex(n: number): string {
  return n.toString(16).padStart(12, "0");
}
