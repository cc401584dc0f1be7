/** Mount options of tmpfs: size, nr_blocks, nr_inodes, mode, uid, gid. See tmpfs(5). */
import { EINVAL, type Errno } from "../../abi/errno.ts";

/** Null: not given. A limit of 0 is none. */
export interface TmpfsOptions {
  readonly pages: number | null;
  readonly inodes: number | null;
  readonly mode: number | null;
  readonly uid: number | null;
  readonly gid: number | null;
}

export const NO_TMPFS_OPTIONS: TmpfsOptions = {
  pages: null,
  inodes: null,
  mode: null,
  uid: null,
  gid: null,
};

/** What Linux's tmpfs takes and this one has no use for: nothing is ever swapped, no page is huge. */
const IGNORED = new Set(["mpol", "inode32", "inode64", "noswap", "rw", "ro"]);
const HUGE_VALUES = new Set(["never", "always", "within_size", "advise"]);

/** `totalPages`: of the machine, for sizes in percent. EINVAL for what it does not know. */
export function parseTmpfsOptions(data: string, totalPages: number): TmpfsOptions | Errno {
  let { pages, inodes, mode, uid, gid } = NO_TMPFS_OPTIONS;
  for (const option of data.split(",")) {
    if (option === "") continue;
    const eq = option.indexOf("=");
    const key = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? "" : option.slice(eq + 1);
    if (key === "size") {
      const percent = /^(\d+)%$/.exec(value);
      const bytes = percent ? (totalPages * 4096 * Number(percent[1])) / 100 : memparse(value);
      pages = Math.ceil(bytes / 4096);
    } else if (key === "nr_blocks") pages = memparse(value);
    else if (key === "nr_inodes") inodes = memparse(value);
    else if (key === "mode") {
      if (!/^[0-7]{1,11}$/.test(value)) return EINVAL;
      mode = Number.parseInt(value, 8) & 0o7777;
    } else if (key === "uid") uid = id(value);
    else if (key === "gid") gid = id(value);
    else if (key === "huge") {
      if (!HUGE_VALUES.has(value)) return EINVAL;
    } else if (!IGNORED.has(key)) return EINVAL;
  }
  const all = [pages, inodes, mode, uid, gid];
  if (all.some((n) => n !== null && Number.isNaN(n))) return EINVAL;
  return { pages, inodes, mode, uid, gid };
}

/** A user or group id; NaN for anything else. */
function id(value: string): number {
  return /^\d{1,10}$/.test(value) && Number(value) < 0xffffffff ? Number(value) : Number.NaN;
}

/** ramfs takes any option and heeds only the mode. */
export function parseRamfsOptions(data: string): TmpfsOptions {
  const mode = /(?:^|,)mode=([0-7]{1,11})(?=,|$)/.exec(data);
  const bits = mode ? Number.parseInt(mode[1]!, 8) & 0o7777 : 0o755;
  return { pages: 0, inodes: 0, mode: bits, uid: null, gid: null };
}

/** Digits with k, m, g or t behind; NaN for anything else. */
function memparse(value: string): number {
  const m = /^(\d{1,15})([kmgtpe]?)$/i.exec(value);
  if (!m) return Number.NaN;
  const shift = " kmgtpe".indexOf(m[2]!.toLowerCase() || " ");
  return Number(m[1]) * 1024 ** shift;
}
