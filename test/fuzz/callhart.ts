/**
 * A hart that executes no instructions: each time a thread is to run, it
 * "traps" with a random system call in its registers.
 *
 * Everything else is the kernel itself, its run loop included: threads sleep,
 * are woken and signalled, fork and die as they would.
 */
import type { Hart } from "../../src/machine/hart.ts";
import { TRAP_ECALL, TRAP_FAULT_READ, TRAP_FUEL, type Trap } from "../../src/machine/traps.ts";
import type { Lwp } from "../../src/proc/lwp.ts";
import type { ProcTable } from "../../src/proc/proctable.ts";
import type { Syscall } from "../../src/syscall/declare.ts";
import { type Arena, type Word, word } from "./arena.ts";
import type { Random } from "./random.ts";

const SP = 2;
const A0 = 10;
const A7 = 17;
const GETPPID = 173;
const CALL_FUEL = 100;
/** Calls that end or disturb too much to be made as often as the others. */
const RARE = new Set([
  ...[
    51, 91, 93, 94, 129, 130, 131, 143, 144, 145, 146, 147, 149, 151, 152, 164, 167, 221, 261, 281,
    436,
  ],
]);
/** reboot(2) ends the machine. */
const NEVER = new Set([142]);
/** Tried more often: they make what others work on. */
const OFTEN = [
  20, 23, 24, 56, 56, 57, 59, 61, 63, 64, 73, 74, 76, 77, 98, 220, 222, 226, 260, 40, 21, 27, 107,
  29, 25, 34, 33, 38, 39, 37, 36, 276, 78, 79, 80, 199, 200, 201, 202, 203, 206, 207, 211, 211, 212,
  212, 243, 269,
];
const range = (from: number, n: number): number[] => Array.from({ length: n }, (_, i) => from + i);
/** Arguments that must be of a few for a call to do anything: number → index, values. */
const CHOICES: ReadonlyMap<number, readonly (readonly [number, readonly number[]])[]> = new Map([
  [21, [[1, [1, 2, 3, 1]]]],
  [
    25,
    [
      [
        1,
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1024, 1025, 1026, 1030, 1031, 1032, 1033, 1034, 36, 37, 38],
      ],
    ],
  ],
  [
    29,
    [
      [
        1,
        [...range(0x5401, 96), 0x5450, 0x5451, 0x541b, ...[1, 0x80045430, 0x40045431, 0x802c542a]],
      ],
    ],
  ],
  [32, [[1, [1, 2, 4, 8, 5, 6]]]],
  [98, [[1, [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 128, 129, 137, 256]]]],
  [107, [[0, [0, 1, 2, 3, 4, 6, 7]]]],
  [233, [[2, [0, 1, 2, 3, 4, 8, 9, 10, 14, 21, 22]]]],
  [
    198,
    [
      [0, [1]],
      [1, [1, 2, 5, 0o4001, 0o4002]],
      [2, [0]],
    ],
  ],
  [
    199,
    [
      [0, [1]],
      [1, [1, 2, 5, 0o4001, 0o4002, 0o4005]],
      [2, [0]],
    ],
  ],
  [208, [[1, [1]]]],
  [209, [[1, [1]]]],
  [216, [[3, [0, 1, 2, 3, 4]]]],
  [222, [[0, [0]]]],
]);
const CLONE_FLAGS = [0x11, 0x11, 0x3d0f00, 0x3d0f00, 0x4111, 0x111, 0x1011, 0xf00, 0x8011];
/** CLONE_NEW*: each alone, and some together. */
const NAMESPACES = [
  0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x7e020080,
  0x10020000, 0x30000000, 0x50000000, 0x200, 0x40000, 0x400,
];
const MAX_THREADS = 24;

export interface CallHartOptions {
  readonly table: ProcTable;
  readonly calls: readonly (Syscall | undefined)[];
  readonly random: Random;
  readonly arena: Arena;
  /** Makes a thread fit for calls again: its memory, its files. */
  readonly refresh: (td: Lwp) => void;
}

export class CallHart {
  fuelLeft = 0;
  faultAddr = 0;
  attention = 0;
  /** Calls made so far. */
  made = 0;
  /** No more calls are made past this many: threads then only burn fuel. */
  budget = 0;
  /** The last call, for a report. */
  last = "";
  readonly #o: CallHartOptions;
  readonly #numbers: number[];

  constructor(options: CallHartOptions) {
    this.#o = options;
    this.#numbers = [];
    for (const [nr, call] of options.calls.entries()) if (call) this.#numbers.push(nr);
  }

  /** No page of it is ever found slowly. */
  takeScattered(): number {
    return 0;
  }

  asHart(): Hart {
    return this as unknown as Hart;
  }

  run(_ctx: unknown, _pt: unknown, fuel: number): Trap {
    const { table, random, arena } = this.#o;
    const td = table.cpu.current as Lwp;
    this.fuelLeft = Math.max(0, fuel - CALL_FUEL);
    if (this.made >= this.budget) {
      table.powerRequest = "halt";
      this.fuelLeft = 0;
      return TRAP_FUEL;
    }
    this.made++;
    if (td.proc.pid === 1) return this.#quiet(td);
    if (random.oneIn(200)) this.#o.refresh(td);
    if (random.oneIn(512)) {
      [this.faultAddr] = [random.u32() * random.pick([1, 16, 4096])];
      return random.pick([TRAP_FAULT_READ, 2, 3, 5, 6, 7]) as Trap;
    }
    arena.scribble(td);
    this.#load(td);
    return TRAP_ECALL;
  }

