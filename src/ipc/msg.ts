/**
 * System V message queues. See msgget(2), msgop(2), msgctl(2).
 *
 * A message goes straight to the first who sleeps for one of its kind, who
 * finds it on its waiter, or to the end of the queue. Senders sleep while it
 * would not fit, and look again when something left. As ipc/msg.c of Linux does it.
 */
import { E2BIG, EAGAIN, EIDRM, ENOMEM, type Errno, failed } from "../abi/errno.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import type { Abandonable, Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { Waiter, WaitQueue } from "../kern/waitqueue.ts";
import { IpcIds } from "./ids.ts";
import { IpcObject } from "./ipcobject.ts";

const MSGMNI = 32000;
const MSGMAX = 8192;
const MSGMNB = 16384;
/** What a queue and a message take beside the text, about. */
const QUEUE_BYTES = 512;
const MESSAGE_BYTES = 128;

/** A message on its way; it is paid for until `free`. */
export interface Message {
  readonly type: bigint;
  readonly text: Uint8Array;
}

/** Which messages a receiver takes. See MSG_EXCEPT and MSG_COPY in msgop(2). */
export type Selection =
  | { readonly by: "any" }
  | { readonly by: "type" | "except" | "upto"; readonly type: bigint }
  | { readonly by: "place"; readonly place: bigint };

export class MsgTable {
  readonly ids: IpcIds<MsgQueue>;
  readonly cpu: Cpu;
  readonly userns: UserNamespace;
  /** Limits: bytes of a message, and of a queue that is made. */
  maxMessage = MSGMAX;
  maxQueue = MSGMNB;
  /** In all queues. */
  messages = 0;
  bytes = 0;

  constructor(cpu: Cpu, userns: UserNamespace) {
    this.cpu = cpu;
    this.userns = userns;
    this.ids = new IpcIds(MSGMNI);
  }

  get nowSec(): number {
    return this.cpu.clock.realtime().sec;
  }

  /** msgget(2): an identifier. */
  get(key: number, flags: number, cred: Cred): number {
    return this.ids.open(
      key,
      flags,
      cred,
      () => 0,
      () => this.#make(key, flags, cred),
    );
  }

  #make(key: number, flags: number, cred: Cred): MsgQueue | Errno {
    const full = this.ids.mayAdd();
    if (failed(full)) return full;
    if (!this.cpu.kmem.take(QUEUE_BYTES)) return ENOMEM;
    return new MsgQueue(this, key, flags, cred);
  }

  /** Its name space ends. */
  removeAll(): void {
    for (const queue of [...this.ids.all()]) this.remove(queue);
  }

  /** IPC_RMID: who sleeps on it gets EIDRM. */
  remove(queue: MsgQueue): void {
    this.ids.remove(queue);
    queue.end();
    this.cpu.kmem.give(QUEUE_BYTES);
  }

  /** Room for a message of `length` bytes: false for want of memory. */
  pay(length: number): boolean {
    return this.cpu.kmem.take(MESSAGE_BYTES + length);
  }

  free(message: Message): void {
    this.cpu.kmem.give(MESSAGE_BYTES + message.text.length);
  }
}

export class MsgQueue extends IpcObject {
  readonly table: MsgTable;
  readonly messages: Message[] = [];
  /** Of text that is in it, and that may be; no more messages than that either. */
  bytes = 0;
  maxBytes: number;
  stimeSec = 0;
  rtimeSec = 0;
  lspid = 0;
  lrpid = 0;
  readonly senders = new WaitQueue();
  readonly #receivers = new WaitQueue();

  constructor(table: MsgTable, key: number, flags: number, cred: Cred) {
    super(key, flags, cred, table.nowSec, table.userns);
    this.table = table;
    this.maxBytes = table.maxQueue;
  }

  fits(message: Message): boolean {
    const { length } = message.text;
    return this.bytes + length <= this.maxBytes && this.messages.length < this.maxBytes;
  }

