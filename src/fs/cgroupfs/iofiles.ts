/** io.*: what a group transfers from and to disks, and may. See cgroup-v2.rst, "IO". */
import { EINVAL, ENODEV, ERANGE, failed } from "../../abi/errno.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import { IO } from "../../kern/cgroup/controllers.ts";
import { type IoLimits, IoUse, UNLIMITED } from "../../kern/cgroup/iogroup.ts";
import { majorOf, makedev, minorOf } from "../../vfs/device.ts";
import type { CgroupFs } from "./cgroupfs.ts";
import { type ControlFile, type ControlWrite, controlFile } from "./controlfile.ts";
import { maxOr, parseUnsigned } from "./parse.ts";

const SECTOR = 512;

export const ioFiles: readonly ControlFile[] = [
  controlFile({ name: "io.stat", controller: IO, where: "everywhere", text: statText }),
  controlFile({ name: "io.max", controller: IO, text: maxText, write: writeMax }),
];

function statText(group: Cgroup, fs: CgroupFs): string {
  let text = "";
  for (const [rdev, u] of group.io ? group.io.uses : diskUses(fs)) {
    if (u.reads + u.writes + u.discards === 0) continue;
    text +=
      `${deviceName(rdev)} rbytes=${u.readBytes} wbytes=${u.writtenBytes} rios=${u.reads} ` +
      `wios=${u.writes} dbytes=${u.discardedBytes} dios=${u.discards}\n`;
  }
  return text;
}

/** The root's is what the disks themselves counted. */
function diskUses(fs: CgroupFs): Map<number, IoUse> {
  const uses = new Map<number, IoUse>();
  for (const disk of fs.disks.all) {
    if (disk.place) continue;
    const use = new IoUse();
    const { counts } = disk;
    use.reads = counts.reads;
    use.writes = counts.writes;
    use.readBytes = counts.sectorsRead * SECTOR;
    use.writtenBytes = counts.sectorsWritten * SECTOR;
    use.discards = counts.discards;
    use.discardedBytes = counts.sectorsDiscarded * SECTOR;
    uses.set(disk.rdev, use);
  }
  return uses;
}

function deviceName(rdev: number): string {
  return `${majorOf(rdev)}:${minorOf(rdev)}`;
}

function maxText(group: Cgroup): string {
  let text = "";
  for (const [rdev, use] of group.io!.uses) {
    if (!use.isLimited) continue;
    const { rbps, wbps, riops, wiops } = use.limits;
    text += `${deviceName(rdev)} rbps=${maxOr(rbps)} wbps=${maxOr(wbps)} riops=${maxOr(riops)} wiops=${maxOr(wiops)}\n`;
  }
  return text;
}

/** "MAJOR:MINOR rbps=N wbps=N riops=N wiops=N", each N a number or "max"; what is not named stays. */
function writeMax({ group, text, fs }: ControlWrite): number {
  const [device = "", ...words] = text.split(/\s+/);
  const m = /^(\d{1,9}):(\d{1,9})$/.exec(device);
  if (!m) return EINVAL;
  const rdev = makedev(Number(m[1]), Number(m[2]));
  if (!fs.disks.all.some((d) => d.rdev === rdev && !d.place)) return ENODEV;
  const limits: IoLimits = { ...(group.io!.uses.get(rdev)?.limits ?? UNLIMITED) };
  for (const word of words) {
    const [key = "", value = ""] = word.split("=", 2);
    if (key !== "rbps" && key !== "wbps" && key !== "riops" && key !== "wiops") return EINVAL;
    const n = parseUnsigned(value);
    if (failed(n)) return EINVAL;
    if (n === 0) return ERANGE;
    limits[key] = n;
  }
  group.io!.use(rdev).limits = limits;
  return 0;
}
