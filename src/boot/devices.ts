/**
 * The devices of a machine: attached in order, announced, and given their nodes in /dev.
 */
import { BLOCK_EXT_MAJOR, LOOP_CTRL_MINOR, LOOP_MAJOR, MISC_MAJOR } from "../abi/loop.ts";
import { IoLimit } from "../dev/iolimit.ts";
import { LoopControlDriver, LoopDriver } from "../dev/loop/loopdriver.ts";
import { LOOP_NODES, LOOP_UNITS, Loops } from "../dev/loop/loops.ts";
import { rescanPartitions } from "../dev/partition/scan.ts";
import { registerTerminals, type Terminals } from "../dev/terminals.ts";
import { VCD_MAJOR, VCD_MINORS, VCD_UNITS, Vcd } from "../dev/vcd.ts";
import { VKD_MAJOR, VKD_MINORS, VKD_UNITS, Vkd } from "../dev/vkd.ts";
import { VkdDriver } from "../dev/vkdfile.ts";
import type { Devfs } from "../fs/devfs/devfs.ts";
import type { Cpu } from "../kern/cpu.ts";
import { type KernelLog, LOG_INFO } from "../kern/log.ts";
import type { MsgBuf } from "../kern/msgbuf.ts";
import type { Host } from "../platform/host.ts";
import { makedev } from "../vfs/device.ts";
import { Disks } from "../vfs/disks.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { PageAllocator } from "../vm/page.ts";
import type { DiskConfig } from "./config.ts";
import { DiskNodes } from "./disknodes.ts";

/** Of a copy-on-write disk without a file for its writes: what it may keep in memory. */
const OVERLAY_LIMIT_BYTES = 1 << 30;
const MIB = 2 ** 20;
/** As Debian numbers it. */
const GID_DISK = 6;

export function attachDisks(
  vfs: Vfs,
  configs: readonly DiskConfig[],
  log: KernelLog,
  cpu: Cpu,
  pages: PageAllocator,
): Disks {
  const disks = new Disks();
  let vkds = 0;
  let vcds = 0;
  for (const c of configs) {
    const limit = c.rates ? new IoLimit(c.rates, cpu) : null;
    const disk = c.isCd
      ? new Vcd(vcds++, c.store, c.serial, limit, cpu.clock)
      : new Vkd(vkds++, c.store, {
          isCopyOnWrite: c.isCopyOnWrite,
          overlayLimitBytes: c.cowLimitBytes ?? OVERLAY_LIMIT_BYTES,
          serial: c.serial,
          limit,
          cpu,
          log,
        });
    disks.add(disk);
    if (disk instanceof Vkd) rescanPartitions(disks, disk, () => false);
    announce(disk, disks, log);
  }
  const driver = new VkdDriver(disks, vfs.mounts, pages);
  vfs.blkdevs.register("vkd", VKD_MAJOR, 0, VKD_UNITS * VKD_MINORS, driver);
  vfs.blkdevs.register("vcd", VCD_MAJOR, 0, VCD_UNITS * VCD_MINORS, driver);
  attachLoops(vfs, disks, driver, cpu);
  return disks;
}

function attachLoops(vfs: Vfs, disks: Disks, driver: VkdDriver, cpu: Cpu): void {
  const loops = new Loops(disks, vfs.mounts, cpu.clock);
  vfs.blkdevs.register("loop", LOOP_MAJOR, 0, LOOP_UNITS, new LoopDriver(loops, driver));
  vfs.blkdevs.register("blkext", BLOCK_EXT_MAJOR, 0, LOOP_UNITS * VKD_MINORS, driver);
  vfs.chrdevs.register("misc", MISC_MAJOR, LOOP_CTRL_MINOR, 1, new LoopControlDriver(loops));
}

function announce(disk: Vkd | Vcd, disks: Disks, log: KernelLog): void {
  const isCow = disk instanceof Vkd && disk.isCopyOnWrite;
  const mode = isCow ? "copy-on-write" : disk.isReadOnly ? "read-only" : "read-write";
  const kind = disk instanceof Vkd ? "virtual disk" : "virtual CD-ROM";
  const serial = disk.serial ? `, serno ${disk.serial}` : "";
  const size = `${Math.floor(disk.sizeBytes / MIB)} MiB`;
  log.log(LOG_INFO, `${disk.name}: <${kind}> ${size}, ${mode}${serial}`);
  const parts = disks.partitionsOf(disk).map((d) => d.name.slice(disk.name.length));
  if (parts.length > 0) log.log(LOG_INFO, ` ${disk.name}: ${parts.join(" ")}`);
}

export function attachTerminals(vfs: Vfs, host: Host, msgbuf: MsgBuf, log: KernelLog): Terminals {
  return registerTerminals(vfs, host, msgbuf, log);
}

/** Names what this machine has beyond the standard nodes. */
export function makeNodes(devfs: Devfs, disks: Disks, host: Host): void {
  disks.observe(new DiskNodes(devfs));
  if (disks.named("vcd0")) devfs.addLink("cdrom", "vcd0");
  devfs.addCharacter("loop-control", makedev(MISC_MAJOR, LOOP_CTRL_MINOR), 0o660, GID_DISK);
  for (let unit = 0; unit < LOOP_NODES; unit++) {
    devfs.addDisk(`loop${unit}`, makedev(LOOP_MAJOR, unit));
  }
  if (host.stdin) devfs.addHostStream(0);
  if (host.stdout) devfs.addHostStream(1);
  if (host.stderr) devfs.addHostStream(2);
}
