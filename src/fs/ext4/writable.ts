/**
 * A volume becomes writable, and stops being so: what mount, remount and
 * unmount note in the superblock. Source: ext4_setup_super and ext4_put_super
 * of fs/ext4/super.c.
 */
import { EINVAL, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { LOG_ERR, LOG_WARNING } from "../../kern/log.ts";
import { DirectTransaction } from "./directtransaction.ts";
import { unwritableFeatures } from "./features.ts";
import { STATE_ERROR, STATE_VALID, SuperBlock } from "./layout.ts";
import type { MountOptions } from "./options.ts";
import { NoTransaction } from "./transaction.ts";
import type { ErrorPolicy, Volume } from "./volume.ts";

/** s_errors of the superblock; a damaged volume's wish to stop the machine is not granted. */
const policies: readonly ErrorPolicy[] = ["continue", "continue", "remount-ro", "remount-ro"];

/** Opens the volume's first transaction. 0; EROFS, or EINVAL for features that forbid it; EIO. */
export function startWriting(volume: Volume, options: MountOptions): number {
  const refuse = (why: string, error: Errno): Errno => {
    volume.log.log(LOG_ERR, `EXT4-fs (${volume.device.name}): ${why}`);
    return error;
  };
  if (volume.device.isReadOnly) {
    return refuse("write access unavailable, cannot proceed", EROFS);
  }
  const lacking = unwritableFeatures(volume.incompat, volume.roCompat);
  if (lacking !== "") {
    const why = `couldn't mount RDWR because of unsupported optional features (${lacking})`;
    return refuse(why, EINVAL);
  }
  const counted = volume.groups.load();
  if (failed(counted)) return refuse("bad group descriptors", counted);
  const sb = SuperBlock;
  const view = volume.superView;
  const state = sb.s_state.get(view, 0);
  volume.errorPolicy = options.errors ?? policies[sb.s_errors.get(view, 0)] ?? "remount-ro";
  if ((state & STATE_ERROR) !== 0) {
    const why = "warning: mounting fs with errors, running e2fsck is recommended";
    volume.log.log(LOG_WARNING, `EXT4-fs (${volume.device.name}): ${why}`);
  } else if ((state & STATE_VALID) === 0) {
    const why = "warning: mounting unchecked fs, running e2fsck is recommended";
    volume.log.log(LOG_WARNING, `EXT4-fs (${volume.device.name}): ${why}`);
  }
  volume.tx = new DirectTransaction(volume);
  const r = volume.tx.start(1);
  if (failed(r)) return r;
  const now = volume.clock.realtime().sec;
  volume.superChanged();
  sb.s_state.set(view, 0, state & ~STATE_VALID);
  sb.s_mtime.set(view, 0, now);
  sb.s_wtime.set(view, 0, now);
  sb.s_mnt_count.set(view, 0, (sb.s_mnt_count.get(view, 0) + 1) & 0xffff);
  volume.tx.stop();
  return volume.tx.commit();
}

/** Brings everything to its place and notes that the volume is whole. 0 or EIO. */
export function stopWriting(volume: Volume): number {
  const { tx } = volume;
  if (tx.isReadOnly) {
    volume.tx = new NoTransaction();
    return 0;
  }
  let r = tx.checkpoint();
  if (!failed(r)) r = tx.start(1);
  if (!failed(r)) {
    const view = volume.superView;
    volume.superChanged();
    SuperBlock.s_state.set(view, 0, SuperBlock.s_state.get(view, 0) | STATE_VALID);
    SuperBlock.s_wtime.set(view, 0, volume.clock.realtime().sec);
    tx.stop();
    r = tx.checkpoint();
  }
  volume.tx = new NoTransaction();
  return r;
}
