/**
 * Who may look into another process, or reach into it: the rules of ptrace(2),
 * "Ptrace access mode checking".
 *
 * A process may always look into itself. Otherwise the caller must have all the
 * user and group ids of the other, and the other have no capability more than
 * the caller, or the caller has CAP_SYS_PTRACE where the other is. One that is not
 * dumpable needs that where its memory is from, too (Linux mm->user_ns).
 */
import { CAP_SYS_PTRACE, type Cred } from "../kern/cred.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";

/** Who the caller is taken for: by its file system ids (what reads memory), or by its real ones. */
export type PtraceCreds = "fs" | "real";

/** As prctl(2) PR_SET_DUMPABLE has it. */
const SUID_DUMP_USER = 1;

/** kernel.yama.ptrace_scope: whom the above rules let trace at all. See Linux Documentation/admin-guide/LSM/Yama.rst. */
export const YAMA_SCOPE_DISABLED = 0;
const YAMA_SCOPE_RELATIONAL = 1;
const YAMA_SCOPE_CAPABILITY = 2;
export const YAMA_SCOPE_NO_ATTACH = 3;

/** PTRACE_ATTACH, PTRACE_SEIZE: may `tracer` trace `td`? */
export function mayAttach(tracer: Lwp, td: Lwp): boolean {
  if (!mayPtrace(tracer, td.proc, "real", td.cred)) return false;
  const { yamaScope } = td.proc.table;
  if (yamaScope === YAMA_SCOPE_DISABLED) return true;
  if (yamaScope === YAMA_SCOPE_NO_ATTACH) return false;
  if (tracer.cred.hasCapIn(td.cred.userns, CAP_SYS_PTRACE)) return true;
  return yamaScope === YAMA_SCOPE_RELATIONAL && isRelated(tracer.proc, td.proc);
}

/** PTRACE_TRACEME: may `td` make its parent `tracer` trace it? */
export function mayBeTracedBy(td: Lwp, tracer: Lwp): boolean {
  const isPrivileged = tracer.cred.hasCapIn(td.cred.userns, CAP_SYS_PTRACE);
  if ((td.cred.capPermitted & ~tracer.cred.capPermitted) !== 0n && !isPrivileged) return false;
  const { yamaScope } = td.proc.table;
  if (yamaScope === YAMA_SCOPE_CAPABILITY) return isPrivileged;
  return yamaScope !== YAMA_SCOPE_NO_ATTACH;
}

/** A descendant, or one that has asked for it: prctl(2) PR_SET_PTRACER. */
function isRelated(tracer: Proc, p: Proc): boolean {
  const { allowedTracer } = p;
  if (allowedTracer === "any") return true;
  for (let up: Proc | null = p; up; up = up.parent) if (up === tracer) return true;
  for (let up: Proc | null = tracer; up && allowedTracer; up = up.parent) {
    if (up === allowedTracer) return true;
  }
  return false;
}

/** `you`: the credentials of the thread that is meant, where they are not the process's. */
export function mayPtrace(caller: Lwp, p: Proc, by: PtraceCreds, you: Cred = p.cred): boolean {
  if (caller.proc === p) return true;
  const me = caller.cred;
  if (!isDumpableFor(me, p)) return false;
  if (me.hasCapIn(you.userns, CAP_SYS_PTRACE)) return true;
  const uid = by === "fs" ? me.fsuid : me.uid;
  const gid = by === "fs" ? me.fsgid : me.gid;
  const isSame =
    uid === you.uid &&
    uid === you.euid &&
    uid === you.suid &&
    gid === you.gid &&
    gid === you.egid &&
    gid === you.sgid;
  if (!isSame || me.userns !== you.userns) return false;
  const mine = by === "fs" ? me.capEffective : me.capPermitted;
  return (you.capPermitted & ~mine) === 0n;
}

/**
 * Its memory is open to look into, or `cred` rules where it got that: it may have come
 * here from further up with more than is for those here, or run what they may not read.
 */
export function isDumpableFor(cred: Cred, p: Proc): boolean {
  if (p.dumpable === SUID_DUMP_USER) return true;
  const { memoryUserns: userns } = p;
  return userns ? cred.hasCapIn(userns, CAP_SYS_PTRACE) : cred.hasCap(CAP_SYS_PTRACE);
}
