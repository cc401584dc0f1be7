/**
 * A volume becomes writable, and stops being so: what mount, remount and
 * unmount do to its journal and note in its superblock.
 *
 * While it is writable with a journal, the superblock says that the journal
 * must be looked at (RECOVER); without one, that the volume is not known to be
 * whole. Source: ext4_setup_super, ext4_put_super of fs/ext4/super.c.
 */
import { EINVAL, EOPNOTSUPP, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { LOG_ERR, LOG_INFO, LOG_WARNING } from "../../kern/log.ts";
import { DirectTransaction } from "./directtransaction.ts";
import { recoverOrphans } from "./evict.ts";
import {
  COMPAT_HAS_JOURNAL,
  INCOMPAT_64BIT,
  INCOMPAT_RECOVER,
  unwritableFeatures,
} from "./features.ts";
import { Journal } from "./journal.ts";
import { JournalTransaction } from "./journaltransaction.ts";
import { STATE_ERROR, STATE_VALID, SuperBlock } from "./layout.ts";
import type { MountOptions } from "./options.ts";
import { RecoveredDevice } from "./recovereddevice.ts";
import { endOfLog } from "./recovery.ts";
import { NoTransaction, type Transaction } from "./transaction.ts";
import type { ErrorPolicy, Volume } from "./volume.ts";

/** Blocks of a log in which an operation has room. mke2fs makes journals of 1024 and more. */
const LOG_MIN = 512;

/** s_errors of the superblock; a volume's wish to stop the machine is not granted. */
const policies: readonly ErrorPolicy[] = ["continue", "continue", "remount-ro", "remount-ro"];

/** Opens the volume's first transaction. 0; EROFS, or EINVAL for what forbids it; EIO. */
export function startWriting(volume: Volume, options: MountOptions): number {
  if (volume.device.isReadOnly) {
    return refuse(volume, "write access unavailable, cannot proceed", EROFS);
  }
  const lacking = unwritableFeatures(volume.incompat, volume.roCompat);
  if (lacking !== "") {
    const why = `couldn't mount RDWR because of unsupported optional features (${lacking})`;
    return refuse(volume, why, EINVAL);
  }
  const counted = volume.alloc.load();
  if (failed(counted)) return refuse(volume, "bad group descriptors", counted);
  warn(volume);
  const view = volume.superView;
  volume.mountState = SuperBlock.s_state.get(view, 0);
  applyOptions(volume, options);
  const tx = openTransaction(volume, options);
  if (typeof tx === "number") return tx;
  volume.tx = tx;
  const r = changeSuperblock(volume, () => noteMount(volume, tx instanceof JournalTransaction));
  if (failed(r)) return refuse(volume, "unable to write superblock", r);
  const recovered = recoverOrphans(volume);
  if (!failed(recovered)) return 0;
  volume.tx = new NoTransaction();
  return refuse(volume, "orphan cleanup failed", recovered);
}

/** What a mount, or a remount, asks of a volume that is written. */
export function applyOptions(volume: Volume, options: MountOptions): void {
  const sb = SuperBlock;
  const { superView: view, alloc } = volume;
  volume.errorPolicy = options.errors ?? policies[sb.s_errors.get(view, 0)] ?? "remount-ro";
  alloc.isDiscarding = options.isDiscarding;
  alloc.resuid = options.resuid ?? sb.s_def_resuid.get(view, 0);
  alloc.resgid = options.resgid ?? sb.s_def_resgid.get(view, 0);
}

/** Brings everything to its place and notes that the volume is whole. 0 or EIO. */
export function stopWriting(volume: Volume): number {
  const { tx } = volume;
  if (tx.isReadOnly) {
    volume.tx = new NoTransaction();
    return 0;
  }
  let r = tx.checkpoint();
  if (!failed(r)) r = changeSuperblock(volume, () => noteUnmount(volume));
  if (!failed(r) && tx instanceof JournalTransaction) r = tx.close();
  volume.tx = new NoTransaction();
  return r;
}

/**
 * Has `change` change the superblock, and writes it. It is longer than what a disk writes
 * at once, so it goes into the log first: should it be torn, the log has it whole.
 */
function changeSuperblock(volume: Volume, change: () => void): number {
  let r = volume.tx.start(1);
  if (failed(r)) return r;
  change();
  volume.superChanged();
  volume.tx.stop();
  r = volume.tx.commit();
  return failed(r) ? r : volume.writeSuperblock();
}

function openTransaction(volume: Volume, options: MountOptions): Transaction | Errno {
  const { device } = volume;
  const needsRecovery =
    (SuperBlock.s_feature_incompat.get(volume.superView, 0) & INCOMPAT_RECOVER) !== 0;
  if ((volume.compat & COMPAT_HAS_JOURNAL) === 0 || options.isAsItLies) {
    if (!needsRecovery) return new DirectTransaction(volume, !options.isBarrierless);
    const why = "required journal recovery suppressed and not mounted read-only";
    return refuse(volume, why, EINVAL);
  }
  if (device instanceof RecoveredDevice) {
    const r = device.settle();
    if (failed(r)) return refuse(volume, "journal recovery failed", r) as Errno;
    volume.log.log(LOG_INFO, `EXT4-fs (${device.name}): recovery complete`);
  } else if (needsRecovery) {
    return refuse(volume, "mounted without its journal, which needs recovery", EINVAL);
  }
  const journal = Journal.open(volume);
  if (typeof journal === "number") return refuse(volume, "journal is damaged", journal);
  if (typeof journal === "string") return refuse(volume, journal, EOPNOTSUPP);
  if (journal.length < LOG_MIN) return refuse(volume, "journal too short", EINVAL);
  if (!journal.isVersion2) return refuse(volume, "journal of an old version", EOPNOTSUPP);
  // Without RECOVER the log has nothing that is not in its place; its numbers are used up.
  const last = device instanceof RecoveredDevice ? device.endSequence : endOfLog(journal);
  if (last < 0) return refuse(volume, "journal is damaged", last as Errno);
  const sequence = (last + 1) >>> 0;
  journal.chooseFeatures((volume.incompat & INCOMPAT_64BIT) !== 0, volume.hasMetadataCsum);
  let r = journal.writeSuper(journal.first, sequence, 0);
  if (!failed(r)) r = device.flush();
  if (failed(r)) return refuse(volume, "unable to write the journal's superblock", r) as Errno;
  return new JournalTransaction(journal, sequence, !options.isBarrierless);
}

function noteMount(volume: Volume, isJournaled: boolean): void {
  const sb = SuperBlock;
  const view = volume.superView;
  const now = volume.clock.realtime().sec;
  if (isJournaled) {
    sb.s_feature_incompat.set(view, 0, sb.s_feature_incompat.get(view, 0) | INCOMPAT_RECOVER);
  } else {
    sb.s_state.set(view, 0, sb.s_state.get(view, 0) & ~STATE_VALID);
  }
  sb.s_mtime.set(view, 0, now);
  sb.s_wtime.set(view, 0, now);
  sb.s_mnt_count.set(view, 0, (sb.s_mnt_count.get(view, 0) + 1) & 0xffff);
}

function noteUnmount(volume: Volume): void {
  const sb = SuperBlock;
  const view = volume.superView;
  sb.s_feature_incompat.set(view, 0, sb.s_feature_incompat.get(view, 0) & ~INCOMPAT_RECOVER);
  const state = sb.s_state.get(view, 0) | (volume.mountState & STATE_VALID);
  sb.s_state.set(view, 0, state);
  sb.s_wtime.set(view, 0, volume.clock.realtime().sec);
}

function warn(volume: Volume): void {
  const state = SuperBlock.s_state.get(volume.superView, 0);
  const what = (state & STATE_ERROR) !== 0 ? "fs with errors" : "unchecked fs";
  if ((state & STATE_ERROR) === 0 && (state & STATE_VALID) !== 0) return;
  const text = `warning: mounting ${what}, running e2fsck is recommended`;
  volume.log.log(LOG_WARNING, `EXT4-fs (${volume.device.name}): ${text}`);
}

function refuse(volume: Volume, why: string, error: Errno): Errno {
  volume.log.log(LOG_ERR, `EXT4-fs (${volume.device.name}): ${why}`);
  return error;
}
