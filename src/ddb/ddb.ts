/**
 * The kernel debugger: `^\` on the console, or a panic, comes here. See ddb(4).
 *
 * Everything stands still while it talks. It sees all floors and none sees it;
 * it changes nothing but what its user asks for, and reads a process's memory
 * only where it is mapped, so that a look cannot hurt.
 */
import { failed } from "../abi/errno.ts";
import type { ConsolePort, Doorbell } from "../platform/host.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { ProcTable } from "../proc/proctable.ts";
import type { Syscall } from "../syscall/declare.ts";
import { LineEditor } from "./lineeditor.ts";
import { backtrace, formatRegisters, formatThread } from "./show.ts";

export type Verdict =
  | { readonly kind: "continue" }
  | { readonly kind: "panic" }
  | { readonly kind: "reset" }
  | { readonly kind: "halt" };

const HELP = `commands:
  ps                 all threads: process, state, what they wait for, name
  trace [tid]        system call, pc and call frames of a thread (default: the current one)
  regs [tid]         its registers
  x[/n] addr [tid]   n 8-byte words of its memory (default 8)
  continue, c        back to the machine
  panic              panic on purpose
  reset              reboot at once
  halt               stop at once
`;

const MAX_WORDS = 512;

export class Ddb {
  readonly #table: ProcTable;
  readonly #calls: readonly (Syscall | undefined)[];
  readonly #editor: LineEditor;

  /** `calls`: the table of system calls, for their names. */
  constructor(
    table: ProcTable,
    calls: readonly (Syscall | undefined)[],
    console: ConsolePort,
    doorbell: Doorbell,
  ) {
    this.#table = table;
    this.#calls = calls;
    this.#editor = new LineEditor(console, doorbell);
  }

  /** Talks until its user decides; end of input continues. */
  enter(why: string): Verdict {
    this.#editor.print(`\nStopped: ${why}. Type help for the commands.\n`);
    for (;;) {
      const line = this.#editor.read("ddb> ");
      if (line === null) return { kind: "continue" };
      const verdict = this.#run(line.trim().split(/\s+/));
      if (verdict) return verdict;
    }
  }

  #run([command = "", ...args]: string[]): Verdict | null {
    const [name, count] = command.split("/");
    switch (name) {
      case "":
        return null;
      case "c":
      case "continue":
        return { kind: "continue" };
      case "panic":
        return { kind: "panic" };
      case "reset":
        return { kind: "reset" };
      case "halt":
        return { kind: "halt" };
      case "ps":
        return this.#ps();
      case "trace":
        return this.#withThread(args[0], (td) => backtrace(td, this.#calls));
      case "regs":
        return this.#withThread(args[0], (td) => formatRegisters(td));
      case "x":
        return this.#withThread(args[1], (td) => examine(td, args[0] ?? "", count));
      case "help":
        this.#editor.print(HELP);
        return null;
      default:
        this.#editor.print(`unknown command ${command}; try help\n`);
        return null;
    }
  }

  #ps(): null {
    this.#editor.print("  PID   TID  PPID  UID STATE    WMESG    COMMAND\n");
    for (const p of this.#table.all()) {
      for (const td of p.threads) this.#editor.print(formatThread(td));
      if (p.threads.length === 0) {
        this.#editor.print(`${String(p.pid).padStart(5)}     - zombie ${p.comm}\n`);
      }
    }
    return null;
  }

  #withThread(tid: string | undefined, show: (td: Lwp) => string): null {
    const current = this.#table.cpu.current as Lwp | null;
    const td = tid === undefined ? (current ?? this.#first()) : this.#table.thread(Number(tid));
    this.#editor.print(td ? show(td) : `no thread ${tid ?? ""}\n`);
    return null;
  }

  #first(): Lwp | null {
    return this.#table.init?.threads[0] ?? null;
  }
}

function examine(td: Lwp, addr: string, count: string | undefined): string {
  const start = Number.parseInt(addr, 16);
  if (!Number.isFinite(start)) return "x wants a hexadecimal address\n";
  const words = Math.min(MAX_WORDS, Number(count ?? 8) || 8);
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  let out = "";
  for (let i = 0; i < words; i++) {
    const at = start + i * 8;
    if (failed(td.proc.vmspace.copyin(at, bytes))) return `${out}${at.toString(16)}: not mapped\n`;
    if (i % 2 === 0) out += `${i > 0 ? "\n" : ""}${at.toString(16).padStart(12, "0")}:`;
    out += ` ${view.getBigUint64(0, true).toString(16).padStart(16, "0")}`;
  }
  return `${out}\n`;
}
