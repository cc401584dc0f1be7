/** Whether a thread's control group lets it open or make a device node (kern/cgroup/devicefilter.ts). */
import {
  BPF_DEVCG_ACC_MKNOD,
  BPF_DEVCG_ACC_READ,
  BPF_DEVCG_ACC_WRITE,
  BPF_DEVCG_DEV_BLOCK,
  BPF_DEVCG_DEV_CHAR,
} from "../abi/ebpf.ts";
import { failed } from "../abi/errno.ts";
import { S_IFBLK } from "../abi/stat.ts";
import { checkDeviceAccess } from "../kern/cgroup/devicefilter.ts";
import type { Thread } from "../kern/thread.ts";
import { MAY_READ, MAY_WRITE } from "./access.ts";
import { majorOf, minorOf } from "./device.ts";
import type { Vnode } from "./vnode.ts";

/** For the device node `vp`, to be read and written as `want` (MAY_*) says: 0, or EPERM. */
export function checkDeviceOpen(td: Thread, vp: Vnode, want: number): number {
  const a = vp.getattr();
  if (failed(a)) return a;
  let asked = (want & MAY_READ) !== 0 ? BPF_DEVCG_ACC_READ : 0;
  if ((want & MAY_WRITE) !== 0) asked |= BPF_DEVCG_ACC_WRITE;
  return check(td, vp.type, a.rdev, asked);
}

/** For a new node of `type` (S_IFCHR, S_IFBLK): 0, or EPERM. */
export function checkDeviceMake(td: Thread, type: number, rdev: number): number {
  return check(td, type, rdev, BPF_DEVCG_ACC_MKNOD);
}

function check(td: Thread, mode: number, rdev: number, asked: number): number {
  const { deviceFilter } = td.cgroup;
  if (!deviceFilter) return 0;
  return checkDeviceAccess(deviceFilter, {
    access: asked,
    type: mode === S_IFBLK ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
    major: majorOf(rdev),
    minor: minorOf(rdev),
  });
}
