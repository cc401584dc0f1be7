/** The file system types that a machine knows; the only place that lists them. */
import { Vcd } from "../dev/vcd.ts";
import { Vkd } from "../dev/vkd.ts";
import { addVcdSysctls, addVkdSysctls } from "../dev/vkdsysctl.ts";
import { CgroupFsType } from "../fs/cgroupfs/cgroupfs.ts";
import { Devfs, DevfsType } from "../fs/devfs/devfs.ts";
import { DevptsType } from "../fs/devpts/devpts.ts";
import { type Ext4, Ext4Type } from "../fs/ext4/ext4.ts";
import { HostfsType, type SharedDirectory } from "../fs/hostfs/hostfs.ts";
import { Iso9660Type } from "../fs/iso9660/iso9660.ts";
import { addMqueueSysctls, MqueueType } from "../fs/mqueue/mqueuefs.ts";
import { OverlayType } from "../fs/overlayfs/mount.ts";
import { ProcFsType } from "../fs/procfs/procfs.ts";
import { SysfsType } from "../fs/sysfs/sysfs.ts";
import { TmpfsType } from "../fs/tmpfs/tmpfs.ts";
import type { KernelLog } from "../kern/log.ts";
import { SysctlDir } from "../kern/sysctl.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { addKernelSysctls } from "../proc/sysctls.ts";
import type { Disks } from "../vfs/disks.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { PageAllocator } from "../vm/page.ts";

/** Registers them; /dev itself comes back, to be filled. */
export function registerFileSystems(
  vfs: Vfs,
  pages: PageAllocator,
  disks: Disks,
  log: KernelLog,
): Devfs {
  const ext4s = new Map<number, Ext4>();
  for (const name of ["ext4", "ext3", "ext2"]) {
    vfs.registerType(new Ext4Type(name, disks, pages, log, vfs.clock, true, ext4s));
  }
  vfs.registerType(new Iso9660Type(disks, pages, log));
  vfs.registerType(new TmpfsType(vfs, pages));
  vfs.registerType(new TmpfsType(vfs, pages, "ramfs"));
  vfs.registerType(new OverlayType(log));
  vfs.registerType(new DevptsType(vfs));
  vfs.registerType(new SysfsType(vfs, { cpus: 1, disks, net: vfs.domains }));
  const devfs = new Devfs(vfs, pages);
  vfs.registerType(new DevfsType(devfs));
  return devfs;
}

/** What the machine was given of the host's files, by tag. */
export function registerShares(
  vfs: Vfs,
  pages: PageAllocator,
  shared: ReadonlyMap<string, SharedDirectory>,
): HostfsType {
  const type = new HostfsType(vfs, pages, shared);
  vfs.registerType(type);
  return type;
}

/** mqueue, procfs, and the sysctl tree that it shows: all need the process table. */
export function registerProcfs(table: ProcTable, disks: Disks): SysctlDir {
  const sysctls = new SysctlDir();
  addKernelSysctls(sysctls, table);
  for (const d of disks.all) {
    if (d instanceof Vkd) addVkdSysctls(sysctls, d);
    else if (d instanceof Vcd) addVcdSysctls(sysctls, d);
  }
  const mqueue = new MqueueType(table.vfs, table.cpu);
  table.vfs.registerType(mqueue);
  addMqueueSysctls(sysctls, mqueue);
  table.vfs.registerType(new CgroupFsType(table, disks));
  table.vfs.registerType(new ProcFsType({ table, sysctls, disks }));
  return sysctls;
}
