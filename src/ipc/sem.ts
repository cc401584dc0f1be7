/**
 * System V semaphores: sets that change as a whole or not at all. See semget(2), semop(2), semctl(2).
 *
 * Whoever changes a set does, on behalf of those who sleep on it, what they
 * wait to do: first those that wait for zero, then the others as they came. A
 * sleeper learns from its waiter how it ended; it never looks for itself, so
 * nobody overtakes it. As ipc/sem.c of Linux does it.
 */
import { EAGAIN, EIDRM, EINVAL, ENOMEM, ENOSPC, ERANGE, type Errno, failed } from "../abi/errno.ts";
import { IPC_NOWAIT, SEM_UNDO, SEMVMX } from "../abi/ipc.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import type { Abandonable, Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { Waiter, WaitQueue } from "../kern/waitqueue.ts";
import { IpcIds } from "./ids.ts";
import { IpcObject } from "./ipcobject.ts";
import type { SemUndo } from "./semundo.ts";

const SEMMNI = 32000;
const SEMMSL = 32000;
const SEMOPM = 500;
/** What a set and each of its semaphores take, about; and an operation that is waited for. */
const SET_BYTES = 512;
const SEMAPHORE_BYTES = 8;
const OP_BYTES = 48;

/** One of the operations of a semop(2). */
export interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

export class SemTable {
  readonly ids: IpcIds<SemSet>;
  readonly cpu: Cpu;
  readonly userns: UserNamespace;
  /** Limits (kernel.sem): semaphores of a set and of all, operations of a call. */
  maxPerSet = SEMMSL;
  maxInAll = SEMMNI * SEMMSL;
  maxOps = SEMOPM;
  /** Semaphores of all sets. */
  inAll = 0;

  constructor(cpu: Cpu, userns: UserNamespace) {
    this.cpu = cpu;
    this.userns = userns;
    this.ids = new IpcIds(SEMMNI);
  }

  get nowSec(): number {
    return this.cpu.clock.realtime().sec;
  }

  /** semget(2): an identifier. */
  get(key: number, count: number, flags: number, cred: Cred): number {
    if (count < 0 || count > this.maxPerSet) return EINVAL;
    return this.ids.open(
      key,
      flags,
      cred,
      (set) => (count > set.count ? EINVAL : 0),
      () => this.#make(key, count, flags, cred),
    );
  }

  #make(key: number, count: number, flags: number, cred: Cred): SemSet | Errno {
    if (count === 0) return EINVAL;
    if (this.inAll + count > this.maxInAll) return ENOSPC;
    const full = this.ids.mayAdd();
    if (failed(full)) return full;
    if (!this.cpu.kmem.take(SET_BYTES + count * SEMAPHORE_BYTES)) return ENOMEM;
    this.inAll += count;
    return new SemSet(this, key, count, flags, cred);
  }

  /** Its name space ends. */
  removeAll(): void {
    for (const set of [...this.ids.all()]) this.remove(set);
  }

  /** IPC_RMID: who sleeps on it gets EIDRM. */
  remove(set: SemSet): void {
    this.ids.remove(set);
    this.inAll -= set.count;
    set.end();
    this.cpu.kmem.give(SET_BYTES + set.count * SEMAPHORE_BYTES);
  }
}

export class SemSet extends IpcObject {
  readonly table: SemTable;
  readonly values: Uint16Array;
  /** Who changed each last. */
  readonly pids: Int32Array;
  otimeSec = 0;
  /** What processes are to take back at their ends. */
  readonly undos = new Set<SemUndo>();
  readonly #forZero = new WaitQueue();
  readonly #toAlter = new WaitQueue();

  constructor(table: SemTable, key: number, count: number, flags: number, cred: Cred) {
    super(key, flags, cred, table.nowSec, table.userns);
    this.table = table;
    this.values = new Uint16Array(count);
    this.pids = new Int32Array(count);
  }

  get count(): number {
    return this.values.length;
  }

