/**
 * epoll(7): a file that watches other files.
 *
 * An item is watched from the moment it is added. A wakeup only puts the item
 * on the ready list (its waiters leave their queues, so it is told once);
 * whoever then collects asks the file what really holds, which puts the
 * waiters back. Level-triggered items stay on the list until they are found
 * not ready; edge-triggered ones leave it when reported.
 *
 * Invariant: an item that is not on the ready list has waiters on all queues
 * of its file, or is disabled (EPOLLONESHOT fired).
 */
import { EEXIST, EINVAL, ELOOP, ENOENT, ENOSPC, EPERM, type Errno } from "../abi/errno.ts";
import { O_RDWR } from "../abi/fcntl.ts";
import {
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLONESHOT,
  EPOLLWAKEUP,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLRDNORM,
} from "../abi/poll.ts";
import { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import { Waiter, WaitQueue } from "../kern/waitqueue.ts";
import type { Attr } from "./attr.ts";
import { File, type FileWatcher } from "./file.ts";
import type { FsSettings } from "./fssettings.ts";
import type { PollTable } from "./poll.ts";
import { VnodeFile } from "./vnodefile.ts";

const PRIVATE_BITS = EPOLLET | EPOLLEXCLUSIVE | EPOLLONESHOT | EPOLLWAKEUP;
const EXCLUSIVE_OK =
  POLLIN | POLLERR | POLLHUP | 0x004 | 0x040 | 0x100 | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE;
/** How deep epolls may watch epolls. */
const MAX_NESTS = 5;
/** What an item and its waiters take, about. */
const ITEM_BYTES = 384;

class ItemWaiter extends Waiter {
  readonly #item: EpollItem;

  constructor(item: EpollItem) {
    super();
    this.#item = item;
  }

  wake(): void {
    this.#item.epoll.itemWoken(this.#item);
  }
}

/** One watched (descriptor, file) pair. */
export class EpollItem implements PollTable, FileWatcher {
  readonly epoll: EpollFile;
  readonly fd: number;
  readonly file: File;
  events: number;
  dataLo: number;
  dataHi: number;
  isReady = false;
  nextReady: EpollItem | null = null;
  /** Another item with the same descriptor number, whose file another descriptor keeps open. */
  nextSame: EpollItem | null = null;
  nextWatcher: FileWatcher | null = null;
  readonly #waiters: ItemWaiter[] = [];
  #armed = 0;

  constructor(epoll: EpollFile, fd: number, file: File, events: number, lo: number, hi: number) {
    this.epoll = epoll;
    this.fd = fd;
    this.file = file;
    this.events = events;
    this.dataLo = lo;
    this.dataHi = hi;
  }

  /** Which of the wanted events hold now; from here on a change is told again. */
  arm(td: Thread): number {
    this.#armed = 0;
    const wanted = (this.events & ~PRIVATE_BITS) | POLLERR | POLLHUP;
    const found = this.file.poll(td, this) & wanted;
    for (let i = this.#armed; i < this.#waiters.length; i++) this.#waiters[i]!.cancel();
    return found;
  }

  watch(queue: WaitQueue, events?: number): void {
    const wanted = (this.events & ~PRIVATE_BITS) | POLLERR | POLLHUP;
    if (events !== undefined && (events & wanted) === 0) return;
    let w = this.#waiters[this.#armed];
    if (!w) {
      w = new ItemWaiter(this);
      this.#waiters.push(w);
    }
    this.#armed++;
    if (w.queue !== queue) queue.add(w);
  }

  disarm(): void {
    for (const w of this.#waiters) w.cancel();
    this.#armed = 0;
  }

  get isDisabled(): boolean {
    return (this.events & ~PRIVATE_BITS) === 0;
  }

  fileClosed(): void {
    this.epoll.forget(this);
  }
}

export interface EpollUser {
  readonly uid: number;
  readonly settings: FsSettings;
}

/** Takes what epoll_wait reports: false when there is no more room. */
export interface EventSink {
  event(events: number, dataLo: number, dataHi: number): boolean;
}

export class EpollFile extends File {
  readonly #attr: Attr;
  readonly #items = new Map<number, EpollItem>();
  #readyHead: EpollItem | null = null;
  #readyTail: EpollItem | null = null;
  /** Threads in epoll_wait, and whoever polls this file itself. */
  readonly waiting = new WaitQueue();

  readonly #kmem: KernelMemory;

  /** Whose watches they are: fs.epoll.max_user_watches; null: nobody's. */
  readonly #user: EpollUser | null;

  constructor(attr: Attr, kmem = new KernelMemory(Infinity), user: EpollUser | null = null) {
    super(O_RDWR);
    this.#user = user;
    this.#attr = attr;
    this.#kmem = kmem;
  }

  describe(): string {
    return "anon_inode:[eventpoll]";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  /** All items, for /proc/PID/fdinfo. */
  *items(): Generator<EpollItem> {
    for (const first of this.#items.values()) {
      for (let i: EpollItem | null = first; i; i = i.nextSame) yield i;
    }
  }

  /** The file of the `nth` item with this descriptor number, counted from 0; null if there is none. */
  watched(fd: number, nth: number): File | null {
    let item: EpollItem | null = this.#items.get(fd) ?? null;
    for (let left = nth; item && left > 0; left--) item = item.nextSame;
    return item?.file ?? null;
  }

  add(td: Thread, fd: number, file: File, events: number, lo: number, hi: number): number {
    if (file === this) return EINVAL;
    const isExclusive = (events & EPOLLEXCLUSIVE) !== 0;
    if (isExclusive && ((events & ~EXCLUSIVE_OK) !== 0 || file instanceof EpollFile)) return EINVAL;
    if (!isPollable(file)) return EPERM;
    if (file instanceof EpollFile && (file.#reaches(this) || this.#isTooDeep(file))) return ELOOP;
    if (this.#find(fd, file)) return EEXIST;
    if (!this.#mayWatch()) return ENOSPC;
    const item = new EpollItem(this, fd, file, events, lo, hi);
    item.nextSame = this.#items.get(fd) ?? null;
    this.#items.set(fd, item);
    item.nextWatcher = file.watchers;
    file.watchers = item;
    if (item.arm(td) !== 0) this.itemWoken(item);
    return 0;
  }

  #mayWatch(): boolean {
    const user = this.#user;
    if (!user) return this.#kmem.take(ITEM_BYTES);
    const { epollWatches, epollMaxWatches } = user.settings;
    if (!epollWatches.take(user.uid, 1, epollMaxWatches)) return false;
    if (this.#kmem.take(ITEM_BYTES)) return true;
    epollWatches.give(user.uid, 1);
    return false;
  }

  modify(td: Thread, fd: number, file: File, events: number, lo: number, hi: number): number {
    const item = this.#find(fd, file);
    if (!item) return ENOENT;
    if (((events | item.events) & EPOLLEXCLUSIVE) !== 0) return EINVAL;
    item.events = events;
    item.dataLo = lo;
    item.dataHi = hi;
    if (item.arm(td) !== 0) this.itemWoken(item);
    return 0;
  }

  remove(fd: number, file: File): number {
    const item = this.#find(fd, file);
    if (!item) return ENOENT;
    unwatch(item);
    this.forget(item);
    return 0;
  }

  /** Takes an item out of everything but its file's list of watchers. */
  forget(item: EpollItem): void {
    item.disarm();
    this.#unready(item);
    const first = this.#items.get(item.fd);
    if (first === item) {
      if (item.nextSame) this.#items.set(item.fd, item.nextSame);
      else this.#items.delete(item.fd);
    } else {
      for (let i = first; i; i = i.nextSame ?? undefined) {
        if (i.nextSame === item) i.nextSame = item.nextSame;
      }
    }
    this.#kmem.give(ITEM_BYTES);
    this.#user?.settings.epollWatches.give(this.#user.uid, 1);
  }

  itemWoken(item: EpollItem): void {
    if (item.isReady || item.isDisabled) return;
    this.#enqueue(item);
    this.waiting.wakeup();
  }

  /** Reports what is ready until the sink is full; how many events it took. */
  collect(td: Thread, sink: EventSink): number {
    const last = this.#readyTail;
    let taken = 0;
    for (let item = this.#readyHead; item; item = this.#readyHead) {
      const found = item.isDisabled ? 0 : item.arm(td);
      if (found !== 0 && !sink.event(found, item.dataLo, item.dataHi)) break;
      this.#dequeue();
      if (found !== 0) {
        taken++;
        if ((item.events & EPOLLONESHOT) !== 0) {
          item.events &= PRIVATE_BITS;
          item.disarm();
        } else if ((item.events & EPOLLET) === 0) this.#enqueue(item);
      }
      if (item === last) break;
    }
    return taken;
  }

  /** Readable while some item is ready. */
  override poll(td: Thread, table: PollTable | null): number {
    table?.watch(this.waiting, POLLIN | POLLRDNORM);
    for (let item = this.#readyHead; item; item = this.#readyHead) {
      if (!item.isDisabled && item.arm(td) !== 0) return POLLIN | POLLRDNORM;
      this.#dequeue();
    }
    return 0;
  }

  override onLastClose(): void {
    for (const item of [...this.items()]) {
      unwatch(item);
      this.forget(item);
    }
  }

  #find(fd: number, file: File): EpollItem | null {
    let item = this.#items.get(fd) ?? null;
    while (item && item.file !== file) item = item.nextSame;
    return item;
  }

  /** True if watching goes from here to `target`. Looks at each epoll once, however many ways lead to it. */
  #reaches(target: EpollFile): boolean {
    const seen = new Set<EpollFile>([this]);
    for (const epoll of seen) {
      if (epoll === target) return true;
      for (const below of epoll.#watched()) seen.add(below);
    }
    return false;
  }

  /** With `below` added, the chain through this epoll would be longer than allowed. */
  #isTooDeep(below: EpollFile): boolean {
    const up = height([this], (e) => e.#watching());
    return up + 1 + height([below], (e) => e.#watched()) > MAX_NESTS;
  }

  *#watched(): Generator<EpollFile> {
    for (const item of this.items()) if (item.file instanceof EpollFile) yield item.file;
  }

  *#watching(): Generator<EpollFile> {
    for (let w = this.watchers; w; w = w.nextWatcher) if (w instanceof EpollItem) yield w.epoll;
  }

  #enqueue(item: EpollItem): void {
    item.isReady = true;
    item.nextReady = null;
    if (this.#readyTail) this.#readyTail.nextReady = item;
    else this.#readyHead = item;
    this.#readyTail = item;
  }

  #dequeue(): void {
    const item = this.#readyHead;
    if (!item) return;
    this.#readyHead = item.nextReady;
    if (!this.#readyHead) this.#readyTail = null;
    item.isReady = false;
    item.nextReady = null;
  }

  #unready(item: EpollItem): void {
    if (!item.isReady) return;
    let before: EpollItem | null = null;
    for (let i = this.#readyHead; i; before = i, i = i.nextReady) {
      if (i !== item) continue;
      if (before) before.nextReady = item.nextReady;
      else this.#readyHead = item.nextReady;
      if (this.#readyTail === item) this.#readyTail = before;
      break;
    }
    item.isReady = false;
    item.nextReady = null;
  }
}

/** How many steps `next` leads on from `from` at most: level by level, each epoll once in a level. */
function height(from: Iterable<EpollFile>, next: (e: EpollFile) => Iterable<EpollFile>): number {
  let level = new Set(from);
  for (let steps = 0; steps <= MAX_NESTS; steps++) {
    const further = new Set<EpollFile>();
    for (const epoll of level) for (const e of next(epoll)) further.add(e);
    if (further.size === 0) return steps;
    level = further;
  }
  return MAX_NESTS + 1;
}

/** Regular files and directories, always ready, are refused. */
function isPollable(file: File): boolean {
  return !(file instanceof VnodeFile);
}

function unwatch(item: EpollItem): void {
  const { file } = item;
  if (file.watchers === item) {
    file.watchers = item.nextWatcher;
    return;
  }
  for (let w = file.watchers; w; w = w.nextWatcher) {
    if (w.nextWatcher === item) w.nextWatcher = item.nextWatcher;
  }
}
