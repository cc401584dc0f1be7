/**
 * Indirect jumps that may stay inside their region, as WebAssembly's br_table: by the address they go to, or, where the jump table is
 * known (jumptable.ts), by the index alone.
 */
import { I64, type Label } from "../../wasm/asm.ts";
import { type Op, rs1Of } from "./graph.ts";
import type { JitEmit } from "./jitemit.ts";
import type { JumpTable } from "./jumptable.ts";

/** Entries that a table by address may have: one for every two bytes between its targets. */
const MAX_TABLE = 2048;

/** Branches to the label of the address in a local, if it has one. */
export function stayInside(e: JitEmit, labels: ReadonlyMap<number, Label>, target: number): void {
  if (labels.size === 0) return;
  // The ways of a table have no room for that.
  e.convert(~0, 0);
  const low = Math.min(...labels.keys());
  const entries = (Math.max(...labels.keys()) - low) / 2 + 1;
  if (labels.size <= 2 || entries > MAX_TABLE) {
    for (const [pc, label] of labels) e.local_get(target).i64_const(pc).i64_eq().br_if(label);
    return;
  }
  const outside = e.block();
  const offset = e.temp(I64);
  e.local_get(target).i64_const(low).i64_sub().local_tee(offset);
  e.i64_const(entries * 2)
    .i64_ge_u()
    .unlikely()
    .br_if(outside);
  const table = Array.from({ length: entries }, (_, i) => labels.get(low + i * 2) ?? outside);
  e.local_get(offset).i32_wrap_i64().i32_const(1).i32_shr_u().br_table(table, outside);
  e.end();
}

/**
 * Goes by the index that `shift` reads, if the table is where it was and leads to an address that is `inside`: `go` emits the way
 * there. Else control goes on behind.
 */
export function goByIndex(
  e: JitEmit,
  { base, va, isWord, targets }: JumpTable,
  shift: Op,
  inside: ReadonlySet<number>,
  go: (pc: number) => void,
): void {
  const otherwise = e.block();
  const ways = new Map<number, Label>();
  for (const pc of targets) if (inside.has(pc) && !ways.has(pc)) ways.set(pc, e.block());
  e.op = shift;
  e.x(base).i64_const(va).i64_ne().unlikely().br_if(otherwise);
  if (!isWord && !e.isNarrow(rs1Of(shift))) {
    e.rs1().i64_const(targets.length).i64_ge_u().unlikely().br_if(otherwise);
  }
  e.rs1w().br_table(
    targets.map((pc) => ways.get(pc) ?? otherwise),
    otherwise,
  );
  for (const pc of [...ways.keys()].reverse()) {
    e.end();
    go(pc);
  }
  e.end();
}
