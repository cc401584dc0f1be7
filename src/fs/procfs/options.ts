/** Options of a mounted /proc: whose processes are shown to whom, and whether there is anything else. See proc(5). */
import { EINVAL, type Errno } from "../../abi/errno.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { UserNamespace } from "../../kern/userns.ts";

export const HIDEPID_OFF = 0;
/** Directories of processes that one may not look into cannot be entered … */
export const HIDEPID_NO_ACCESS = 1;
/** … nor seen. */
export const HIDEPID_INVISIBLE = 2;
/** Nor by the group that is spared otherwise. */
export const HIDEPID_NOT_PTRACEABLE = 4;

const HIDEPIDS: ReadonlyMap<string, number> = new Map([
  ["0", HIDEPID_OFF],
  ["off", HIDEPID_OFF],
  ["1", HIDEPID_NO_ACCESS],
  ["noaccess", HIDEPID_NO_ACCESS],
  ["2", HIDEPID_INVISIBLE],
  ["invisible", HIDEPID_INVISIBLE],
  ["4", HIDEPID_NOT_PTRACEABLE],
  ["ptraceable", HIDEPID_NOT_PTRACEABLE],
]);

export interface ProcOptions {
  readonly hidepid: number;
  /** Who is in it sees all. */
  readonly gid: number;
  /** Processes, self and thread-self alone. */
  readonly isPidOnly: boolean;
}

export const DEFAULT_PROC_OPTIONS: ProcOptions = {
  hidepid: HIDEPID_OFF,
  gid: 0,
  isPidOnly: false,
};

/** The options in `data` in the place of those in `old`; EINVAL. */
export function parseProcOptions(
  data: string,
  userns: UserNamespace,
  old = DEFAULT_PROC_OPTIONS,
): ProcOptions | Errno {
  let { hidepid, gid, isPidOnly } = old;
  for (const option of data.split(",")) {
    if (option === "") continue;
    const [name, value = ""] = option.split("=", 2);
    if (name === "hidepid" && HIDEPIDS.has(value)) hidepid = HIDEPIDS.get(value)!;
    else if (name === "gid" && /^\d{1,10}$/.test(value)) gid = userns.kgid(Number(value));
    else if (name === "subset" && value === "pid") isPidOnly = true;
    else return EINVAL;
    if (gid === NO_ID) return EINVAL;
  }
  return { hidepid, gid, isPidOnly };
}

export function showProcOptions(
  { hidepid, gid, isPidOnly }: ProcOptions,
  ns: UserNamespace,
): string {
  const shown: string[] = [];
  if (gid !== 0) shown.push(`gid=${ns.shownGid(gid)}`);
  const names = [...HIDEPIDS].filter(([name, value]) => value === hidepid && !/^\d/.test(name));
  if (hidepid !== HIDEPID_OFF) shown.push(`hidepid=${names[0]![0]}`);
  if (isPidOnly) shown.push("subset=pid");
  return shown.join(",");
}
