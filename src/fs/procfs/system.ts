/**
 * The texts at the top of /proc that are about the machine as a whole, by name.
 * See proc(5).
 */
import { UTS_RELEASE, UTS_SYSNAME } from "../../abi/utsname.ts";
import { CPU, CPUSET, IO, MEMORY, PIDS } from "../../kern/cgroup/controllers.ts";
import { diskStatNumbers } from "../../vfs/blockdevice.ts";
import type { DeviceTable } from "../../vfs/device.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import { cpuinfoText } from "./cpuinfo.ts";
import {
  buddyinfoText,
  consolesText,
  execdomainsText,
  interruptsText,
  iomemText,
  miscText,
  slabinfoText,
  softirqsText,
  zoneinfoText,
} from "./hardware.ts";
import { keysText, keyUsersText } from "./keys.ts";
import { locksText } from "./locks.ts";
import { meminfoText, vmstatText } from "./meminfo.ts";
import type { ProcFs } from "./procfs.ts";
import { loadavgText, statText, uptimeText } from "./systemstat.ts";

export interface SystemTextDef {
  readonly mode: number;
  text(fs: ProcFs): string;
}

const readable = (text: SystemTextDef["text"]): SystemTextDef => ({ mode: 0o444, text });

export const systemTexts: ReadonlyMap<string, SystemTextDef> = new Map<string, SystemTextDef>([
  ["buddyinfo", readable(buddyinfoText)],
  ["cgroups", readable(cgroupsText)],
  ["cmdline", readable((fs) => `${fs.table.info.cmdline}\n`)],
  ["consoles", readable(consolesText)],
  ["cpuinfo", readable(cpuinfoText)],
  ["devices", readable(devicesText)],
  ["diskstats", readable(diskstatsText)],
  ["execdomains", readable(execdomainsText)],
  ["filesystems", readable(filesystemsText)],
  ["interrupts", readable(interruptsText)],
  ["iomem", readable(iomemText)],
  ["ioports", readable(() => "")],
  ["key-users", readable(keyUsersText)],
  ["keys", readable(keysText)],
  ["loadavg", readable(loadavgText)],
  ["locks", readable(locksText)],
  ["meminfo", readable(meminfoText)],
  ["misc", readable(miscText)],
  ["partitions", readable(partitionsText)],
  ["slabinfo", { mode: 0o400, text: slabinfoText }],
  ["softirqs", readable(softirqsText)],
  ["stat", readable(statText)],
  ["swaps", readable(() => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")],
  ["uptime", readable(uptimeText)],
  ["version", readable(versionText)],
  ["vmstat", readable(vmstatText)],
  ["zoneinfo", readable(zoneinfoText)],
]);

/** In Linux's order and by its older names; hierarchy 0 is that of cgroup2. */
const CGROUP_SUBSYSTEMS: readonly (readonly [string, number])[] = [
  ["cpuset", CPUSET],
  ["cpu", CPU],
  ["cpuacct", CPU],
  ["blkio", IO],
  ["memory", MEMORY],
  ["pids", PIDS],
];

function cgroupsText(fs: ProcFs): string {
  const groups = [...fs.table.cpu.cgroups.root.subtree()];
  let s = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n";
  for (const [name, bit] of CGROUP_SUBSYSTEMS) {
    const count = groups.filter((g) => (g.controllers & bit) !== 0).length;
    s += `${name}\t0\t${count}\t1\n`;
  }
  return s;
}

function versionText(fs: ProcFs): string {
  return `${UTS_SYSNAME} version ${UTS_RELEASE} (vkernel) ${fs.table.info.version}\n`;
}

function filesystemsText(fs: ProcFs): string {
  let s = "";
  for (const t of fs.table.vfs.types.values())
    s += `${t.needsDevice ? "" : "nodev"}\t${t.typeName}\n`;
  return s;
}

function devicesText(fs: ProcFs): string {
  const { chrdevs, blkdevs } = fs.table.vfs;
  return `Character devices:\n${majorLines(chrdevs)}\nBlock devices:\n${majorLines(blkdevs)}`;
}

function majorLines(table: DeviceTable): string {
  return table
    .majors()
    .map(([major, name]) => `${String(major).padStart(3)} ${name}\n`)
    .join("");
}

function partitionsText(fs: ProcFs): string {
  let s = "major minor  #blocks  name\n\n";
  for (const d of fs.disks.all) {
    if (d.sizeBytes === 0) continue;
    const blocks = String(Math.floor(d.sizeBytes / 1024)).padStart(10);
    s += `${String(majorOf(d.rdev)).padStart(4)}  ${String(minorOf(d.rdev)).padStart(7)} ${blocks} ${d.name}\n`;
  }
  return s;
}

function diskstatsText(fs: ProcFs): string {
  let s = "";
  for (const d of fs.disks.all) {
    const numbers = `${majorOf(d.rdev)}`.padStart(4) + `${minorOf(d.rdev)}`.padStart(8);
    s += `${numbers} ${d.name} ${diskStatNumbers(d.counts).join(" ")}\n`;
  }
  return s;
}
