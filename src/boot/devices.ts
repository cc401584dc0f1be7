/**
 * The devices of a machine: attached in order, announced, and given their nodes in /dev.
 */
import { registerTerminals, type Terminals } from "../dev/terminals.ts";
import { Disks, VKD_MAJOR, VKD_MINORS, VKD_UNITS, Vkd } from "../dev/vkd.ts";
import { VkdDriver } from "../dev/vkdfile.ts";
import type { Devfs } from "../fs/devfs/devfs.ts";
import { type KernelLog, LOG_INFO } from "../kern/log.ts";
import type { MsgBuf } from "../kern/msgbuf.ts";
import type { Host } from "../platform/host.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { DiskConfig } from "./config.ts";

/** Of a copy-on-write disk without a file for its writes: what it may keep in memory. */
const OVERLAY_LIMIT_BYTES = 1 << 30;
const MIB = 2 ** 20;

export function attachDisks(vfs: Vfs, configs: readonly DiskConfig[], log: KernelLog): Disks {
  const disks = new Disks();
  configs.forEach((c, unit) => {
    const disk = new Vkd(unit, c.store, {
      isCopyOnWrite: c.isCopyOnWrite,
      overlayLimitBytes: OVERLAY_LIMIT_BYTES,
      serial: c.serial,
    });
    disks.add(disk);
    const mode = c.isCopyOnWrite ? "copy-on-write" : "read-write";
    const serial = c.serial ? `, serno ${c.serial}` : "";
    log.log(
      LOG_INFO,
      `${disk.name}: <virtual disk> ${Math.floor(c.store.sizeBytes / MIB)} MiB, ${mode}${serial}`,
    );
  });
  vfs.blkdevs.register("vkd", VKD_MAJOR, 0, VKD_UNITS * VKD_MINORS, new VkdDriver(disks));
  return disks;
}

export function attachTerminals(vfs: Vfs, host: Host, msgbuf: MsgBuf, log: KernelLog): Terminals {
  return registerTerminals(vfs, host, msgbuf, log);
}

/** Names what this machine has beyond the standard nodes. */
export function makeNodes(devfs: Devfs, disks: Disks, host: Host): void {
  for (const d of disks.all) devfs.addDisk(d.name, d.rdev);
  if (host.stdin) devfs.addHostStream(0);
  if (host.stdout) devfs.addHostStream(1);
  if (host.stderr) devfs.addHostStream(2);
}
