/**
 * Runs a static riscv64 program on the machine alone: no kernel, just the few system calls that a
 * libc needs to start, to allocate and to print. For measuring the machine by itself.
 */
import { readFileSync } from "node:fs";
import { tuneEngine } from "../../src/hosts/node/engine.ts";
import type { Context } from "../../src/machine/context.ts";
import type { Hart } from "../../src/machine/hart.ts";
import { Machine, type MachineOptions } from "../../src/machine/machine.ts";
import {
  type PageTable,
  PTE_A,
  PTE_D,
  PTE_R,
  PTE_W,
  PTE_X,
} from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL, TRAP_NAMES, type Trap } from "../../src/machine/traps.ts";

const BLOCK = 65536;
const RAM_BYTES = 512 << 20;
/** All that is mapped lies below, and at home, as in the kernel's address spaces. */
const STACK_TOP = 0x1a00_0000;
const STACK_BYTES = 1 << 20;
/** Far from the program's own granules in the TLB too. */
const MMAP_BASE = 0x0310_0000;
const AT_NULL = 0;
const AT_PAGESZ = 6;
const AT_PHDR = 3;
const AT_PHENT = 4;
const AT_PHNUM = 5;
const AT_ENTRY = 9;
const AT_RANDOM = 25;
const ENOSYS = -38;
const ENOTTY = -25;
const EACCESS_ALL = PTE_R | PTE_W | PTE_X | PTE_A | PTE_D;

export interface BareResult {
  readonly status: number;
  readonly output: string;
  readonly machine: Machine;
}

export class Bare {
  readonly machine: Machine;
  readonly space: PageTable;
  readonly hart: Hart;
  readonly ctx: Context;
  output = "";
  #brk = 0;
  #mmapNext = MMAP_BASE;

  constructor(options: Partial<MachineOptions>) {
    tuneEngine();
    this.machine = new Machine({
      ramBytes: RAM_BYTES,
      clockNs: () => performance.now() * 1e6,
      maxHarts: 1,
      maxContexts: 4,
      ...options,
    });
    let tables = this.machine.mem.ramBase + (this.machine.mem.ramPages - 1) * PAGE_SIZE;
    this.space = this.machine.newPageTable({
      allocTable: () => {
        tables -= PAGE_SIZE;
        return tables as Paddr;
      },
      freeTable: () => {},
    });
    this.space.home = Math.ceil(this.machine.mem.ramBase / BLOCK) * BLOCK;
    this.hart = this.machine.newHart();
    this.ctx = this.machine.newContext()!;
  }

  /** Loads and runs until exit; the exit status. */
  run(file: string, args: readonly string[], fuel = 1e15): number {
    return this.#runBy(file, args, () => this.hart.run(this.ctx, this.space, fuel));
  }

