/**
 * File locks: POSIX record locks, open file description locks, and flock(2).
 *
 * Record locks are byte ranges owned by a descriptor table (POSIX) or an open
 * file (OFD); flock locks whole files, owned by an open file, and never meets
 * the others. A list is sorted by start; ranges of one owner never overlap.
 * See fcntl(2) "Advisory record locking", flock(2).
 */
import { EAGAIN, EDEADLK, ENOLCK } from "../abi/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK } from "../abi/fcntl.ts";
import { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";

/** What can be locked: a vnode, a pipe, or an open file that has neither. */
export interface Lockable {
  locks: LockList | null;
  /** For /proc/locks. */
  readonly identity: { readonly dev: number; readonly ino: number };
}

export interface RecordLock {
  /** FdTable or File. */
  readonly owner: object;
  /** For F_GETLK and /proc/locks; -1 for OFD locks. */
  readonly pid: number;
  readonly type: number;
  readonly start: number;
  /** Exclusive; Infinity: to the end of the file however far it grows. */
  readonly end: number;
}

interface FlockLock {
  readonly owner: object;
  readonly type: number;
}

const WMESG = "posix_lock";
/** Locks one file may carry, and what one takes, about. */
const MAX_LOCKS = 65536;
const LOCK_BYTES = 128;

/** All locks of one vnode or the like. */
export class LockList {
  records: RecordLock[] = [];
  flocks: FlockLock[] = [];
  /** Woken when any lock of the file goes or shrinks. */
  readonly changed = new WaitQueue();
  readonly table: LockTable;
  readonly #kmem: KernelMemory;
  /** Locks paid for. */
  #paid = 0;

  constructor(table: LockTable, kmem: KernelMemory) {
    this.table = table;
    this.#kmem = kmem;
  }

  get isEmpty(): boolean {
    return this.records.length === 0 && this.flocks.length === 0 && this.changed.isEmpty;
  }

  /** The first lock of another owner that keeps `want` from being granted. */
  conflict(want: RecordLock): RecordLock | null {
    for (const l of this.records) {
      if (l.start >= want.end) break;
      if (l.end <= want.start || l.owner === want.owner) continue;
      if (l.type === F_WRLCK || want.type === F_WRLCK) return l;
    }
    return null;
  }

  /** Grants `want` (F_UNLCK releases): the owner's older ranges are cut, split and joined. */
  set(want: RecordLock): number {
    if (want.type !== F_UNLCK && !this.hasRoom(this.records.length)) return ENOLCK;
    const kept: RecordLock[] = [];
    let { start, end } = want;
    for (const l of this.records) {
      if (l.owner !== want.owner || l.end < start || l.start > end) {
        kept.push(l);
      } else if (l.type === want.type) {
        start = Math.min(start, l.start);
        end = Math.max(end, l.end);
      } else {
        if (l.start < want.start) kept.push({ ...l, end: Math.min(l.end, want.start) });
        if (l.end > want.end) kept.push({ ...l, start: Math.max(l.start, want.end) });
      }
    }
    if (want.type !== F_UNLCK) kept.push({ ...want, start, end });
    kept.sort((a, b) => a.start - b.start);
    this.records = kept;
    this.#settle();
    this.changed.wakeup();
    return 0;
  }

  /** Releases all record locks of an owner. */
  drop(owner: object): void {
    if (!this.records.some((l) => l.owner === owner)) return;
    this.records = this.records.filter((l) => l.owner !== owner);
    this.#settle();
    this.changed.wakeup();
  }

  /** True if `owner` may have the flock of `type` now. */
  isFlockFree(owner: object, type: number): boolean {
    for (const l of this.flocks) {
      if (l.owner !== owner && (l.type === F_WRLCK || type === F_WRLCK)) return false;
    }
    return true;
  }

  setFlock(owner: object, type: number): void {
    const before = this.flocks.length;
    this.flocks = this.flocks.filter((l) => l.owner !== owner);
    if (type !== F_UNLCK) this.flocks.push({ owner, type });
    this.#settle();
    if (before > 0) this.changed.wakeup();
  }

  /** May there be one more than `count`? It may cut another in two. */
  hasRoom(count: number): boolean {
    return count < MAX_LOCKS && this.#kmem.hasRoom(2 * LOCK_BYTES);
  }

  #settle(): void {
    const held = this.records.length + this.flocks.length;
    this.#kmem.owe((held - this.#paid) * LOCK_BYTES);
    this.#paid = held;
  }
}

