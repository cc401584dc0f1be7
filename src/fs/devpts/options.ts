/** Mount options of devpts: uid, gid, mode, ptmxmode, max, newinstance. */
import { NO_ID } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";

export interface DevptsOptions {
  /** Owner of new slaves; null: whoever opened the master. */
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: number;
  readonly ptmxmode: number;
  /** Ptys in this instance at most. */
  readonly max: number;
}

/** Null for what it does not know. Ids are those of `userns`; the kernel's come back. */
export function parseDevptsOptions(data: string, userns: UserNamespace): DevptsOptions | null {
  let uid: number | null = null;
  let gid: number | null = null;
  let mode = 0o600;
  let ptmxmode = 0;
  let max = Number.POSITIVE_INFINITY;
  for (const option of data.split(",")) {
    if (option === "" || option === "newinstance") continue;
    const m = /^([a-z]+)=([0-9]{1,10})$/.exec(option);
    if (!m) return null;
    const digits = m[2]!;
    if ((m[1] === "mode" || m[1] === "ptmxmode") && !/^[0-7]{1,6}$/.test(digits)) return null;
    if (m[1] === "uid") uid = userns.kuid(Number(digits));
    else if (m[1] === "gid") gid = userns.kgid(Number(digits));
    else if (m[1] === "mode") mode = Number.parseInt(digits, 8) & 0o7777;
    else if (m[1] === "ptmxmode") ptmxmode = Number.parseInt(digits, 8) & 0o7777;
    else if (m[1] === "max") max = Number(digits);
    else return null;
  }
  if (uid === NO_ID || gid === NO_ID) return null;
  return { uid, gid, mode, ptmxmode, max };
}
