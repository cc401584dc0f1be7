/**
 * What is in sysfs: names and values as Linux's, for the devices there are.
 *
 * A device lives below devices/; class/, block/ and dev/ link to it.
 */
import {
  HVC_MAJOR,
  MEM_FULL,
  MEM_KMSG,
  MEM_MAJOR,
  MEM_NULL,
  MEM_RANDOM,
  MEM_URANDOM,
  MEM_ZERO,
  TTYAUX_CONSOLE,
  TTYAUX_MAJOR,
  TTYAUX_PTMX,
  TTYAUX_TTY,
} from "../../abi/devices.ts";
import { LOOP_CTRL_MINOR, MISC_MAJOR } from "../../abi/loop.ts";
import type { Uevents } from "../../vfs/uevents.ts";
import { DiskTree } from "./disks.ts";
import { NetClassDir, NetDevicesDir } from "./net.ts";
import type { AttributeSource, SysDir } from "./nodes.ts";
import type { SysfsSources } from "./sysfs.ts";
import { addUevent } from "./uevent.ts";

type Device = readonly [name: string, major: number, minor: number];

const MEM_DEVICES: readonly Device[] = [
  ["null", MEM_MAJOR, MEM_NULL],
  ["zero", MEM_MAJOR, MEM_ZERO],
  ["full", MEM_MAJOR, MEM_FULL],
  ["random", MEM_MAJOR, MEM_RANDOM],
  ["urandom", MEM_MAJOR, MEM_URANDOM],
  ["kmsg", MEM_MAJOR, MEM_KMSG],
];

const TTY_DEVICES: readonly Device[] = [
  ["tty", TTYAUX_MAJOR, TTYAUX_TTY],
  ["console", TTYAUX_MAJOR, TTYAUX_CONSOLE],
  ["ptmx", TTYAUX_MAJOR, TTYAUX_PTMX],
  ["hvc0", HVC_MAJOR, 0],
];

/** What whoever a control group was delegated to may write in it; see docs/cgroups.md. */
const CGROUP_DELEGATED =
  "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\nmemory.oom.group\nmemory.reclaim\n";

export function populate(root: SysDir, sources: SysfsSources, uevents: Uevents): void {
  for (const top of ["block", "bus", "class", "dev", "devices", "firmware", "fs", "module"]) {
    root.dir(top);
  }
  root.dir("fs/cgroup");
  root.dir("kernel/cgroup").attribute("delegate", CGROUP_DELEGATED);
  root
    .dir("kernel/cgroup")
    .attribute("features", "nsdelegate\nfavordynmods\nmemory_recursiveprot\n");
  root.dir("kernel").attribute("uevent_seqnum", new Seqnum(uevents));
  addKernel(root);
  addCpus(root, sources.cpus);
  addCharacter(root, uevents, "misc", ["loop-control", MISC_MAJOR, LOOP_CTRL_MINOR]);
  for (const d of MEM_DEVICES) addCharacter(root, uevents, "mem", d);
  for (const d of TTY_DEVICES) addCharacter(root, uevents, "tty", d);
  root.dir("devices/virtual/tty/console").attribute("active", "hvc0\n");
  const devices = new NetDevicesDir(root.fs, sources.net);
  root.dir("devices/virtual").mountDir("net", devices);
  root.dir("class").mountDir("net", new NetClassDir(root.fs, sources.net, devices));
  sources.disks.observe(new DiskTree(root, uevents));
}

/** What the kernel is, for who cannot ask it otherwise: lscpu(1), systemd-detect-virt(1). */
function addKernel(root: SysDir): void {
  const kernel = root.dir("kernel");
  kernel.attribute("address_bits", "64\n");
  kernel.attribute("cpu_byteorder", "little\n");
  kernel.attribute("fscaps", "1\n");
  // What goes wrong ends the machine: nobody sees another number.
  kernel.attribute("oops_count", "0\n");
  kernel.attribute("warn_count", "0\n");
  root.dir("hypervisor").attribute("type", "vkernel\n");
  const clock = root.dir("devices/system/clocksource/clocksource0");
  clock.attribute("available_clocksource", "riscv_clocksource \n");
  clock.attribute("current_clocksource", "riscv_clocksource\n");
}

function addCpus(root: SysDir, cpus: number): void {
  const all = cpus === 1 ? "0" : `0-${cpus - 1}`;
  const dir = root.dir("devices/system/cpu");
  for (const name of ["online", "possible", "present"]) dir.attribute(name, `${all}\n`);
  dir.attribute("offline", "\n");
  dir.attribute("isolated", "\n");
  dir.attribute("kernel_max", `${cpus - 1}\n`);
  for (let cpu = 0; cpu < cpus; cpu++) {
    const mask = `${maskOf(cpu)}\n`;
    dir.dir(`cpu${cpu}`).addLink("subsystem", "../../../../bus/cpu");
    root.dir("bus/cpu/devices").addLink(`cpu${cpu}`, `../../../devices/system/cpu/cpu${cpu}`);
    const topology = dir.dir(`cpu${cpu}/topology`);
    topology.attribute("core_id", `${cpu}\n`);
    topology.attribute("physical_package_id", "0\n");
    for (const set of ["core_cpus", "thread_siblings"]) {
      topology.attribute(set, mask);
      topology.attribute(`${set}_list`, `${cpu}\n`);
    }
    for (const set of ["package_cpus", "core_siblings"]) {
      topology.attribute(set, `${((1n << BigInt(cpus)) - 1n).toString(16)}\n`);
      topology.attribute(`${set}_list`, `${all}\n`);
    }
  }
}

function maskOf(cpu: number): string {
  return (1n << BigInt(cpu)).toString(16);
}

class Seqnum implements AttributeSource {
  readonly #uevents: Uevents;

  constructor(uevents: Uevents) {
    this.#uevents = uevents;
  }

  text(): string {
    return `${this.#uevents.seqnum}\n`;
  }
}

function addCharacter(
  root: SysDir,
  uevents: Uevents,
  className: string,
  [name, major, minor]: Device,
): void {
  const path = `devices/virtual/${className}/${name}`;
  const dir = root.dir(path);
  dir.attribute("dev", `${major}:${minor}\n`);
  const numbers = [`MAJOR=${major}`, `MINOR=${minor}`, `DEVNAME=${name}`];
  addUevent(dir, uevents, path, className, numbers);
  dir.addLink("subsystem", `../../../../class/${className}`);
  root.dir(`class/${className}`).addLink(name, `../../devices/virtual/${className}/${name}`);
  root.dir("dev/char").addLink(`${major}:${minor}`, `../../devices/virtual/${className}/${name}`);
}