  /** Does all of `ops`, or puts `w` to sleep on them: 0, 1 if it sleeps, EAGAIN, ERANGE. */
  operate(w: SemWaiter): number {
    const r = this.#perform(w);
    if (r === 0) {
      this.otimeSec = this.table.nowSec;
      if (w.isAltering) this.settle();
    } else if (r > 0) {
      w.td.watchWith(w, w.isAltering ? this.#toAlter : this.#forZero);
    }
    return r;
  }

  /** Values changed: those who can go on now do. */
  settle(): void {
    this.#wakeZero();
    for (let w = first(this.#toAlter); w; ) {
      const next = w.next as SemWaiter | null;
      const r = this.#perform(w);
      if (r > 0) {
        w = next;
        continue;
      }
      w.finish(r);
      if (r === 0) {
        this.otimeSec = this.table.nowSec;
        this.#wakeZero();
      }
      // A single operation that slept can only have taken: nobody before it can go on for that.
      w = r === 0 && w.ops.length > 1 ? first(this.#toAlter) : next;
    }
  }

  /** How many wait for semaphore `num` to become zero, or to grow. */
  waiting(num: number, forZero: boolean): number {
    let n = 0;
    for (const queue of [this.#forZero, this.#toAlter]) {
      for (let w = first(queue); w; w = w.next as SemWaiter | null) {
        const { blocking } = w;
        if (blocking.num === num && (blocking.op === 0) === forZero) n++;
      }
    }
    return n;
  }

  /** SETVAL and SETALL: nothing of it is taken back at anybody's end any more. */
  setValue(num: number, value: number, pid: number): void {
    this.values[num] = value;
    this.pids[num] = pid;
    for (const undo of this.undos) undo.adjust[num] = 0;
  }

  end(): void {
    for (const undo of this.undos) undo.drop();
    for (const queue of [this.#forZero, this.#toAlter]) {
      for (let w = first(queue); w; w = first(queue)) w.finish(EIDRM);
    }
  }

  #wakeZero(): void {
    for (let w = first(this.#forZero); w; ) {
      const next = w.next as SemWaiter | null;
      const r = this.#perform(w);
      if (r <= 0) w.finish(r);
      if (r === 0) this.otimeSec = this.table.nowSec;
      w = next;
    }
  }

  /** 0 if all was done; an error, or 1 if one would block, with nothing done. */
  #perform(w: SemWaiter): number {
    const { values } = this;
    let done = 0;
    let r = 0;
    for (const o of w.ops) {
      r = this.#performOne(o, w);
      if (r !== 0) break;
      done++;
    }
    if (r === 0) {
      for (const { num } of w.ops) this.pids[num] = w.pid;
      return 0;
    }
    while (--done >= 0) {
      const { num, op, flags } = w.ops[done]!;
      values[num]! -= op;
      if ((flags & SEM_UNDO) !== 0) w.undo!.adjust[num]! += op;
    }
    return r;
  }

  #performOne(o: SemOp, w: SemWaiter): number {
    const value = this.values[o.num]!;
    const next = value + o.op;
    if (next < 0 || (o.op === 0 && value !== 0)) {
      w.blocking = o;
      return (o.flags & IPC_NOWAIT) !== 0 ? EAGAIN : 1;
    }
    if (next > SEMVMX) return ERANGE;
    if ((o.flags & SEM_UNDO) !== 0) {
      const adjust = w.undo!.adjust[o.num]! - o.op;
      if (adjust < -SEMVMX - 1 || adjust > SEMVMX) return ERANGE;
      w.undo!.adjust[o.num] = adjust;
    }
    this.values[o.num] = next;
    return 0;
  }
}

/** A semop(2) in progress, and how it ended. */
export class SemWaiter extends Waiter implements Abandonable {
  readonly td: Thread;
  readonly ops: readonly SemOp[];
  readonly isAltering: boolean;
  readonly undo: SemUndo | null;
  readonly pid: number;
  /** The operation that cannot be done. */
  blocking: SemOp;
  /** 0 or an error; 1 while it is not over. */
  status = 1;
  readonly #paidBytes: number;

  /** Null for want of memory. */
  static make(td: Thread, ops: readonly SemOp[], undo: SemUndo | null): SemWaiter | null {
    return td.cpu.kmem.take(ops.length * OP_BYTES) ? new SemWaiter(td, ops, undo) : null;
  }

  private constructor(td: Thread, ops: readonly SemOp[], undo: SemUndo | null) {
    super();
    this.td = td;
    this.ops = ops;
    this.undo = undo;
    this.pid = td.pid;
    this.isAltering = ops.some((o) => o.op !== 0);
    this.blocking = ops[0]!;
    this.#paidBytes = ops.length * OP_BYTES;
  }

  finish(status: number): void {
    this.cancel();
    this.status = status;
    this.td.wakeup();
  }

  wake(): void {
    this.td.wakeup();
  }

  abandon(): void {
    this.cancel();
    this.td.cpu.kmem.give(this.#paidBytes);
  }
}

function first(queue: WaitQueue): SemWaiter | null {
  return queue.first() as SemWaiter | null;
}
