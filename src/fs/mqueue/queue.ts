/**
 * A POSIX message queue: a file of its file system. See mq_overview(7).
 *
 * Messages leave by priority, and in the order they came where that is the
 * same. Whoever finds the queue empty or full sleeps, and looks again.
 */
import { EBUSY, ENOMEM } from "../../abi/errno.ts";
import { SI_MESGQ } from "../../abi/signal.ts";
import { S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { WaitQueue } from "../../kern/waitqueue.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Proc } from "../../proc/proc.ts";
import { psignal } from "../../proc/signal.ts";
import type { Attr, AttrChange } from "../../vfs/attr.ts";
import type { File } from "../../vfs/file.ts";
import { Vnode } from "../../vfs/vnode.ts";
import { MqFile } from "./mqfile.ts";
import type { Mqueuefs } from "./mqueuefs.ts";

/** What read(2) of a queue yields, and so its size. */
const STATUS_BYTES = 80;
const MESSAGE_BYTES = 128;

export interface MqMessage {
  readonly priority: number;
  readonly text: Uint8Array;
}

/** Who is told when a message comes to the empty queue: mq_notify(3). */
export interface Notification {
  readonly proc: Proc;
  /** SIGEV_NONE or SIGEV_SIGNAL. */
  readonly how: number;
  /** 0: is told nothing, but nobody else can be either. */
  readonly signo: number;
  readonly valueLo: number;
  readonly valueHi: number;
}

export class MqNode extends Vnode {
  declare readonly fs: Mqueuefs;
  readonly maxMessages: number;
  readonly messageBytes: number;
  /** Whose RLIMIT_MSGQUEUE it counts against, and how much. */
  readonly payer: number;
  readonly paidBytes: number;
  readonly messages: MqMessage[] = [];
  textBytes = 0;
  nlink = 1;
  /** Woken when messages come and go: receivers and senders that sleep, and pollers. */
  readonly receivers = new WaitQueue();
  readonly senders = new WaitQueue();
  readonly readable = new WaitQueue();
  readonly writable = new WaitQueue();
  notification: Notification | null = null;
  #attr: Attr;

  constructor(
    fs: Mqueuefs,
    ino: number,
    mode: number,
    cred: Cred,
    size: { readonly maxMessages: number; readonly messageBytes: number; readonly paid: number },
  ) {
    super(fs, ino, S_IFREG);
    this.maxMessages = size.maxMessages;
    this.messageBytes = size.messageBytes;
    this.payer = cred.uid;
    this.paidBytes = size.paid;
    const now = fs.clock.realtime();
    this.#attr = {
      mode: S_IFREG | (mode & 0o7777),
      ino,
      dev: fs.dev,
      nlink: 1,
      uid: cred.fsuid,
      gid: cred.fsgid,
      rdev: 0,
      sizeBytes: STATUS_BYTES,
      blksize: 4096,
      blocks: 0,
      atime: now,
      mtime: now,
      ctime: now,
      btime: null,
    };
  }

  override getattr(): Attr {
    return { ...this.#attr, nlink: this.nlink };
  }

  override setattr(change: AttrChange): number {
    const a = this.#attr;
    const mode = change.mode === undefined ? a.mode : (a.mode & S_IFMT) | (change.mode & 0o7777);
    this.#attr = {
      ...a,
      mode,
      uid: change.uid ?? a.uid,
      gid: change.gid ?? a.gid,
      atime: change.atime ?? a.atime,
      mtime: change.mtime ?? a.mtime,
      ctime: this.fs.clock.realtime(),
    };
    return 0;
  }

  override open(_td: Thread, flags: number): File {
    return new MqFile(this, flags);
  }

  get isFull(): boolean {
    return this.messages.length >= this.maxMessages;
  }

  /** Into a queue that is not full: 0 or ENOMEM. */
  send(td: Thread, message: MqMessage): number {
    if (!td.cpu.kmem.take(MESSAGE_BYTES + message.text.length)) return ENOMEM;
    const wasEmpty = this.messages.length === 0;
    let at = this.messages.length;
    while (at > 0 && this.messages[at - 1]!.priority < message.priority) at--;
    this.messages.splice(at, 0, message);
    this.textBytes += message.text.length;
    this.#touch();
    if (wasEmpty && this.receivers.isEmpty) this.#notify(td);
    this.receivers.wakeup();
    this.readable.wakeup();
    return 0;
  }

  /** The next message, out of a queue that is not empty. */
  receive(td: Thread): MqMessage {
    const message = this.messages.shift()!;
    this.textBytes -= message.text.length;
    td.cpu.kmem.give(MESSAGE_BYTES + message.text.length);
    this.#touch();
    this.senders.wakeup();
    this.writable.wakeup();
    return message;
  }

  /** Registers for one notification: 0, or EBUSY if somebody is. */
  register(n: Notification): number {
    if (this.notification?.proc.state === "alive") return EBUSY;
    this.notification = n;
    return 0;
  }

  unregister(pid: number): void {
    if (this.notification?.proc.pid === pid) this.notification = null;
  }

  status(): string {
    const n = this.notification;
    const size = String(this.textBytes).padEnd(10);
    const how = String(n?.how ?? 0).padEnd(5);
    const signo = String(n?.signo ?? 0).padEnd(5);
    return `QSIZE:${size} NOTIFY:${how} SIGNO:${signo} NOTIFY_PID:${String(n?.proc.pid ?? 0).padEnd(6)}\n`;
  }

  /** Without a name and without users it goes. */
  override inactive(): void {
    if (this.nlink > 0) return;
    const { kmem } = this.fs;
    for (const m of this.messages) kmem.give(MESSAGE_BYTES + m.text.length);
    this.messages.length = 0;
    this.textBytes = 0;
    this.fs.gone(this);
  }

  #notify(td: Thread): void {
    const n = this.notification;
    if (!n) return;
    this.notification = null;
    if (n.signo === 0 || n.proc.state !== "alive") return;
    const { valueLo, valueHi } = n;
    const pid = (td as Lwp).proc.id.in(n.proc.id.ns);
    const info = { signo: n.signo, code: SI_MESGQ, pid, uid: td.cred.uid };
    psignal(n.proc, n.signo, { ...info, valueLo, valueHi });
  }

  #touch(): void {
    const now = this.fs.clock.realtime();
    this.#attr = { ...this.#attr, atime: now, mtime: now, ctime: now };
  }
}
