/** Mount options of devpts: uid, gid, mode, ptmxmode, max, newinstance. */

export interface DevptsOptions {
  /** Owner of new slaves; null: whoever opened the master. */
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: number;
  readonly ptmxmode: number;
  /** Ptys in this instance at most. */
  readonly max: number;
}

/** Null for what it does not know. */
export function parseDevptsOptions(data: string): DevptsOptions | null {
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
    if (m[1] === "uid") uid = Number(digits);
    else if (m[1] === "gid") gid = Number(digits);
    else if (m[1] === "mode") mode = Number.parseInt(digits, 8) & 0o7777;
    else if (m[1] === "ptmxmode") ptmxmode = Number.parseInt(digits, 8) & 0o7777;
    else if (m[1] === "max") max = Number(digits);
    else return null;
  }
  return { uid, gid, mode, ptmxmode, max };
}