  /** A message that fits. */
  send(message: Message, pid: number): void {
    this.lspid = pid;
    this.stimeSec = this.table.nowSec;
    if (this.#handOver(message)) return;
    this.messages.push(message);
    this.bytes += message.text.length;
    this.table.messages++;
    this.table.bytes += message.text.length;
  }

  /** The message that `which` selects, which stays where it is; null if there is none. */
  find(which: Selection): Message | null {
    if (which.by === "place") return this.messages[Number(which.place)] ?? null;
    if (which.by !== "upto") return this.messages.find((m) => isSelected(m, which)) ?? null;
    let least: Message | null = null;
    for (const m of this.messages) {
      if (m.type <= which.type && (!least || m.type < least.type)) least = m;
    }
    return least;
  }

  /** Takes out a message that `find` found. */
  take(message: Message, pid: number): void {
    const at = this.messages.indexOf(message);
    if (at === 0) this.messages.shift();
    else this.messages.splice(at, 1);
    this.bytes -= message.text.length;
    this.table.messages--;
    this.table.bytes -= message.text.length;
    this.rtimeSec = this.table.nowSec;
    this.lrpid = pid;
    this.senders.wakeup();
  }

  /** Puts a receiver to sleep until a message comes for it. */
  await(w: MsgReceiver): void {
    w.td.watchWith(w, this.#receivers);
  }

  /** IPC_SET: everybody looks again whether he may, and whether there is room. */
  lookAgain(): void {
    this.#expel(EAGAIN);
    this.senders.wakeup();
  }

  end(): void {
    this.#expel(EIDRM);
    this.senders.wakeup();
    for (const m of this.messages) this.table.free(m);
    this.table.messages -= this.messages.length;
    this.table.bytes -= this.bytes;
    this.messages.length = 0;
    this.bytes = 0;
  }

  #handOver(message: Message): boolean {
    for (let w = this.#receivers.first() as MsgReceiver | null; w; ) {
      const next = w.next as MsgReceiver | null;
      if (isSelected(message, w.which)) {
        if (message.text.length <= w.maxBytes) {
          this.rtimeSec = this.table.nowSec;
          this.lrpid = w.td.pid;
          w.finish(message);
          return true;
        }
        w.finish(E2BIG);
      }
      w = next;
    }
    return false;
  }

  #expel(why: Errno): void {
    for (let w = this.#receivers.first(); w; w = this.#receivers.first()) {
      (w as MsgReceiver).finish(why);
    }
  }
}

/** A msgsnd(2) in progress. */
export class MsgSender implements Abandonable {
  readonly queue: MsgQueue;
  readonly message: Message;
  isSent = false;

  constructor(queue: MsgQueue, message: Message) {
    this.queue = queue;
    this.message = message;
  }

  abandon(): void {
    if (!this.isSent) this.queue.table.free(this.message);
  }
}

/** A msgrcv(2) in progress, and what came of it. */
export class MsgReceiver extends Waiter implements Abandonable {
  readonly td: Thread;
  readonly from: MsgQueue;
  readonly which: Selection;
  /** The longest message it takes: Infinity with MSG_NOERROR. */
  readonly maxBytes: number;
  /** A message, or why there is none; null while it waits. EAGAIN: look again. */
  outcome: Message | Errno | null = null;

  constructor(td: Thread, from: MsgQueue, which: Selection, maxBytes: number) {
    super();
    this.td = td;
    this.from = from;
    this.which = which;
    this.maxBytes = maxBytes;
  }

  finish(outcome: Message | Errno): void {
    this.cancel();
    this.outcome = outcome;
    this.td.wakeup();
  }

  wake(): void {
    this.td.wakeup();
  }

  /** What it was given goes with it, used or not. */
  abandon(): void {
    this.cancel();
    const { outcome } = this;
    if (outcome !== null && !failed(outcome)) this.from.table.free(outcome as Message);
  }
}

function isSelected(message: Message, which: Selection): boolean {
  switch (which.by) {
    case "any":
    case "place":
      return true;
    case "type":
      return message.type === which.type;
    case "except":
      return message.type !== which.type;
    case "upto":
      return message.type <= which.type;
  }
}
