/**
 * /proc/cpuinfo, in the form that Linux has on riscv64.
 */
import type { ProcFs } from "./procfs.ts";

/** What the machine executes; the base and its extensions as device trees spell them. */
const ISA = "rv64imafdc_zicntr_zicsr_zifencei";

export function cpuinfoText(fs: ProcFs): string {
  const { id } = fs.table.cpu;
  return (
    `processor\t: ${id}\nhart\t\t: ${id}\nisa\t\t: ${ISA}\nmmu\t\t: sv39\n` +
    "mvendorid\t: 0x0\nmarchid\t\t: 0x0\nmimpid\t\t: 0x0\n" +
    `hart isa\t: ${ISA}\n\n`
  );
}
