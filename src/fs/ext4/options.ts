/**
 * Mount options of ext4: those of ext4(5) that mean something here, or that may
 * be ignored. An unknown option refuses the mount, as Linux does, and so does
 * data=journal, which would promise what is not kept.
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";
import type { ErrorPolicy } from "./volume.ts";

export interface MountOptions {
  /** As /proc/mounts shows them. */
  readonly shown: string;
  /** noload: the volume as it lies, whatever its journal holds. */
  readonly isAsItLies: boolean;
  /** errors=; null: as the superblock says. */
  readonly errors: ErrorPolicy | null;
  /** data=writeback: contents need not be on the disk before what shows them. */
  readonly isWriteback: boolean;
  /** commit=: seconds after which a change is permanent by itself. */
  readonly commitSec: number;
  /** nobarrier: the disk is not asked to flush. */
  readonly isBarrierless: boolean;
  /** discard: the disk is told of blocks that were freed. */
  readonly isDiscarding: boolean;
  /** auto_da_alloc: what replaces a file is written out first, so that a crash leaves the old or the new. */
  readonly isReplacingSafely: boolean;
  /** resuid=, resgid=: who may use the reserved blocks; null: as the superblock says. */
  readonly resuid: number | null;
  readonly resgid: number | null;
  /** grpid, bsdgroups: a new file belongs to the group of its directory. */
  readonly inheritsGroup: boolean;
  /** Not noacl. */
  readonly hasAcls: boolean;
  /** Not nouser_xattr. */
  readonly hasUserXattrs: boolean;
}

/** Linux's, which commit=0 stands for too. */
const COMMIT_SEC = 5;

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
  "no_mbcache",
  "no_prefetch_block_bitmaps",
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
  "nombcache",
  "oldalloc",
  "orlov",
  "prefetch_block_bitmaps",
  "sysvgroups",
  "user_xattr",
]);

/** Options with a value, and the values they may have. */
const values: ReadonlyMap<string, RegExp> = new Map([
  ["barrier", /^[01]$/],
  ["commit", /^\d{1,9}$/],
  ["data", /^(ordered|writeback)$/],
  ["errors", /^(continue|remount-ro|panic)$/],
  ["init_itable", /^\d{1,9}$/],
  ["inode_readahead_blks", /^\d{1,9}$/],
  ["journal_ioprio", /^[0-7]$/],
  ["max_batch_time", /^\d{1,9}$/],
  ["max_dir_size_kb", /^\d{1,9}$/],
  ["mb_optimize_scan", /^[01]$/],
  ["min_batch_time", /^\d{1,9}$/],
  ["resgid", /^\d{1,9}$/],
  ["resuid", /^\d{1,9}$/],
  ["stripe", /^\d{1,9}$/],
]);

/** The options, or EINVAL. */
export function parseOptions(data: string): MountOptions | Errno {
  const shown = data.split(",").filter((option) => option !== "");
  let errors: ErrorPolicy | null = null;
  let isWriteback = false;
  let isBarrierless = false;
  let isAsItLies = false;
  let isDiscarding = false;
  let isReplacingSafely = true;
  let resuid: number | null = null;
  let resgid: number | null = null;
  let commitSec = COMMIT_SEC;
  let inheritsGroup = false;
  let hasAcls = true;
  let hasUserXattrs = true;
  for (const option of shown) {
    const eq = option.indexOf("=");
    const name = eq < 0 ? option : option.slice(0, eq);
    const value = option.slice(eq + 1);
    const isKnown = eq < 0 ? flags.has(name) : values.get(name)?.test(value);
    if (!isKnown) return EINVAL;
    if (name === "errors") errors = value as ErrorPolicy;
    if (name === "data") isWriteback = value === "writeback";
    if (name === "commit") commitSec = Number(value) || COMMIT_SEC;
    if (name === "barrier") isBarrierless = value === "0";
    if (name === "nobarrier") isBarrierless = true;
    if (name === "noload" || name === "norecovery") isAsItLies = true;
    if (name === "load") isAsItLies = false;
    if (name === "discard" || name === "nodiscard") isDiscarding = name === "discard";
    if (name === "auto_da_alloc") isReplacingSafely = true;
    if (name === "noauto_da_alloc") isReplacingSafely = false;
    if (name === "resuid") resuid = Number(value);
    if (name === "resgid") resgid = Number(value);
    if (name === "grpid" || name === "bsdgroups") inheritsGroup = true;
    if (name === "nogrpid" || name === "sysvgroups") inheritsGroup = false;
    if (name === "acl" || name === "noacl") hasAcls = name === "acl";
    if (name === "user_xattr" || name === "nouser_xattr") hasUserXattrs = name === "user_xattr";
  }
  return {
    shown: shown.join(","),
    isAsItLies,
    errors,
    isWriteback,
    commitSec,
    isBarrierless,
    isDiscarding,
    isReplacingSafely,
    resuid,
    resgid,
    inheritsGroup,
    hasAcls,
    hasUserXattrs,
  };
}
