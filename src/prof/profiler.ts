/**
 * The profiler: what the machine's time goes to, by sampling. See docs/profiling.md.
 *
 * Somebody outside adds a tick to the hart's attention word at a steady pace. The way into the kernel and the way out
 * take the ticks: those found on the way in came while the program ran, those found on the way out came in the
 * kernel, in whatever it was doing. So time in the kernel is told from the program's exactly, and a program's
 * pc is where it next left generated code.
 *
 * Bounded: samples, stacks, images and threads each have their limit.
 */
import type { Hart } from "../machine/hart.ts";
import {
  TRAP_BREAK,
  TRAP_ECALL,
  TRAP_FUEL,
  TRAP_ILLEGAL,
  TRAP_MISALIGNED,
  type Trap,
} from "../machine/traps.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PID_MAX_LIMIT } from "../proc/pidns.ts";
import type { ProcTable } from "../proc/proctable.ts";
import type { Syscall } from "../syscall/declare.ts";
import type { Sampler } from "../trap/sampler.ts";
import { type Image, Images, type Place } from "./images.ts";
import { Samples } from "./samples.ts";
import { Stacks } from "./stacks.ts";
import { type ProfiledThread, traceEvents } from "./traceevents.ts";
import { callChain } from "./unwind.ts";

const A7 = 17;
const ECALL_BYTES = 4;
/**
 * Fuel of one stay in generated code while profiling: tens of microseconds in a loop, half a millisecond in cold
 * code, after which the attention word is looked at. A smaller one costs more and tells no more.
 */
const PROFILED_STAY = 4000;
const MAX_THREADS = 8192;
/** Names of one image's addresses that are kept. */
const MAX_NAMES = 8192;
/** Numbers that no process can have, for two tracks: the idle machine, and threads past MAX_THREADS. */
const KERNEL_PID = 2 * PID_MAX_LIMIT;
const IDLE = 0;
const OTHERS = 1;

export class Profiler implements Sampler {
  readonly #hart: Hart;
  readonly #table: ProcTable;
  readonly #calls: readonly (Syscall | undefined)[];
  readonly #images = new Images();
  readonly #stacks = new Stacks();
  readonly #samples: Samples;
  readonly #threads: NamedThread[] = [];
  readonly #threadNumbers = new Map<number, number>();
  readonly #names = new WeakMap<Image, Map<number, string>>();
  /** What the kernel does now, and where the program was when it began. */
  #doing = "";
  #pc = 0;

  /** `calls`: the table of system calls, for their names. `tickUs`: how long a tick is. */
  constructor(
    hart: Hart,
    table: ProcTable,
    calls: readonly (Syscall | undefined)[],
    tickUs: number,
  ) {
    this.#hart = hart;
    this.#table = table;
    this.#calls = calls;
    this.#samples = new Samples(tickUs);
    hart.stayFuel = PROFILED_STAY;
    this.#threads.push(new NamedThread(KERNEL_PID, KERNEL_PID, "kernel", "idle"));
    this.#threads.push(new NamedThread(KERNEL_PID + 1, KERNEL_PID + 1, "others", "others"));
  }

  get sampleCount(): number {
    return this.#samples.count;
  }

  leftProgram(td: Lwp, trap: Trap): void {
    const ticks = this.#hart.takeAttention();
    if (ticks > 0) this.#sample(td, ticks, "");
    this.#doing = this.#nameOfTrap(td, trap);
    this.#pc = td.context.pc;
  }

  enteringProgram(td: Lwp): void {
    const ticks = this.#hart.takeAttention();
    if (ticks > 0) this.#sample(td, ticks, this.#doing);
  }

  switchedTo(td: Lwp): void {
    this.#doing = td.callInProgress >= 0 ? this.#nameOfCall(td.callInProgress) : "schedule";
    this.#pc = td.context.pc;
  }

