/**
 * A kernel, assembled: the root object from which all long-lived state can be
 * reached. Nothing runs yet when the constructor returns.
 */
import { failed } from "../abi/errno.ts";
import type { Terminals } from "../dev/terminals.ts";
import { addPtySysctls } from "../dev/tty/ptysysctls.ts";
import type { Devfs } from "../fs/devfs/devfs.ts";
import { addHostfsSysctls } from "../fs/hostfs/sysctls.ts";
import { KernelClock } from "../kern/clock.ts";
import { Cpu } from "../kern/cpu.ts";
import { HostInfo } from "../kern/hostinfo.ts";
import { LOG_INFO } from "../kern/log.ts";
import { panic } from "../kern/panic.ts";
import type { SysctlDir } from "../kern/sysctl.ts";
import { Machine } from "../machine/machine.ts";
import { attachNet } from "../net/attach.ts";
import type { Host } from "../platform/host.ts";
import { ProcTable } from "../proc/proctable.ts";
import { Vdso } from "../proc/vdso.ts";
import type { Disks } from "../vfs/disks.ts";
import { NameCache } from "../vfs/namecache.ts";
import { Syncer } from "../vfs/syncer.ts";
import { Vfs } from "../vfs/vfs.ts";
import { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { MachineConfig } from "./config.ts";
import { attachDisks, attachTerminals, makeNodes } from "./devices.ts";
import { registerFileSystems, registerProcfs, registerShares } from "./filesystems.ts";
import { Kprintf } from "./kprintf.ts";
import { MOUNTFROM, MOUNTFROM_OPTIONS } from "./rootdevice.ts";
import { sharedDirectories } from "./shares.ts";
import { VERSION } from "./version.ts";

const MIB = 2 ** 20;
/** Names that the name cache keeps although nobody uses them; fewer in a small machine. */
const MAX_NAMES = 32768;
/** Messages of a level below this reach the console: all, warnings and worse, or emergencies. */
const VERBOSE_LEVEL = 8;
const BOOT_LEVEL = 7;
const QUIET_LEVEL = 3;
/** As much as there can be, so that programs' pages find their homes free: vm/homes.ts. */
const SPARE_BYTES = 2 ** 31;

export class Kernel {
  readonly host: Host;
  readonly log: Kprintf;
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly pages: PageAllocator;
  readonly vfs: Vfs;
  readonly disks: Disks;
  readonly devfs: Devfs;
  readonly terminals: Terminals;
  readonly table: ProcTable;
  readonly sysctls: SysctlDir;

  constructor(host: Host, config: MachineConfig) {
    this.host = host;
    const clock = new KernelClock(host.clock);
    const isQuiet = config.program.kind === "command";
    const level = config.isVerbose ? VERBOSE_LEVEL : isQuiet ? QUIET_LEVEL : BOOT_LEVEL;
    this.log = new Kprintf(clock, host.console, level, config.isVerbose);
    this.log.log(LOG_INFO, `vkernel ${VERSION}: a Unix kernel in user space`);
    this.machine = new Machine({
      ramBytes: config.memoryBytes,
      spareBytes: SPARE_BYTES,
      clockNs: () => host.clock.monotonicNs(),
      maxCallDepth: host.callDepth,
      translations: config.translations ?? null,
    });
    this.cpu = new Cpu(0, clock);
    this.pages = new PageAllocator(this.machine.mem, this.machine);
    this.cpu.kmem = this.pages.kmem;
    this.pages.kmem.spender = this.cpu;
    this.cpu.meter = this.pages.meter;
    this.cpu.cgroups.memoryKeeper = this.pages.charges;
    this.pages.charges.throttler = this.cpu;
    this.pages.stalls = this.cpu.stalls;
    this.#announceMemory(config.memoryBytes);
    this.log.log(LOG_INFO, "cpu0: RV64GC, translated to WebAssembly");
    this.vfs = new Vfs(
      clock,
      new NameCache(Math.min(MAX_NAMES, this.pages.totalPages)),
      this.pages.kmem,
    );
    this.terminals = attachTerminals(this.vfs, host, this.log.msgbuf, this.log);
    this.log.log(LOG_INFO, "hvc0: <console>");
    this.disks = attachDisks(this.vfs, config.disks, this.log, this.cpu, this.pages);
    this.devfs = registerFileSystems(this.vfs, this.pages, this.disks, this.log);
    const shares = registerShares(this.vfs, this.pages, sharedDirectories(config.shares ?? []));
    makeNodes(this.devfs, this.disks, host);
    const vdso = Vdso.make(this.pages, clock);
    if (failed(vdso)) panic("no memory for the vDSO");
    this.table = new ProcTable({
      cpu: this.cpu,
      machine: this.machine,
      pages: this.pages,
      syncer: new Syncer(this.cpu, this.pages),
      vfs: this.vfs,
      entropy: host.entropy,
      vdso,
      info: new HostInfo(config.hostname, `#1 SMP vkernel ${VERSION}`, cmdlineOf(config)),
      msgbuf: this.log.msgbuf,
    });
    this.sysctls = registerProcfs(this.table, this.disks);
    addHostfsSysctls(this.sysctls, shares);
    addPtySysctls(this.sysctls, this.terminals.ptys);
    attachNet(this.vfs, this.cpu, this.sysctls, host.entropy, this.table.ns.net);
  }

  #announceMemory(bytes: number): void {
    const available = this.pages.freePages * PAGE_SIZE;
    this.log.log(LOG_INFO, `real memory  = ${bytes} (${Math.floor(bytes / MIB)} MiB)`);
    this.log.log(LOG_INFO, `avail memory = ${available} (${Math.floor(available / MIB)} MiB)`);
  }
}

/** What /proc/cmdline shows: the root, and the kernel environment. */
function cmdlineOf(config: MachineConfig): string {
  const root = config.kenv.get(MOUNTFROM)?.replace(/^.*:|\/dev\//g, "") ?? "vkd0";
  const options = (config.kenv.get(MOUNTFROM_OPTIONS) ?? "").split(",");
  const words = [`root=/dev/${root}`, options.includes("ro") ? "ro" : "rw", "console=hvc0"];
  for (const [name, value] of config.kenv) words.push(`${name}=${value}`);
  return words.join(" ");
}
