/**
 * What the kernel says: always into the message buffer, and to the console
 * when its level is urgent enough. See kprintf(9), dmesg(8).
 */
import type { KernelClock } from "../kern/clock.ts";
import type { KernelLog } from "../kern/log.ts";
import { formatMessage, MsgBuf } from "../kern/msgbuf.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { ConsolePort } from "../platform/host.ts";

export class Kprintf implements KernelLog {
  readonly msgbuf: MsgBuf;
  readonly #clock: KernelClock;
  readonly #console: ConsolePort;
  readonly #hasTimes: boolean;

  constructor(clock: KernelClock, console: ConsolePort, consoleLevel: number, hasTimes: boolean) {
    this.#clock = clock;
    this.#console = console;
    this.msgbuf = new MsgBuf(consoleLevel);
    this.#hasTimes = hasTimes;
  }

  log(level: number, text: string): void {
    const m = this.msgbuf.add(this.#clock.monotonicNs(), level, text);
    if (level >= this.msgbuf.levels.console) return;
    this.#console.write(bytesOf(`${this.#hasTimes ? formatMessage(m) : m.text}\r\n`));
  }
}
