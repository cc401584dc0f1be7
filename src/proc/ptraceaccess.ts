/**
 * Who may look into another process, or reach into it: the rules of ptrace(2),
 * "Ptrace access mode checking".
 *
 * A process may always look into itself. Otherwise the caller must have all the
 * user and group ids of the other, the other must be dumpable and have no
 * capability more than the caller, or the caller has CAP_SYS_PTRACE.
 */
import { CAP_SYS_PTRACE, type Cred } from "../kern/cred.ts";
import type { Lwp } from "./lwp.ts";
import type { Proc } from "./proc.ts";

/** Who the caller is taken for: by its file system ids (what reads memory), or by its real ones. */
export type PtraceCreds = "fs" | "real";

/** As prctl(2) PR_SET_DUMPABLE has it. */
const SUID_DUMP_USER = 1;

/** `you`: the credentials of the thread that is meant, where they are not the process's. */
export function mayPtrace(caller: Lwp, p: Proc, by: PtraceCreds, you: Cred = p.cred): boolean {
  if (caller.proc === p) return true;
  const me = caller.cred;
  if (me.hasCap(CAP_SYS_PTRACE)) return true;
  const uid = by === "fs" ? me.fsuid : me.uid;
  const gid = by === "fs" ? me.fsgid : me.gid;
  const isSame =
    uid === you.uid &&
    uid === you.euid &&
    uid === you.suid &&
    gid === you.gid &&
    gid === you.egid &&
    gid === you.sgid;
  if (!isSame || p.dumpable !== SUID_DUMP_USER) return false;
  const mine = by === "fs" ? me.capEffective : me.capPermitted;
  return (you.capPermitted & ~mine) === 0n;
}
