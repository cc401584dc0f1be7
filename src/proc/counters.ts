/**
 * The machine's counters by name: what happened since boot. Names are the
 * BSDs' where they have one (vm.stats.*, see sysctl(3)), ours below machdep.*.
 *
 * This list is the only place that names them: /proc/sys, `vkernel -v` and the
 * library's stats all read it.
 */
import { type SysctlDir, SysctlLeaf } from "../kern/sysctl.ts";
import type { ProcTable } from "./proctable.ts";

export interface Counter {
  readonly name: string;
  /** In words, for tables. */
  readonly what: string;
  read(table: ProcTable): number;
}

export const counters: readonly Counter[] = [
  counter("vm.stats.sys.v_syscall", "system calls", (t) => t.cpu.meter.syscalls),
  counter(
    "vm.stats.sys.v_trap",
    "faults and exceptions of programs",
    (t) => t.cpu.meter.faultTraps,
  ),
  counter("vm.stats.sys.v_swtch", "context switches", (t) => t.cpu.switches),
  counter("vm.stats.sys.v_intr", "doorbells from the host", (t) => t.cpu.meter.interrupts),
  counter("vm.stats.sys.v_timer", "slices that ran out of fuel", (t) => t.cpu.meter.expiries),
  counter("vm.stats.vm.v_vm_faults", "page faults", (t) => t.cpu.meter.faults),
  counter("vm.stats.vm.v_io_faults", "of these, read from a file", (t) => t.cpu.meter.majorFaults),
  counter("vm.stats.vm.v_cow_faults", "of these, copy on write", (t) => t.cpu.meter.cowFaults),
  counter("vm.stats.vm.v_zfod", "of these, zero fill", (t) => t.cpu.meter.zeroFaults),
  counter("vm.stats.vm.v_refused", "of these, not allowed", (t) => t.cpu.meter.refusedFaults),
  counter("vm.stats.vm.v_wild", "faults outside of all mappings", (t) => t.cpu.meter.wildFaults),
  counter("vm.stats.vm.v_home", "private pages made at home", (t) => t.cpu.meter.homePages),
  counter("vm.stats.vm.v_away", "private pages made elsewhere", (t) => t.cpu.meter.awayPages),
  counter("vm.stats.vm.v_homecomings", "pages brought home", (t) => t.cpu.meter.homecomings),
  counter("vm.stats.vm.v_forks", "forks", (t) => t.cpu.meter.forks),
  counter("vm.stats.vm.v_vforks", "vforks", (t) => t.cpu.meter.vforks),
  counter("vm.stats.vm.v_rforks", "threads started", (t) => t.cpu.meter.rforks),
  counter("vm.stats.vm.v_execs", "programs started", (t) => t.cpu.meter.execs),
  counter("machdep.jit.regions", "regions compiled now", (t) => t.machine.stats.regions),
  counter("machdep.jit.regions_made", "regions made", (t) => t.machine.stats.regionsMade),
  counter(
    "machdep.jit.regions_restored",
    "of these, made by an earlier machine",
    (t) => t.machine.stats.regionsRestored,
  ),
  counter("machdep.jit.regions_dropped", "regions dropped", (t) => t.machine.stats.regionsDropped),
  counter(
    "machdep.jit.regions_evicted",
    "of these, for room",
    (t) => t.machine.stats.regionsEvicted,
  ),
  counter("machdep.jit.doubts", "doubts about floating point", (t) => t.machine.stats.doubts),
  counter(
    "machdep.jit.misses",
    "TLB misses that left compiled code",
    (t) => t.machine.stats.misses,
  ),
  counter(
    "machdep.jit.strays",
    "branches that left compiled code for what it had left out",
    (t) => t.machine.stats.strays,
  ),
  counter(
    "machdep.jit.regions_remade",
    "regions compiled again with that",
    (t) => t.machine.stats.regionsRemade,
  ),
  counter(
    "machdep.jit.regions_careful",
    "regions compiled again with care",
    (t) => t.machine.stats.regionsCareful,
  ),
  counter(
    "machdep.jit.regions_refused",
    "regions that WebAssembly refused: please report",
    (t) => t.machine.stats.regionsRefused,
  ),
  counter("machdep.jit.modules", "modules made", (t) => t.machine.stats.modules),
  counter("machdep.jit.insns", "instructions compiled", (t) => t.machine.stats.insnsTranslated),
  counter("machdep.jit.bytes", "bytes of WebAssembly made", (t) => t.machine.stats.bytesTranslated),
  counter("machdep.jit.time_us", "microseconds spent compiling", (t) =>
    Math.round(t.machine.stats.translateNs / 1000),
  ),
  counter("machdep.jit.visits", "jumps reported by the interpreter", (t) => t.machine.stats.visits),
  counter("machdep.tlb.misses", "TLB misses", (t) => tlb(t).tlbMisses),
  counter("machdep.tlb.second_hits", "of these, known to the second level", (t) => {
    const { tlbMisses, tlbWalks } = tlb(t);
    return tlbMisses - tlbWalks;
  }),
  counter("machdep.tlb.walks", "page table walks", (t) => tlb(t).tlbWalks),
];

export function addCounterSysctls(tree: SysctlDir, table: ProcTable): void {
  for (const c of counters) tree.add(c.name, new CounterLeaf(c, table));
}

class CounterLeaf extends SysctlLeaf {
  readonly #counter: Counter;
  readonly #table: ProcTable;

  constructor(what: Counter, table: ProcTable) {
    super(0o444);
    this.#counter = what;
    this.#table = table;
  }

  read(): string {
    return String(this.#counter.read(this.#table));
  }
}

function counter(name: string, what: string, read: (table: ProcTable) => number): Counter {
  return { name, what, read };
}

/** Harts count in their own memory: brought together first. */
function tlb({ machine }: ProcTable): { readonly tlbMisses: number; readonly tlbWalks: number } {
  machine.settleStats();
  return machine.stats;
}
