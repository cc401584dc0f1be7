/**
 * /proc/PID/loginuid and sessionid: who logged in, whatever ids were changed
 * since. login(1) and its kin write it by pam_loginuid(8); all that a login
 * starts inherits it. Source: Linux kernel/audit.c audit_set_loginuid.
 */
import { EINVAL, EPERM } from "../../abi/errno.ts";
import { CAP_AUDIT_CONTROL } from "../../kern/cred.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { NO_LOGIN } from "../../proc/lwp.ts";
import type { Task } from "./task.ts";

export function loginuidText(t: Task, caller: Lwp): string {
  const uid = t.td?.loginuid ?? NO_LOGIN;
  return String(uid === NO_LOGIN ? uid : caller.cred.userns.uid(uid) >>> 0);
}

export function sessionidText(t: Task): string {
  return String(t.td?.sessionid ?? NO_LOGIN);
}

/** Only a thread's own, which may be set once without privilege. */
export function writeLoginuid(t: Task, text: string, caller: Lwp): number {
  if (t.td !== caller) return EPERM;
  if (!/^\d{1,10}\n?$/.test(text)) return EINVAL;
  const uid = Number(text);
  if (uid > NO_LOGIN) return EINVAL;
  if (caller.loginuid !== NO_LOGIN && !caller.cred.hasCap(CAP_AUDIT_CONTROL)) return EPERM;
  const kuid = uid === NO_LOGIN ? uid : caller.cred.userns.kuid(uid);
  if (kuid === NO_ID) return EINVAL;
  caller.loginuid = kuid;
  caller.sessionid = uid === NO_LOGIN ? NO_LOGIN : ++caller.proc.table.logins;
  return 0;
}
