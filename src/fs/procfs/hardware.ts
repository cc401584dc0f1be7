/**
 * The texts of /proc about what the machine is made of: interrupts, physical memory and its
 * allocator, consoles. Of what is not there, nothing is told. See proc(5).
 */
import { HVC_MAJOR } from "../../abi/devices.ts";
import { LOOP_CTRL_MINOR, MISC_MAJOR } from "../../abi/loop.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import { makedev } from "../../vfs/device.ts";
import { CHUNK_PAGES, PAGE_SIZE } from "../../vm/param.ts";
import { hex } from "./format.ts";
import type { ProcFs } from "./procfs.ts";

/** What comes into the kernel from outside, by Linux's numbers for a RISC-V hart's own interrupts. */
const TIMER_IRQ = 5;
const EXTERNAL_IRQ = 9;
/** Orders of Linux's page allocator; ours knows single pages and chunks. */
const ORDERS = 11;
const CHUNK_ORDER = Math.log2(CHUNK_PAGES);
const SOFTIRQS = "HI TIMER NET_TX NET_RX BLOCK IRQ_POLL TASKLET SCHED HRTIMER RCU".split(" ");

interface Irq {
  readonly number: number;
  readonly name: string;
  readonly count: number;
}

export function interruptsText(fs: ProcFs): string {
  let s = `           CPU${fs.table.cpu.id}       \n`;
  for (const { number, name, count } of irqs(fs)) {
    s += `${String(number).padStart(3)}: ${String(count).padStart(10)}  RISC-V INTC  ${String(number).padStart(2)} Edge      ${name}\n`;
  }
  return s;
}

/** The same for /proc/stat: all, then each from number 0 on. */
export function interruptCounts(fs: ProcFs): string {
  const counts: number[] = new Array(EXTERNAL_IRQ + 1).fill(0);
  for (const { number, count } of irqs(fs)) counts[number] = count;
  return [counts.reduce((sum, n) => sum + n, 0), ...counts].join(" ");
}

function irqs(fs: ProcFs): readonly Irq[] {
  const { meter } = fs.table.cpu;
  return [
    { number: TIMER_IRQ, name: "riscv-timer", count: meter.expiries },
    { number: EXTERNAL_IRQ, name: "doorbell", count: meter.interrupts },
  ];
}

/** There are none: what is put off runs as part of what put it off. */
export function softirqsText(fs: ProcFs): string {
  const zero = "0".padStart(11);
  const rows = SOFTIRQS.map((name) => `${`${name}:`.padStart(12)}${zero}\n`);
  return `${`CPU${fs.table.cpu.id}`.padStart(24)}       \n${rows.join("")}`;
}

export function buddyinfoText(fs: ProcFs): string {
  const { freePages, freeChunks } = fs.table.pages;
  const blocks: number[] = new Array(ORDERS).fill(0);
  blocks[0] = freePages - freeChunks * CHUNK_PAGES;
  blocks[CHUNK_ORDER] = freeChunks;
  return `Node 0, zone   Normal ${blocks.map((n) => `${String(n).padStart(6)} `).join("")}\n`;
}

export function zoneinfoText(fs: ProcFs): string {
  const { pages, machine } = fs.table;
  const { queue, writeback } = pages;
  const active = queue.activePages;
  const row = (name: string, n: number): string => `      ${name.padEnd(12)} ${n}\n`;
  const column = (name: string, n: number): string => `        ${name.padEnd(8)} ${n}\n`;
  return (
    "Node 0, zone   Normal\n  per-node stats\n" +
    row("nr_inactive_file", queue.length - active) +
    row("nr_active_file", active) +
    row("nr_dirty", writeback.dirtyPages) +
    row("nr_dirtied", writeback.dirtied) +
    row("nr_written", writeback.written) +
    `  pages free     ${pages.freePages}\n` +
    column("boost", 0) +
    column("min", 0) +
    column("low", 0) +
    column("high", 0) +
    column("spanned", machine.mem.ramPages) +
    column("present", machine.mem.ramPages) +
    column("managed", pages.totalPages) +
    column("cma", 0) +
    "        protection: (0, 0)\n" +
    row("nr_free_pages", pages.freePages) +
    `  node_unreclaimable:  0\n  start_pfn:           ${machine.mem.ramBase / PAGE_SIZE}\n`
  );
}

/** Where memory is, for the privileged; the rest see that there is some. */
export function iomemText(fs: ProcFs): string {
  const { mem } = fs.table.machine;
  const isShown = fs.caller?.cred.hasCap(CAP_SYS_ADMIN) ?? false;
  const end = mem.ramBase + mem.ramPages * PAGE_SIZE - 1;
  return `${hex(isShown ? mem.ramBase : 0, 8)}-${hex(isShown ? end : 0, 8)} : System RAM\n`;
}

export function consolesText(): string {
  return `${"hvc0".padEnd(21)}-W- (EC p  ) ${String(HVC_MAJOR).padStart(4)}:0\n`;
}

export function execdomainsText(): string {
  return "0-0\tLinux           \t[kernel]\n";
}

/** Miscellaneous devices by minor number. */
export function miscText(fs: ProcFs): string {
  let s = "";
  for (const [minor, name] of MISC_NAMES) {
    const isThere = fs.table.vfs.chrdevs.find(makedev(MISC_MAJOR, minor)) !== null;
    if (isThere) s += `${String(minor).padStart(3)} ${name}\n`;
  }
  return s;
}

const MISC_NAMES: readonly (readonly [number, string])[] = [[LOOP_CTRL_MINOR, "loop-control"]];

/** What the kernel counts of its objects: they lie outside the guest's memory, their sizes are estimates. */
export function slabinfoText(fs: ProcFs): string {
  const { table } = fs;
  const { kmem, names } = table.vfs;
  const rows: readonly (readonly [string, number, number])[] = [
    ["filp", kmem.openFiles, 512],
    ["dentry", names.count, 192],
    ["task_struct", table.threadCount, 4096],
  ];
  const lines = rows.map(([name, count, bytes]) => {
    const perSlab = Math.max(1, Math.floor(PAGE_SIZE / bytes));
    const slabs = Math.ceil(count / perSlab);
    const columns = [count, slabs * perSlab, bytes].map((n) => String(n).padStart(6)).join(" ");
    return `${name.padEnd(17)} ${columns} ${String(perSlab).padStart(4)} ${String(1).padStart(4)} : tunables ${"0".padStart(4)} ${"0".padStart(4)} ${"0".padStart(4)} : slabdata ${String(slabs).padStart(6)} ${String(slabs).padStart(6)} ${"0".padStart(6)}\n`;
  });
  return (
    "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : " +
    "tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n" +
    lines.join("")
  );
}
