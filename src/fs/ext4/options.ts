/**
 * Mount options of ext4: those of ext4(5) that mean something, or nothing, to a
 * read-only mount. An unknown option refuses the mount, as Linux does.
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";

const flags: ReadonlySet<string> = new Set([
  "acl",
  "auto_da_alloc",
  "barrier",
  "block_validity",
  "bsddf",
  "debug",
  "delalloc",
  "dioread_lock",
  "dioread_nolock",
  "discard",
  "grpid",
  "bsdgroups",
  "i_version",
  "init_itable",
  "journal_checksum",
  "lazytime",
  "load",
  "minixdf",
  "noacl",
  "noauto_da_alloc",
  "nobarrier",
  "noblock_validity",
  "nodelalloc",
  "nodiscard",
  "nogrpid",
  "noinit_itable",
  "nojournal_checksum",
  "nolazytime",
  "noload",
  "norecovery",
  "noquota",
  "nouser_xattr",
  "nouid32",
  "oldalloc",
  "orlov",
  "sysvgroups",
  "user_xattr",
]);

/** Options with a value, and the values they may have. */
const values: ReadonlyMap<string, RegExp> = new Map([
  ["barrier", /^[01]$/],
  ["commit", /^\d{1,9}$/],
  ["data", /^(journal|ordered|writeback)$/],
  ["errors", /^(continue|remount-ro|panic)$/],
  ["init_itable", /^\d{1,9}$/],
  ["inode_readahead_blks", /^\d{1,9}$/],
  ["max_batch_time", /^\d{1,9}$/],
  ["max_dir_size_kb", /^\d{1,9}$/],
  ["min_batch_time", /^\d{1,9}$/],
  ["resgid", /^\d{1,9}$/],
  ["resuid", /^\d{1,9}$/],
  ["stripe", /^\d{1,9}$/],
]);

/** The options as /proc/mounts shows them, or EINVAL. */
export function parseOptions(data: string): string | Errno {
  const shown: string[] = [];
  for (const option of data.split(",")) {
    if (option === "") continue;
    const eq = option.indexOf("=");
    const name = eq < 0 ? option : option.slice(0, eq);
    const isKnown = eq < 0 ? flags.has(name) : values.get(name)?.test(option.slice(eq + 1));
    if (!isKnown) return EINVAL;
    shown.push(option);
  }
  return shown.join(",");
}
