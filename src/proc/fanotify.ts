/**
 * fanotify(7): files that tell of what happens on marked files, mounts and file systems, and are asked.
 *
 * Marks are in vfs/mark.ts, what is told and waits to be read in fanotifyqueue.ts, what is asked in
 * fanotifyquestion.ts, the events' bytes in fanotifyevent.ts.
 */
import {
  EAGAIN,
  EEXIST,
  EFAULT,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOMEM,
  ENOSPC,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  ALL_EVENTS,
  DIRENT_EVENTS,
  EVENT_FLAGS,
  FAN_ALLOW,
  FAN_CLASS_CONTENT,
  FAN_CLASS_PRE_CONTENT,
  FAN_DENY,
  FAN_EPIDFD,
  FAN_FS_ERROR,
  FAN_MARK_EVICTABLE,
  FAN_MARK_IGNORE,
  FAN_MARK_IGNORED_MASK,
  FAN_MARK_IGNORED_SURV_MODIFY,
  FAN_NOFD,
  FAN_NOPIDFD,
  FAN_ONDIR,
  FAN_RENAME,
  FAN_REPORT_DIR_FID,
  FAN_REPORT_FID,
  FAN_REPORT_NAME,
  FAN_REPORT_PIDFD,
  FAN_REPORT_TARGET_FID,
  FAN_REPORT_TID,
  FAN_UNLIMITED_MARKS,
  FAN_UNLIMITED_QUEUE,
  FID_BITS,
  MARK_IGNORE_BITS,
  PERM_EVENTS,
} from "../abi/fanotify.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../abi/poll.ts";
import { S_IFDIR, S_IFREG } from "../abi/stat.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import type { Attr } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import { showFid } from "../vfs/filehandle.ts";
import type { FileSystem } from "../vfs/filesystem.ts";
import {
  type FileEvent,
  Mark,
  type MarkGroup,
  type MarkOn,
  type MarkPlace,
  ON_FILE,
  ON_FILESYSTEM,
  ON_NEW_DIR,
  wantedBy,
} from "../vfs/mark.ts";
import { NotifyUser } from "../vfs/notifylimits.ts";
import { openQuietly } from "../vfs/open.ts";
import { Permissions } from "../vfs/permission.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { Uio } from "../vm/uio.ts";
import {
  type Doer,
  type EventSubject,
  encodeEvent,
  eventLength,
  FanotifyEvent,
  fid,
} from "./fanotifyevent.ts";
import { PermissionEvent, readAnswer } from "./fanotifyquestion.ts";
import { EventQueue } from "./fanotifyqueue.ts";
import type { Lwp } from "./lwp.ts";
import { PidFile } from "./pidfd.ts";

/** FILEID_INVALID. */
const NO_HANDLE = { type: 0xff, bytes: new Uint8Array(0) };
/** What a mark takes, about. */
const MARK_BYTES = 256;
export class FanotifyFile extends File implements MarkGroup {
  readonly #attr: Attr;
  /** FAN_CLASS_* and what follows. */
  readonly #how: number;
  /** Of the files that events bring. */
  readonly #eventFlags: number;
  /** Made without CAP_SYS_ADMIN: it does not tell whose doing things were. */
  readonly isUnprivileged: boolean;
  readonly priority: number;
  readonly #marks = new Set<Mark>();
  readonly #queue: EventQueue;
  /** Read, and not answered. */
  readonly #asked = new Set<PermissionEvent>();
  readonly #kmem: KernelMemory;
  readonly #user: NotifyUser;
  /** Whose thread does what happens. */
  readonly #cpu: Cpu;

  private constructor(
    td: Lwp,
    user: NotifyUser,
    how: number,
    eventFlags: number,
    isAdmin: boolean,
    attr: Attr,
  ) {
    super(O_RDWR | ((how & 2) !== 0 ? O_NONBLOCK : 0));
    const { vfs } = td.fs;
    this.#cpu = td.cpu;
    this.#attr = attr;
    this.#how = how;
    this.#eventFlags = eventFlags;
    this.isUnprivileged = !isAdmin;
    this.priority = classPriority(how);
    this.#kmem = vfs.kmem.ofCurrent;
    this.#user = user;
    const isUnlimited = (how & FAN_UNLIMITED_QUEUE) !== 0;
    const maxEvents = isUnlimited ? Number.POSITIVE_INFINITY : vfs.fanotify.maxQueuedEvents.get();
    this.#queue = new EventQueue(maxEvents, this.#kmem);
  }

