/**
 * Leases: the holder is told before anybody else opens or truncates the file.
 *
 * A lease belongs to an open file. Who opens the file against it breaks it:
 * the holder gets a signal, and the opener sleeps until the lease is released
 * or downgraded, by the holder or because its time is up. Times are looked at
 * when somebody looks at the leases: until then nobody waits for them.
 * See fcntl(2), "Leases".
 */
import { EAGAIN, EINVAL, ENOMEM } from "../abi/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK } from "../abi/fcntl.ts";
import { POLL_MSG } from "../abi/signal.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import { SysctlVar } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { File } from "./file.ts";
import { BAND } from "./fileowner.ts";
import type { Vnode } from "./vnode.ts";

/** What a lease takes, about. */
const LEASE_BYTES = 256;
const NS_PER_SEC = 1e9;
const INT_MAX = 0x7fffffff;

/** fs.leases-enable, fs.lease-break-time, and the vnodes with leases, for /proc/locks. */
export class LeaseTable {
  readonly vnodes = new Set<Vnode>();
  readonly enable = new SysctlVar(1, 0, INT_MAX);
  /** 0: a holder may take as long as it likes. */
  readonly breakTimeSec = new SysctlVar(45, 0, INT_MAX);
  readonly kmem: KernelMemory;

  constructor(kmem: KernelMemory) {
    this.kmem = kmem;
  }

  /** F_SETLEASE on the descriptor `fd` of process `pid`; F_UNLCK releases. */
  set(td: Thread, vp: Vnode, fp: File, fd: number, pid: number, type: number): number {
    vp.leases ??= new LeaseList(this, vp);
    const r = vp.leases.set(td, fp, fd, pid, type);
    vp.leases.tidy();
    return r;
  }

  /** F_GETLEASE: the type of `fp`'s lease, or what it is to become. */
  get(td: Thread, vp: Vnode, fp: File): number {
    return vp.leases?.typeOf(td, fp) ?? F_UNLCK;
  }
}

export class Lease {
  readonly file: File;
  readonly pid: number;
  /** The descriptor that signals name. */
  readonly fd: number;
  type: number;
  /** When it ends, and when it turns into a read lease, by itself; -1 while it is not broken so. */
  endsAtNs = -1;
  sinksAtNs = -1;

  constructor(file: File, pid: number, fd: number, type: number) {
    this.file = file;
    this.pid = pid;
    this.fd = fd;
    this.type = type;
  }

  get isBreaking(): boolean {
    return this.endsAtNs >= 0 || this.sinksAtNs >= 0;
  }

  /** What the holder is asked to make of it; its type while nobody asks. */
  get targetType(): number {
    if (this.endsAtNs >= 0) return F_UNLCK;
    return this.sinksAtNs >= 0 ? F_RDLCK : this.type;
  }

  isInWayOf(isWriting: boolean): boolean {
    return isWriting || this.type === F_WRLCK;
  }
}

/** The leases of one vnode. */
export class LeaseList {
  leases: Lease[] = [];
  readonly #table: LeaseTable;
  readonly #vp: Vnode;
  /** Who waits to open the file for writing, and for reading. */
  readonly #writers = new WaitQueue();
  readonly #readers = new WaitQueue();

  constructor(table: LeaseTable, vp: Vnode) {
    this.#table = table;
    this.#vp = vp;
  }

  /** Before an open or a truncation: 0, EWOULDBLOCK, or asleep. */
  breakFor(td: Thread, isWriting: boolean, isNonblocking: boolean): number {
    const now = td.cpu.clock.monotonicNs();
    this.#expire(now);
    const inWay = this.leases.filter((l) => l.isInWayOf(isWriting));
    if (inWay.length === 0) return 0;
    const timeSec = this.#table.breakTimeSec.get();
    const atNs = timeSec > 0 ? now + timeSec * NS_PER_SEC : Number.POSITIVE_INFINITY;
    for (const l of inWay) {
      if (l.endsAtNs >= 0 || (!isWriting && l.isBreaking)) continue;
      if (isWriting) l.endsAtNs = atNs;
      else l.sinksAtNs = atNs;
      l.file.owner?.tell(l.file.ownerSignal, POLL_MSG, BAND[POLL_MSG]!, l.fd);
    }
    if (isNonblocking) return EAGAIN;
    const untilNs = Math.min(...inWay.map((l) => (l.endsAtNs >= 0 ? l.endsAtNs : l.sinksAtNs)));
    return td.sleepUntil(isWriting ? this.#writers : this.#readers, "break_lease", untilNs);
  }

  set(td: Thread, fp: File, fd: number, pid: number, type: number): number {
    this.#expire(td.cpu.clock.monotonicNs());
    const mine = this.leases.find((l) => l.file === fp);
    if (type === F_UNLCK) {
      if (!mine) return EAGAIN;
      this.#change(mine, F_UNLCK);
      return 0;
    }
    if (this.#isOpenAgainst(fp, type)) return EAGAIN;
    const others = this.leases.filter((l) => l !== mine);
    if (others.some((l) => type === F_WRLCK || l.endsAtNs >= 0)) return EAGAIN;
    if (mine) {
      this.#change(mine, type);
      return 0;
    }
    if (this.#table.enable.get() === 0) return EINVAL;
    if (!this.#table.kmem.take(LEASE_BYTES)) return ENOMEM;
    this.leases.push(new Lease(fp, pid, fd, type));
    this.#table.vnodes.add(this.#vp);
    return 0;
  }

  typeOf(td: Thread, fp: File): number {
    this.#expire(td.cpu.clock.monotonicNs());
    return this.leases.find((l) => l.file === fp)?.targetType ?? F_UNLCK;
  }

  /** The last descriptor of `fp` is gone. */
  fileClosed(fp: File): void {
    const mine = this.leases.find((l) => l.file === fp);
    if (mine) this.#change(mine, F_UNLCK);
    this.tidy();
  }

  /** The vnode forgets an empty list; a thread still asleep there looks at the vnode again. */
  tidy(): void {
    if (this.leases.length > 0) return;
    this.#vp.leases = null;
    this.#table.vnodes.delete(this.#vp);
  }

  /** Other open files, and openers that wait for a lease to break, speak against `type`. */
  #isOpenAgainst(fp: File, type: number): boolean {
    const { readers, writers } = this.#vp;
    if (!this.#writers.isEmpty) return true;
    if (type === F_RDLCK) return writers > 0;
    if (!this.#readers.isEmpty) return true;
    return fp.isWritable ? writers !== 1 || readers > 0 : writers !== 0 || readers !== 1;
  }

  #change(l: Lease, type: number): void {
    if (type !== F_WRLCK) l.sinksAtNs = -1;
    l.type = type;
    if (type === F_UNLCK) {
      l.file.owner = null;
      l.file.ownerSignal = 0;
      this.leases = this.leases.filter((o) => o !== l);
      this.#table.kmem.give(LEASE_BYTES);
    }
    this.#writers.wakeup();
    this.#readers.wakeup();
  }

  #expire(now: number): void {
    for (const l of [...this.leases]) {
      if (l.endsAtNs >= 0 && now >= l.endsAtNs) this.#change(l, F_UNLCK);
      else if (l.sinksAtNs >= 0 && now >= l.sinksAtNs) this.#change(l, F_RDLCK);
    }
  }
}
