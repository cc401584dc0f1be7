/**
 * inotify(7): files that tell of changes to other files.
 *
 * Events queue up in the file, equal neighbours are merged, and a full queue
 * ends with one IN_Q_OVERFLOW. What watches is in watch.ts.
 */
import { EAGAIN, EEXIST, EINVAL, EMFILE, ENOSPC, type Errno } from "../abi/errno.ts";
import { O_NONBLOCK } from "../abi/fcntl.ts";
import {
  IN_ALL_EVENTS,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  InotifyEvent,
} from "../abi/inotify.ts";
import { POLLIN, POLLRDNORM } from "../abi/poll.ts";
import type { Cred } from "../kern/cred.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import { WaitQueue } from "../kern/waitqueue.ts";
import type { Uio } from "../vm/uio.ts";
import type { Attr } from "./attr.ts";
import { File } from "./file.ts";
import { showFid } from "./filehandle.ts";
import { type NotifyLimits, NotifyUser } from "./notifylimits.ts";
import type { PollTable } from "./poll.ts";
import type { Vfs } from "./vfs.ts";
import type { Vnode } from "./vnode.ts";
import { Watch, type WatchOwner } from "./watch.ts";

/** What a watch takes, and an event without its name, about. */
const WATCH_BYTES = 256;
const EVENT_BYTES = 128;

interface QueuedEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

export class InotifyFile extends File implements WatchOwner {
  readonly #attr: Attr;
  readonly #watches = new Map<number, Watch>();
  #events: QueuedEvent[] = [];
  #lastWd = 0;
  readonly #readable = new WaitQueue();

  readonly #kmem: KernelMemory;
  readonly #limits: NotifyLimits;
  readonly #user: NotifyUser;

  private constructor(flags: number, attr: Attr, user: NotifyUser, vfs: Vfs) {
    super(flags);
    this.#attr = attr;
    this.#user = user;
    this.#kmem = vfs.kmem.ofCurrent;
    this.#limits = vfs.inotify;
  }

  /** A file of `cred`'s user: EMFILE if there are too many. */
  static open(vfs: Vfs, flags: number, attr: Attr, cred: Cred): InotifyFile | Errno {
    const user = new NotifyUser(cred.uid, cred.userns);
    if (user.take("inotify_instances")) return new InotifyFile(flags, attr, user, vfs);
    user.end();
    return EMFILE;
  }

  describe(): string {
    return "anon_inode:inotify";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  /** Watch descriptor of `vp`, new or changed. */
  add(vp: Vnode, mask: number): number {
    const known = vp.watches?.list.find((w) => w.to === this);
    const kept = mask & (IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK);
    if (known) {
      if ((mask & IN_MASK_CREATE) !== 0) return EEXIST;
      known.mask = (mask & IN_MASK_ADD) !== 0 ? known.mask | kept : kept;
      return known.wd;
    }
    if (!this.#user.take("inotify_watches")) return ENOSPC;
    if (!this.#kmem.take(WATCH_BYTES)) {
      this.#user.give("inotify_watches", 1);
      return ENOSPC;
    }
    const w = new Watch(++this.#lastWd, this, vp, kept);
    this.#watches.set(w.wd, w);
    return w.wd;
  }

  remove(wd: number): number {
    const w = this.#watches.get(wd);
    if (!w) return EINVAL;
    this.#watches.delete(wd);
    this.#kmem.give(WATCH_BYTES);
    this.#user.give("inotify_watches", 1);
    this.queue(wd, IN_IGNORED, "", 0);
    w.end();
    return 0;
  }

  queue(wd: number, mask: number, name: string, cookie: number): void {
    const last = this.#events.at(-1);
    if (last && last.wd === wd && last.mask === mask && last.name === name && !cookie) return;
    if (last?.mask === IN_Q_OVERFLOW) return;
    const max = this.#limits.maxQueuedEvents.get();
    const isFull = this.#events.length >= max || !this.#kmem.take(sizeOf(name));
    if (isFull) {
      this.#kmem.owe(sizeOf(""));
      this.#events.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: "" });
    } else {
      this.#events.push({ wd, mask, cookie, name });
    }
    this.#readable.wakeup();
  }

  override read(td: Thread, uio: Uio): number {
    if (this.#events.length === 0) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(this.#readable, "inotify_read");
    }
    let taken = 0;
    let done = 0;
    for (const e of this.#events) {
      const bytes = encode(e);
      if (bytes.length > uio.resid) break;
      const r = uio.copyout(bytes);
      if (r < bytes.length) return done > 0 ? done : r < 0 ? r : EINVAL;
      done += bytes.length;
      taken++;
    }
    this.#drop(taken);
    return taken > 0 ? done : EINVAL;
  }

  override get canBeAsync(): boolean {
    return true;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#readable, POLLIN | POLLRDNORM);
    return this.#events.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override bytesReadable(): number {
    let n = 0;
    for (const e of this.#events) n += encode(e).length;
    return n;
  }

  override fdinfo(): string {
    let out = "";
    for (const { wd, vp, mask } of [...this.#watches.values()].reverse()) {
      const file = `ino:${vp.ino.toString(16)} sdev:${vp.fs.dev.toString(16)}`;
      const shown = (mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK)).toString(16);
      out += `inotify wd:${wd.toString(16)} ${file} mask:${shown} ignored_mask:0 ${showFid(vp)}\n`;
    }
    return out;
  }

  override onLastClose(): void {
    for (const w of this.#watches.values()) w.end();
    this.#kmem.give(this.#watches.size * WATCH_BYTES);
    this.#user.give("inotify_watches", this.#watches.size);
    this.#user.give("inotify_instances", 1);
    this.#user.end();
    this.#watches.clear();
    this.#drop(this.#events.length);
  }

  #drop(count: number): void {
    for (let i = 0; i < count; i++) this.#kmem.give(sizeOf(this.#events[i]!.name));
    this.#events = this.#events.slice(count);
  }
}

const sizeOf = (name: string): number => EVENT_BYTES + name.length;

/** struct inotify_event with its name, NUL-padded to a multiple of the struct's size. */
function encode(e: QueuedEvent): Uint8Array {
  const head = InotifyEvent.sizeof;
  const nameBytes = e.name.length > 0 ? Math.ceil((e.name.length + 1) / head) * head : 0;
  const out = new Uint8Array(head + nameBytes);
  const view = new DataView(out.buffer);
  InotifyEvent.wd.set(view, 0, e.wd);
  InotifyEvent.mask.set(view, 0, e.mask);
  InotifyEvent.cookie.set(view, 0, e.cookie);
  InotifyEvent.len.set(view, 0, nameBytes);
  for (let i = 0; i < e.name.length; i++) out[head + i] = e.name.charCodeAt(i);
  return out;
}