  /** `how` and `eventFlags` are those of fanotify_init(2), checked. EMFILE: the user has too many. */
  static open(
    td: Lwp,
    how: number,
    eventFlags: number,
    isAdmin: boolean,
    attr: Attr,
  ): FanotifyFile | Errno {
    const user = new NotifyUser(td.cred.euid, td.cred.userns);
    if (user.take("fanotify_groups")) {
      return new FanotifyFile(td, user, how, eventFlags, isAdmin, attr);
    }
    user.end();
    return EMFILE;
  }

  describe(): string {
    return "anon_inode:[fanotify]";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  override seek(): number {
    return 0;
  }

  /** FAN_REPORT_*FID and FAN_REPORT_NAME: events name files by handles. */
  get fidBits(): number {
    return this.#how & FID_BITS;
  }

  get asksPermission(): boolean {
    return this.priority > 0;
  }

  /** FAN_MARK_ADD, checked. */
  add(place: MarkPlace, mask: number, flags: number): number {
    let mark = this.#markOn(place);
    if (!mark) {
      const made = this.#make(place, (flags & FAN_MARK_EVICTABLE) !== 0);
      if (failed(made)) return made;
      mark = made;
    } else if (isDowngrade(mark, flags)) return EEXIST;
    if ((flags & MARK_IGNORE_BITS) === 0) mark.mask |= mask;
    else {
      mark.ignored |= mask;
      if ((flags & FAN_MARK_IGNORE) !== 0) mark.hasIgnoreFlags = true;
      if ((flags & FAN_MARK_IGNORED_SURV_MODIFY) !== 0) mark.survivesModify = true;
    }
    if ((flags & FAN_MARK_EVICTABLE) === 0) mark.keep();
    return 0;
  }

  #make(place: MarkPlace, isEvictable: boolean): Mark | Errno {
    const isCounted = (this.#how & FAN_UNLIMITED_MARKS) === 0;
    if (isCounted && !this.#user.take("fanotify_marks")) return ENOSPC;
    if (!this.#kmem.take(MARK_BYTES)) {
      if (isCounted) this.#user.give("fanotify_marks", 1);
      return ENOMEM;
    }
    const mark = new Mark(this, place, isEvictable);
    this.#marks.add(mark);
    return mark;
  }

  /** FAN_MARK_REMOVE: bits of `untold` alone do not keep a mark. */
  take(place: MarkPlace, mask: number, flags: number, untold: number): number {
    const mark = this.#markOn(place);
    if (!mark) return ENOENT;
    if ((flags & MARK_IGNORE_BITS) === 0) mark.mask &= ~mask;
    else mark.ignored &= ~mask;
    if (((mark.mask | mark.ignored) & ~untold) === 0) this.remove(mark);
    return 0;
  }

  /** FAN_MARK_FLUSH: all marks of a kind. */
  flushMarks(kind: MarkPlace["kind"]): void {
    for (const mark of [...this.#marks]) if (mark.place.kind === kind) this.remove(mark);
  }

  remove(mark: Mark): void {
    if (!this.#marks.delete(mark)) return;
    this.#kmem.give(MARK_BYTES);
    if ((this.#how & FAN_UNLIMITED_MARKS) === 0) this.#user.give("fanotify_marks", 1);
    mark.end();
  }

  #markOn(place: MarkPlace): Mark | undefined {
    if (place.kind === "file") return place.vp.watches?.marks.find((m) => m.group === this);
    const marks = place.kind === "mount" ? place.mount.marks : place.fs.marks;
    return marks?.find((m) => m.group === this);
  }

  happened(event: FileEvent, marks: readonly MarkOn[]): void {
    const mode = this.fidBits;
    const isDir = (event.mask & FAN_ONDIR) !== 0;
    if (mode === 0) {
      if (!canBeOpened(event)) return;
    } else if ((mode & FAN_REPORT_FID) === 0 && !event.dir && !isDir) return;
    const wanted = wantedBy(marks, event.mask & (ALL_EVENTS | FAN_ONDIR));
    const mask = mode === 0 ? wanted.mask & ~EVENT_FLAGS : wanted.mask;
    if ((mask & ~EVENT_FLAGS) === 0) return;
    const subject = mode === 0 ? { path: event.path } : this.#byFids(event, mask, wanted.on);
    this.#queue.put(new FanotifyEvent(mask, this.#doer(), subject), subject.path?.entry ?? null);
  }

  /** Which file it is about is not told: as Linux does where an error is the whole volume's. */
  failed(mark: Mark, fs: FileSystem, error: Errno): void {
    if ((mark.mask & ~mark.ignored & FAN_FS_ERROR) === 0) return;
    const object = { fsid: fs.dev, handle: NO_HANDLE };
    const e = new FanotifyEvent(FAN_FS_ERROR, this.#doer(), { object });
    e.error = -error;
    this.#queue.put(e, null);
  }

  /** Which handles and names a group with these flags is told. */
  #byFids(event: FileEvent, mask: number, on: number): EventSubject {
    const mode = this.fidBits;
    const { vp, dir, toDir, toName } = event;
    const isOfName = (mask & DIRENT_EVENTS) !== 0;
    const hasTarget = (mode & FAN_REPORT_TARGET_FID) !== 0;
    const isOfDir = (mask & FAN_ONDIR) !== 0;
    const self = isOfName && !hasTarget ? dir! : vp;
    const parent = isOfName || !vp.isDir ? dir : vp;
    if ((mode & FAN_REPORT_DIR_FID) === 0 || !parent) return { object: fid(self) };
    const isChildTold = isOfName ? hasTarget : (mode & FAN_REPORT_FID) !== 0 && !isOfDir;
    const child = isChildTold && self !== parent ? fid(self) : null;
    const isNamed = (mode & FAN_REPORT_NAME) !== 0;
    const isRename = (mask & FAN_RENAME) !== 0;
    const isOldTold = !isRename || (on & (ON_FILESYSTEM | ON_FILE)) !== 0;
    const isNewTold = isRename && (on & (ON_FILESYSTEM | ON_NEW_DIR)) !== 0;
    const name = isNamed && isOldTold ? event.name : "";
    const isWhole = isNamed ? isOfName || !isOfDir : child !== null;
    if (!isWhole || (name === "" && !isNewTold && !child)) return { object: fid(parent) };
    return {
      dir: isOldTold ? fid(parent) : null,
      name,
      toDir: isNewTold && toDir ? fid(toDir) : null,
      toName: isNewTold ? toName : "",
      object: child,
    };
  }

  ask(td: Thread, event: FileEvent, marks: readonly MarkOn[]): number {
    if (!canBeOpened(event)) return 0;
    const perm = wantedBy(marks, event.mask).mask & PERM_EVENTS;
    if (perm === 0) return 0;
    const asked = Permissions.of(td);
    const before = asked.question;
    if (before instanceof PermissionEvent) {
      if (before.queue === this.#queue && before.vp === event.vp && (before.mask & perm) !== 0) {
        if (before.answer === 0) return before.sleep();
        asked.question = null;
        if ((before.answer & FAN_ALLOW) === 0) return EPERM;
        asked.allow(this, event.vp, perm);
        return 0;
      }
      before.withdraw();
      asked.question = null;
    }
    if (this.#queue.isFull) {
      this.#queue.overflow();
      asked.allow(this, event.vp, perm);
      return 0;
    }
    const e = new PermissionEvent(this.#queue, perm, this.#doer(), event, td as Lwp);
    if (!this.#queue.putQuestion(e)) {
      e.drop();
      return ENOMEM;
    }
    asked.question = e;
    return e.sleep();
  }

  #doer(): Doer | null {
    const td = this.#cpu.current as Lwp | null;
    if (!td) return null;
    return { id: (this.#how & FAN_REPORT_TID) !== 0 ? td.id : td.proc.id, process: td.proc.id };
  }

  override read(td: Thread, uio: Uio): number {
    let done = 0;
    for (;;) {
      const [e] = this.#queue.events;
      if (!e) {
        if (done > 0) return done;
        if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
        return td.sleep(this.#queue.readable, "fanotify_read");
      }
      if (eventLength(e, this.#how) > uio.resid) return done > 0 ? done : EINVAL;
      const r = this.#deliver(td as Lwp, e, uio);
      if (r < 0) return done > 0 && r !== EFAULT ? done : r;
      done += r;
    }
  }

  /** Gives the reader the event with its descriptors, or loses it: its length, or why. */
  #deliver(td: Lwp, e: FanotifyEvent, uio: Uio): number {
    this.#queue.take(e);
    const fd = e.path ? this.#openFor(td, e) : FAN_NOFD;
    let r: number = e.path && fd < 0 ? fd : 0;
    if (r === 0) {
      const pid = this.#pidFor(td, e);
      const pidfd = this.#pidfdFor(td, e, pid);
      const bytes = encodeEvent(e, this.#how, fd, pid, pidfd);
      r = uio.copyout(bytes) < bytes.length ? EFAULT : bytes.length;
      if (r < 0) {
        if (fd >= 0) td.fdtable.close(fd);
        if (pidfd >= 0) td.fdtable.close(pidfd);
      }
    }
    if (e instanceof PermissionEvent && r >= 0) {
      e.fd = fd;
      this.#asked.add(e);
      return r;
    }
    if (e instanceof PermissionEvent) e.settle(FAN_DENY);
    this.#kmem.give(e.bytes);
    e.drop();
    return r;
  }

  #openFor(td: Lwp, e: FanotifyEvent): number {
    if (td.fdtable.isFull) return EMFILE;
    const fp = openQuietly(td, e.path!, this.#eventFlags);
    if (failed(fp)) return fp;
    const fd = td.fdtable.alloc(fp, (this.#eventFlags & O_CLOEXEC) !== 0);
    if (fd < 0) fp.release();
    return fd;
  }

  #pidFor(td: Lwp, e: FanotifyEvent): number {
    if (!e.who || (this.isUnprivileged && e.who.process !== td.proc.id)) return 0;
    return e.who.id.in(td.id.ns);
  }

  #pidfdFor(td: Lwp, e: FanotifyEvent, pid: number): number {
    if ((this.#how & FAN_REPORT_PIDFD) === 0) return FAN_NOPIDFD;
    const proc = e.who?.process.proc;
    if (!proc || pid === 0) return FAN_NOPIDFD;
    const fp = new PidFile(proc);
    const fd = td.fdtable.alloc(fp, true);
    if (fd >= 0) return fd;
    fp.release();
    return FAN_EPIDFD;
  }

  /** The answer to a question: struct fanotify_response. */
  override write(_td: Thread, uio: Uio): number {
    const count = uio.resid;
    const r = readAnswer(uio);
    if (typeof r === "number") return r < 0 ? r : count;
    for (const e of this.#asked) {
      if (e.fd !== r.fd) continue;
      this.#settle(e, r.answer);
      return count;
    }
    return ENOENT;
  }

  #settle(e: PermissionEvent, answer: number): void {
    this.#asked.delete(e);
    this.#kmem.give(e.bytes);
    e.settle(answer);
    e.drop();
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#queue.readable, POLLIN | POLLRDNORM);
    return this.#queue.events.size > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override bytesReadable(): number {
    let n = 0;
    for (const e of this.#queue.events) n += eventLength(e, this.#how);
    return n;
  }

  override fdinfo(): string {
    const hex = (n: number): string => (n >>> 0).toString(16);
    let out = `fanotify flags:${hex(this.#how)} event-flags:${hex(this.#eventFlags)}\n`;
    for (const m of [...this.#marks].reverse()) {
      let flags = m.isEvictable ? FAN_MARK_EVICTABLE : 0;
      if (m.hasIgnoreFlags) flags |= FAN_MARK_IGNORE;
      if (m.survivesModify) flags |= FAN_MARK_IGNORED_SURV_MODIFY;
      const masks = `mflags:${hex(flags)} mask:${hex(m.mask)} ignored_mask:${hex(m.ignored)}`;
      const { place } = m;
      if (place.kind === "file") {
        const { vp } = place;
        out += `fanotify ino:${vp.ino.toString(16)} sdev:${hex(vp.fs.dev)} ${masks} ${showFid(vp)}\n`;
      } else if (place.kind === "mount") {
        out += `fanotify mnt_id:${hex(place.mount.id)} ${masks}\n`;
      } else out += `fanotify sdev:${hex(place.fs.dev)} ${masks}\n`;
    }
    return out;
  }

  override onLastClose(): void {
    for (const m of [...this.#marks]) this.remove(m);
    for (const e of [...this.#asked]) this.#settle(e, FAN_ALLOW);
    for (const e of [...this.#queue.events]) {
      if (e instanceof PermissionEvent) e.settle(FAN_ALLOW);
      this.#queue.drop(e);
    }
    this.#user.give("fanotify_groups", 1);
    this.#user.end();
  }
}

function classPriority(how: number): number {
  if ((how & FAN_CLASS_PRE_CONTENT) !== 0) return 2;
  return (how & FAN_CLASS_CONTENT) !== 0 ? 1 : 0;
}

/** A descriptor can be had of it: a regular file or directory that is open somewhere. */
function canBeOpened({ vp, path }: FileEvent): boolean {
  return path !== null && (vp.type === S_IFREG || vp.type === S_IFDIR);
}

/** Would have a mark do less than it was promised to. */
function isDowngrade(mark: Mark, flags: number): boolean {
  if ((flags & FAN_MARK_EVICTABLE) !== 0 && !mark.isEvictable) return true;
  if ((flags & FAN_MARK_IGNORED_MASK) !== 0 && mark.hasIgnoreFlags) return true;
  const isNew = (flags & FAN_MARK_IGNORE) !== 0;
  return isNew && (flags & FAN_MARK_IGNORED_SURV_MODIFY) === 0 && mark.survivesModify;
}
