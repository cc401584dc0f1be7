/**
 * The kernel's message buffer: what dmesg(1) shows, the last 256 KiB of it.
 *
 * Every message has a sequence number, a time and a level, and is kept whole
 * until the ring is full; then the oldest go. Readers remember a sequence
 * number. See syslog(2), kmsg in proc(5).
 */
import { LogLevels } from "./log.ts";
import { WaitQueue } from "./waitqueue.ts";

export interface Message {
  readonly seq: number;
  readonly timeNs: number;
  /** 0 emergency … 6 informational, 7 debug. */
  readonly level: number;
  /** A byte string without its newline. */
  readonly text: string;
}

/** Where syslog(2) stands: all its readers share one place. */
export interface SyslogPlace {
  /** The message that the next reader gets, and how much of it was read already. */
  readSeq: number;
  readBytes: number;
  /** Messages before this one were cleared away: dmesg shows them no more. */
  clearedSeq: number;
}

export const MSGBUF_BYTES = 256 * 1024;
/** Level below which messages reach the console, unless told otherwise. */
const DEFAULT_CONSOLE_LEVEL = 7;
/** What a message takes beside its text, so that empty ones are not free. */
const HEADER_BYTES = 32;

export class MsgBuf {
  /** Woken when a message arrives. */
  readonly arrived = new WaitQueue();
  readonly levels: LogLevels;
  readonly syslog: SyslogPlace = { readSeq: 0, readBytes: 0, clearedSeq: 0 };
  /** kernel.printk_devkmsg: whether what programs write to /dev/kmsg is taken. */
  fromPrograms: "on" | "off" | "ratelimit" = "on";
  readonly #messages: Message[] = [];
  #bytes = 0;
  #nextSeq = 0;

  constructor(consoleLevel = DEFAULT_CONSOLE_LEVEL) {
    this.levels = new LogLevels(consoleLevel);
  }

  add(timeNs: number, level: number, text: string): Message {
    const m = { seq: this.#nextSeq++, timeNs, level, text };
    this.#messages.push(m);
    this.#bytes += sizeOf(m);
    while (this.#bytes > MSGBUF_BYTES) this.#bytes -= sizeOf(this.#messages.shift()!);
    this.arrived.wakeup();
    return m;
  }

  /** The first kept message whose number is at least `seq`; null if none. */
  at(seq: number): Message | null {
    const first = this.#messages[0];
    if (!first) return null;
    return this.#messages[Math.max(0, seq - first.seq)] ?? null;
  }

  get nextSeq(): number {
    return this.#nextSeq;
  }

  all(): readonly Message[] {
    return this.#messages;
  }
}

function sizeOf(m: Message): number {
  return m.text.length + HEADER_BYTES;
}

/** One message as dmesg shows it: "[    0.012345] text". */
export function formatMessage(m: Message): string {
  const sec = Math.floor(m.timeNs / 1e9);
  const usec = Math.floor((m.timeNs % 1e9) / 1000);
  return `[${String(sec).padStart(5)}.${String(usec).padStart(6, "0")}] ${m.text}`;
}
