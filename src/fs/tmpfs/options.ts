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

/** What Linux's tmpfs takes and this one has no use for. */
const IGNORED = new Set(["huge", "mpol", "inode32", "inode64", "noswap", "nr_inodes", "rw", "ro"]);

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
      if (Number.isNaN(bytes)) return EINVAL;
      pages = Math.ceil(bytes / 4096);
    } else if (key === "nr_blocks") pages = memparse(value);
    else if (key === "nr_inodes") inodes = memparse(value);
    else if (key === "mode") mode = Number.parseInt(value, 8) & 0o7777;
    else if (key === "uid") uid = memparse(value);
    else if (key === "gid") gid = memparse(value);
    else if (!IGNORED.has(key)) return EINVAL;
  }
  const all = [pages, inodes, mode, uid, gid];
  if (all.some((n) => n !== null && Number.isNaN(n))) return EINVAL;
  return { pages, inodes, mode, uid, gid };
}

/** Digits with k, m, g or t behind; NaN for anything else. */
function memparse(value: string): number {
  const m = /^(\d{1,15})([kmgt]?)$/i.exec(value);
  if (!m) return Number.NaN;
  const shift = " kmgt".indexOf(m[2]!.toLowerCase() || " ");
  return Number(m[1]) * 1024 ** shift;
}