  /** Process 1 only stands by. */
  #quiet(td: Lwp): Trap {
    td.context.setX(A7, GETPPID);
    return TRAP_ECALL;
  }

  #load(td: Lwp): void {
    const { random, arena, table, calls } = this.#o;
    const { context } = td;
    let nr = random.oneIn(3) ? random.pick(OFTEN) : random.pick(this.#numbers);
    if (random.oneIn(64)) nr = random.below(520);
    const isCrowded = table.threadCount > MAX_THREADS;
    while (NEVER.has(nr) || (RARE.has(nr) && !random.oneIn(24) && !isCrowded)) {
      nr = random.pick(this.#numbers);
    }
    if (isCrowded && random.oneIn(4)) nr = 93;
    const call = calls[nr];
    const words: Word[] = [];
    for (let i = 0; i < 6; i++) {
      const isDirectory = call?.args[i + 1]?.name === "upath";
      if (isDirectory && !random.oneIn(4)) words.push([-100, -1]);
      else words.push(this.#argument(call?.args[i]?.name ?? ""));
    }
    for (const [i, values] of CHOICES.get(nr) ?? []) {
      if (!random.oneIn(6)) words[i] = word(random.pick(values));
    }
    if (nr === 220 && !random.oneIn(8)) words[0] = word(random.pick(CLONE_FLAGS));
    if (nr === 220 && random.oneIn(4)) words[0] = word(0x11 | (random.pick(NAMESPACES) & ~0x80));
    if (nr === 97 && !random.oneIn(8)) words[0] = word(random.pick(NAMESPACES));
    if (nr === 268) words[0] = word(random.below(40));
    if (nr === 268) words[1] = random.oneIn(2) ? [0, 0] : word(random.pick(NAMESPACES));
    if (nr === 222) this.#mmap(words);
    // Mostly without waiting: a thread that sleeps makes no calls.
    if ((nr === 56 || nr === 59) && random.oneIn(2)) {
      const at = nr === 56 ? 2 : 1;
      words[at] = [words[at]![0] | 0x800, 0];
    }
    for (const [i, [lo, hi]] of words.entries()) context.setXParts(A0 + i, lo, hi);
    context.setX(A7, nr);
    if (random.oneIn(16)) context.setXParts(SP, ...arena.wild());
    else context.setX(SP, arena.data() + 4096);
    context.pc = random.oneIn(16) ? 2 ** 40 : 0x10000;
    this.last = `${td.proc.pid}/${td.tid} ${nr} ${call?.name}(${words
      .map(([lo, hi]) => BigInt.asUintN(64, (BigInt(hi) << 32n) | BigInt(lo >>> 0)).toString(16))
      .join(", ")})`;
  }

  #mmap(words: Word[]): void {
    const { random } = this.#o;
    words[1] = word(4096 * (1 + random.below(64)));
    words[2] = word(random.below(8));
    words[3] = word(random.pick([0x21, 0x22, 0x22, 0x1, 0x2, 0x8022, 0x32, 0x100022]));
    words[4] = word(random.below(24));
    words[5] = word(4096 * random.below(8));
  }

  #argument(type: string): Word {
    const { random, arena } = this.#o;
    if (random.oneIn(20)) return arena.wild();
    switch (type) {
      case "fd":
        return word(random.below(random.oneIn(8) ? 200 : 32));
      case "upath":
        return random.oneIn(16) ? arena.pointer() : word(arena.path());
      case "uaddr":
        return arena.pointer();
      case "flags":
        return this.#flags();
      case "mode":
        return word(random.below(0o20000) * (random.oneIn(4) ? 8 : 1));
      case "size":
        return random.oneIn(16)
          ? arena.wild()
          : word(random.below(random.oneIn(4) ? 200000 : 4200));
      case "long":
        return random.oneIn(8) ? arena.wild() : word(random.below(20000));
      case "":
        return arena.value();
      default:
        return this.#int();
    }
  }

  #flags(): Word {
    const { random } = this.#o;
    switch (random.below(10)) {
      case 1:
        return [1 << random.below(24), 0];
      case 2:
        return [(1 << random.below(24)) | random.below(4), 0];
      case 3:
        return word(0o100 | random.below(4));
      case 4:
        return word(random.below(8));
      case 5:
        return [random.u32() & random.u32() & random.u32(), 0];
      default:
        return [0, 0];
    }
  }

  #int(): Word {
    const { random, table } = this.#o;
    switch (random.below(14)) {
      case 0:
        return [-100, -1];
      case 1:
        return word(random.below(65));
      case 2:
        return word(table.pidns.lastPid - random.below(12));
      case 3:
        return [-1, -1];
      case 4:
        return word(random.below(0x6000));
      default:
        return word(random.below(32));
    }
  }
}
