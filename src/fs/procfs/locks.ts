/**
 * /proc/locks: every file lock and lease that is held. See proc_locks(5).
 */
import { F_UNLCK, F_WRLCK } from "../../abi/fcntl.ts";
import type { ProcTable } from "../../proc/proctable.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import type { Lockable } from "../../vfs/lockf.ts";
import { hex } from "./format.ts";
import type { ProcFs } from "./procfs.ts";

export function locksText(fs: ProcFs): string {
  const { table } = fs;
  let s = "";
  let n = 0;
  for (const on of table.vfs.locks.locked) {
    const { locks } = on;
    if (!locks) continue;
    const file = fileId(on.identity);
    for (const l of locks.flocks) {
      const pid = openerOf(table, l.owner);
      const shown = pid < 0 ? pid : table.numberIn(fs.pidns, pid);
      if (shown === 0) continue;
      s += `${++n}: FLOCK  ADVISORY  ${kind(l.type)} ${shown} ${file} 0 EOF\n`;
    }
    for (const l of locks.records) {
      const pid = l.pid < 0 ? l.pid : table.numberIn(fs.pidns, l.pid);
      if (pid === 0) continue;
      const api = l.pid < 0 ? "OFDLCK" : "POSIX ";
      const end = Number.isFinite(l.end) ? String(l.end - 1) : "EOF";
      s += `${++n}: ${api} ADVISORY  ${kind(l.type)} ${pid} ${file} ${l.start} ${end}\n`;
    }
  }
  for (const vp of table.vfs.leases.vnodes) {
    const file = fileId(vp.identity);
    for (const l of vp.leases?.leases ?? []) {
      const pid = table.numberIn(fs.pidns, l.pid);
      if (pid === 0) continue;
      const state = l.isBreaking ? "BREAKING " : "ACTIVE   ";
      s += `${++n}: LEASE  ${state} ${kind(l.targetType)} ${pid} ${file} 0 EOF\n`;
    }
  }
  return s;
}

function kind(type: number): string {
  return type === F_WRLCK ? "WRITE" : type === F_UNLCK ? "UNLCK" : "READ";
}

function fileId({ dev, ino }: Lockable["identity"]): string {
  return `${hex(majorOf(dev), 2)}:${hex(minorOf(dev), 2)}:${ino}`;
}

/** A process that has the locked file open; -1 if none has any more. */
function openerOf(table: ProcTable, file: object): number {
  for (const p of table.all()) {
    for (const { fdtable } of p.threads) {
      for (let fd = 0; fd < fdtable.size; fd++) if (fdtable.getAny(fd) === file) return p.pid;
      if (fdtable.refs >= p.threads.length) break;
    }
  }
  return -1;
}