  /** The same an instruction at a time; how many there were. */
  count(file: string, args: readonly string[]): number {
    let n = 0;
    this.#runBy(file, args, () => {
      n++;
      return this.hart.step(this.ctx, this.space);
    });
    return n;
  }

  #runBy(file: string, args: readonly string[], go: () => Trap): number {
    this.#load(readFileSync(file), [file, ...args]);
    for (;;) {
      const trap = go();
      if (trap === TRAP_FUEL) continue;
      if (trap !== TRAP_ECALL) {
        const where = `pc ${this.ctx.pc.toString(16)} address ${this.hart.faultAddr.toString(16)}`;
        throw new Error(`${TRAP_NAMES[trap]} at ${where}`);
      }
      const number = this.ctx.xlo(17);
      if (number === 93 || number === 94) return this.ctx.xlo(10);
      this.ctx.setX(10, this.#systemCall(number));
      this.ctx.pc += 4;
    }
  }

  #systemCall(number: number): number {
    const arg = (i: number) => this.ctx.getX(10 + i);
    switch (number) {
      case 64: {
        this.output += this.#text(arg(1), arg(2));
        return arg(2);
      }
      case 66: {
        let total = 0;
        for (let i = 0; i < arg(2); i++) {
          const [base, n] = [this.#u64(arg(1) + i * 16), this.#u64(arg(1) + i * 16 + 8)];
          this.output += this.#text(base, n);
          total += n;
        }
        return total;
      }
      case 113: {
        const ns = performance.now() * 1e6;
        this.#setU64(arg(1), Math.floor(ns / 1e9));
        this.#setU64(arg(1) + 8, Math.floor(ns % 1e9));
        return 0;
      }
      case 214: {
        if (arg(0) > this.#brk) {
          this.#map(this.#brk, arg(0) - this.#brk);
          this.#brk = arg(0);
        }
        return this.#brk;
      }
      case 222: {
        const at = this.#mmapNext;
        this.#mmapNext += Math.ceil(arg(1) / BLOCK) * BLOCK;
        this.#map(at, arg(1));
        return at;
      }
      case 29:
        return ENOTTY;
      case 96:
      case 178:
        return 1;
      case 99:
      case 134:
      case 135:
      case 215:
      case 226:
        return 0;
      case 278: {
        for (let i = 0; i < arg(1); i++) this.machine.mem.u8[this.#pa(arg(0) + i)] = i;
        return arg(1);
      }
      default:
        return ENOSYS;
    }
  }

  #load(elf: Uint8Array, args: readonly string[]): void {
    const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
    const u64 = (at: number) => Number(view.getBigUint64(at, true));
    const phoff = u64(32);
    const phnum = view.getUint16(56, true);
    let base = 0;
    for (let i = 0; i < phnum; i++) {
      const at = phoff + i * 56;
      if (view.getUint32(at, true) !== 1) continue;
      const [offset, va] = [u64(at + 8), u64(at + 16)];
      if (offset === 0) base = va;
      this.#map(va, u64(at + 40));
      this.#copyout(va, elf.subarray(offset, offset + u64(at + 32)));
      this.#brk = Math.ceil((va + u64(at + 40)) / BLOCK) * BLOCK;
    }
    this.#map(STACK_TOP - STACK_BYTES, STACK_BYTES);
    let sp = STACK_TOP - 4096;
    const strings = args.map((s) => {
      const at = sp;
      this.#copyout(at, new TextEncoder().encode(`${s}\0`));
      sp += s.length + 1;
      return at;
    });
    const random = sp;
    const aux = [AT_PHDR, base + phoff, AT_PHENT, 56, AT_PHNUM, phnum, AT_PAGESZ, PAGE_SIZE];
    aux.push(AT_ENTRY, u64(24), AT_RANDOM, random, AT_NULL, 0);
    const words = [args.length, ...strings, 0, 0, ...aux];
    const at = STACK_TOP - 4096 - Math.ceil((words.length * 8) / 16) * 16 - 64;
    words.forEach((w, i) => {
      this.#setU64(at + i * 8, w);
    });
    this.ctx.setX(2, at);
    this.ctx.pc = u64(24);
  }

  #map(va: number, bytes: number): void {
    for (let block = va - (va % BLOCK); block < va + bytes; block += BLOCK) {
      if (this.space.get(block) !== 0) continue;
      this.space.enterBlock(block, (block + this.space.home) as Paddr, EACCESS_ALL);
    }
  }

  #pa(va: number): number {
    return ((this.space.get(va) & ~0xfff) >>> 0) + (va % PAGE_SIZE);
  }
  #copyout(va: number, bytes: Uint8Array): void {
    bytes.forEach((b, i) => {
      this.machine.mem.u8[this.#pa(va + i)] = b;
    });
  }
  #text(va: number, n: number): string {
    let s = "";
    for (let i = 0; i < n; i++) s += String.fromCharCode(this.machine.mem.u8[this.#pa(va + i)]!);
    return s;
  }
  #u64(va: number): number {
    const i = this.#pa(va) >>> 2;
    return this.machine.mem.u32[i]! + this.machine.mem.u32[i + 1]! * 2 ** 32;
  }
  #setU64(va: number, v: number): void {
    const i = this.#pa(va) >>> 2;
    this.machine.mem.u32[i] = v;
    this.machine.mem.u32[i + 1] = Math.floor(v / 2 ** 32);
  }
}
