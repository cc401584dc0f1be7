/**
 * Memory accesses of one block that go through the same base register, near each other.
 *
 * The first of a group looks up the whole span at once; if one TLB window covers it, the
 * others need no lookup of their own. Within a block nothing can take that away: mappings
 * change only in the kernel, and calls end blocks.
 */
import { type Op, rs1Of } from "./graph.ts";
import { writesOf } from "./regs.ts";

/** Bytes a group may span: well within a page, so that it seldom straddles two. */
const MAX_SPAN = 512;

export interface Group {
  readonly base: number;
  /** Lowest and highest offset from the base register: [min, max). */
  min: number;
  max: number;
  /** Some member stores: the write TLB is asked. */
  hasStore: boolean;
  members: number;
  /** Local that holds the physical address of base + min; 0 while there is none. */
  local: number;
  /** The member that comes first. */
  readonly head: Op;
}

/** The group of each access that has company. */
export function groupsOf(ops: readonly Op[]): Map<Op, Group> {
  const open = new Map<number, Group>();
  const all = new Map<Op, Group>();
  for (const op of ops) {
    const bytes = op.traits.accessBytes;
    if (bytes > 0 && rs1Of(op) !== 0) all.set(op, joinGroup(open, op, bytes));
    const written = writesOf(op).x;
    for (const base of open.keys()) if (written & (1 << base)) open.delete(base);
  }
  for (const [op, group] of all) if (group.members < 2) all.delete(op);
  return all;
}

function joinGroup(open: Map<number, Group>, op: Op, bytes: number): Group {
  const base = rs1Of(op);
  const { imm, traits } = op;
  const known = open.get(base);
  if (known) {
    const min = Math.min(known.min, imm);
    const max = Math.max(known.max, imm + bytes);
    if (max - min <= MAX_SPAN) {
      known.min = min;
      known.max = max;
      known.hasStore ||= traits.stores;
      known.members++;
      return known;
    }
  }
  const max = imm + bytes;
  const group = { base, min: imm, max, hasStore: traits.stores, members: 1, local: -1, head: op };
  open.set(base, group);
  return group;
}