/** Who waits for whom, so that F_SETLKW finds a deadlock; and what has locks, for /proc/locks. */
export class LockTable {
  /** POSIX owner → the owner that its thread sleeps for. */
  readonly #waitsFor = new Map<object, { readonly blocker: object; readonly td: Thread }>();
  readonly locked = new Set<Lockable>();
  readonly #kmem: KernelMemory;

  constructor(kmem = new KernelMemory(Infinity)) {
    this.#kmem = kmem;
  }

  listOf(on: Lockable): LockList {
    on.locks ??= new LockList(this, this.#kmem);
    this.locked.add(on);
    return on.locks;
  }

  tidy(on: Lockable): void {
    if (on.locks && !on.locks.isEmpty) return;
    on.locks = null;
    this.locked.delete(on);
  }

  /** fcntl(2) F_SETLK and F_SETLKW, and their OFD forms. */
  setRecord(
    td: Thread,
    on: Lockable,
    want: RecordLock,
    isWaiting: boolean,
    isPosix: boolean,
  ): number {
    this.#waitsFor.delete(want.owner);
    const list = this.listOf(on);
    const other = want.type === F_UNLCK ? null : list.conflict(want);
    if (!other) {
      const r = list.set(want);
      this.tidy(on);
      return r;
    }
    if (!isWaiting) return EAGAIN;
    if (isPosix) {
      if (this.#isDeadlock(want.owner, other.owner)) return EDEADLK;
      this.#waitsFor.set(want.owner, { blocker: other.owner, td });
    }
    return td.sleep(list.changed, WMESG);
  }

  /** flock(2) by an open file. */
  setFlock(td: Thread, on: Lockable, owner: object, type: number, isWaiting: boolean): number {
    const list = this.listOf(on);
    if (type !== F_UNLCK && !list.hasRoom(list.flocks.length)) return ENOLCK;
    if (type === F_UNLCK || list.isFlockFree(owner, type)) {
      list.setFlock(owner, type);
      this.tidy(on);
      return 0;
    }
    // A conversion that must wait has given its old lock up, as in Linux.
    if (list.flocks.some((l) => l.owner === owner)) list.setFlock(owner, F_UNLCK);
    return isWaiting ? td.sleep(list.changed, "flock") : EAGAIN;
  }

  #isDeadlock(owner: object, blocker: object): boolean {
    let at: object | undefined = blocker;
    for (let i = 0; at && i < 1000; i++) {
      if (at === owner) return true;
      const wait = this.#waitsFor.get(at);
      // One that a signal ended is no wait any more.
      at = wait?.td.wmesg === WMESG ? wait.blocker : undefined;
    }
    return false;
  }

  /** A descriptor of table `owner` on `on` was closed: all its POSIX locks there go. */
  closed(on: Lockable, owner: object): void {
    this.#waitsFor.delete(owner);
    if (!on.locks) return;
    on.locks.drop(owner);
    this.tidy(on);
  }

  /** An open file ended: its flock and OFD locks go. */
  fileClosed(on: Lockable, fp: object): void {
    if (!on.locks) return;
    on.locks.drop(fp);
    if (on.locks.flocks.some((l) => l.owner === fp)) on.locks.setFlock(fp, F_UNLCK);
    this.tidy(on);
  }
}

/** F_GETLK: the lock in the way, or `want` with F_UNLCK. */
export function testRecord(on: Lockable, want: RecordLock): RecordLock {
  const other = on.locks?.conflict(want);
  return other ?? { ...want, type: F_UNLCK };
}

/** True for the types that a lock may have. */
export function isLockType(type: number): boolean {
  return type === F_RDLCK || type === F_WRLCK || type === F_UNLCK;
}