  switchingFrom(td: Lwp): void {
    const ticks = this.#hart.takeAttention();
    if (ticks > 0) this.#sample(td, ticks, this.#doing);
  }

  wasIdle(): void {
    const ticks = this.#hart.takeAttention();
    const due = this.#samples.due(ticks);
    if (due > 0) this.#samples.add(this.#nowUs(), due, IDLE, this.#stacks.push(0, "idle"));
  }

  /** The profile as a file, in pieces. */
  *file(version: string): Generator<string> {
    const profile = {
      threads: this.#threads,
      samples: this.#samples,
      stacks: this.#stacks,
      version,
    };
    yield* traceEvents(profile);
  }

  /** The running thread had `ticks`: in its program, or in the kernel doing `doing`. */
  #sample(td: Lwp, ticks: number, doing: string): void {
    const due = this.#samples.due(ticks);
    if (due > 0) {
      const endUs = this.#nowUs();
      let stack = 0;
      if (this.#isWhereItWas(td, doing)) {
        const chain = callChain(td, this.#images);
        for (let i = chain.length - 1; i >= 0; i--) {
          stack = this.#stacks.push(stack, this.#nameOf(chain[i]!));
        }
        if (chain.length === 0 && doing === "") stack = this.#stacks.push(0, "[nowhere]");
      }
      if (doing !== "") stack = this.#stacks.push(stack, doing);
      this.#samples.add(endUs, due, this.#threadNumber(td), stack);
    }
    // What came meanwhile is the profiler's own time.
    this.#hart.takeAttention();
  }

  /** False if its registers no longer tell who made the call: another program, a handler, nobody. */
  #isWhereItWas(td: Lwp, doing: string): boolean {
    if (td.state === "dead" || td.proc.state !== "alive") return false;
    const moved = td.context.pc - this.#pc;
    return doing === "" || moved === 0 || moved === ECALL_BYTES;
  }

  #nameOfTrap(td: Lwp, trap: Trap): string {
    switch (trap) {
      case TRAP_ECALL:
        return this.#nameOfCall(td.context.xlo(A7));
      case TRAP_FUEL:
        return "schedule";
      case TRAP_ILLEGAL:
      case TRAP_BREAK:
      case TRAP_MISALIGNED:
        return "exception";
      default:
        return "page_fault";
    }
  }

  #nameOfCall(nr: number): string {
    return `sys_${this.#calls[nr]?.name ?? nr}`;
  }

  #nameOf(place: Place): string {
    const { image, vaddr } = place;
    if (!image) return place.name;
    let names = this.#names.get(image);
    if (!names || names.size > MAX_NAMES) {
      names = new Map();
      this.#names.set(image, names);
    }
    let name = names.get(vaddr);
    if (name === undefined) {
      name = image.describe(vaddr);
      names.set(vaddr, name);
    }
    return name;
  }

  #threadNumber(td: Lwp): number {
    const key = td.proc.pid * KERNEL_PID + td.tid;
    let i = this.#threadNumbers.get(key);
    if (i === undefined) {
      if (this.#threads.length >= MAX_THREADS) return OTHERS;
      i = this.#threads.push(new NamedThread(td.proc.pid, td.tid, "", "")) - 1;
      this.#threadNumbers.set(key, i);
    }
    this.#threads[i]!.rename(td);
    return i;
  }

  #nowUs(): number {
    return this.#table.cpu.clock.monotonicNs() / 1000;
  }
}

/** A thread under its last name: programs rename themselves, and exec does. */
class NamedThread implements ProfiledThread {
  readonly pid: number;
  readonly tid: number;
  processName: string;
  threadName: string;

  constructor(pid: number, tid: number, processName: string, threadName: string) {
    this.pid = pid;
    this.tid = tid;
    this.processName = processName;
    this.threadName = threadName;
  }

  rename(td: Lwp): void {
    this.threadName = td.comm;
    if (td.isLeader || this.processName === "") this.processName = td.comm;
  }
}
