/**
 * What a process takes back of its semaphore operations when it ends: SEM_UNDO of semop(2).
 *
 * Threads made with CLONE_SYSVSEM share a list; the last of them to end gives
 * each set the adjustments back. exec(3) keeps the list, fork(2) begins without one.
 */
import { SEMVMX } from "../abi/ipc.ts";
import type { SemSet } from "./sem.ts";

const UNDO_BYTES = 128;

/** Of one list for one set. */
export class SemUndo {
  readonly set: SemSet;
  readonly list: SemUndoList;
  readonly adjust: Int16Array;

  constructor(set: SemSet, list: SemUndoList) {
    this.set = set;
    this.list = list;
    this.adjust = new Int16Array(set.count);
  }

  get bytes(): number {
    return UNDO_BYTES + this.adjust.byteLength;
  }

  /** It is forgotten: the set or the list goes. */
  drop(): void {
    this.set.undos.delete(this);
    this.list.undos.delete(this.set);
    this.set.table.cpu.kmem.give(this.bytes);
  }
}

export class SemUndoList {
  refs = 1;
  readonly undos = new Map<SemSet, SemUndo>();

  hold(): this {
    this.refs++;
    return this;
  }

  /** The adjustments for `set`; null for want of memory. */
  of(set: SemSet): SemUndo | null {
    const known = this.undos.get(set);
    if (known) return known;
    const fresh = new SemUndo(set, this);
    if (!set.table.cpu.kmem.take(fresh.bytes)) return null;
    this.undos.set(set, fresh);
    set.undos.add(fresh);
    return fresh;
  }

  /** A thread of process `pid` ends, or goes its own way: the last one adjusts the sets. */
  release(pid: number): void {
    if (--this.refs > 0) return;
    for (const undo of [...this.undos.values()].reverse()) {
      const { set, adjust } = undo;
      undo.drop();
      for (const [num, by] of adjust.entries()) {
        if (by === 0) continue;
        set.values[num] = Math.min(Math.max(set.values[num]! + by, 0), SEMVMX);
        set.pids[num] = pid;
      }
      set.otimeSec = set.table.nowSec;
      set.settle();
    }
  }
}
