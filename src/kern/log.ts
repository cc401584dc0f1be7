/**
 * Where a part of the kernel says what an administrator should know; see
 * kprintf(9). Text is for people: short, one line, with the device's name; a
 * byte string (lib/bytes.ts), as /dev/kmsg brings what programs wrote.
 */
export interface KernelLog {
  log(level: number, text: string): void;
}

/** What reaches the console; dmesg(1) -n and kernel.printk change it. See syslog(2), proc_sys(5). */
export class LogLevels {
  /** Messages of a level below this are shown. */
  console: number;
  /** Level of messages that come without one. */
  message = 4;
  /** `console` goes no lower by syslog(2). */
  minimum = 1;
  readonly initial: number;
  /** What `console` was before it was silenced; null while it is not. */
  #silenced: number | null = null;

  constructor(initial: number) {
    this.initial = initial;
    this.console = initial;
  }

  setConsole(level: number): void {
    this.console = level;
    this.#silenced = null;
  }

  silence(): void {
    this.#silenced ??= this.console;
    this.console = this.minimum;
  }

  unsilence(): void {
    if (this.#silenced !== null) this.setConsole(this.#silenced);
  }
}

export const LOG_CRIT = 2;
export const LOG_ERR = 3;
export const LOG_WARNING = 4;
export const LOG_INFO = 6;
export const LOG_DEBUG = 7;
