/**
 * Runs a bare static ELF on our own hart, with just write and exit for a kernel.
 *
 * Memory is laid out to be awkward on purpose: every other 64 KiB block of addresses is
 * a contiguous block of frames, the others are single pages in descending order.
 */
import assert from "node:assert/strict";
import { type Machine, Machine as MachineClass } from "../../src/machine/machine.ts";
import { type PageTable, PTE_R, PTE_W, PTE_X } from "../../src/machine/mmu/pagetable.ts";
import { PAGE_SIZE, type Paddr } from "../../src/machine/physmem.ts";
import { TRAP_ECALL, TRAP_FUEL, TRAP_NAMES } from "../../src/machine/traps.ts";

const RAM_BYTES = 64 << 20;
const BLOCK = 65536;
const STACK_TOP = 0x3f_fff0_0000;
const PT_LOAD = 1;
const SYS_WRITE = 64;
const SYS_EXIT = 93;
const SYS_EXIT_GROUP = 94;
const FUEL = 200_000_000;

export interface GuestOptions {
  /** See MachineOptions; Infinity for the interpreter alone, 0 to compile everything. */
  jitThreshold?: number;
  /** See MachineOptions; Infinity for code that stays optimistic, whatever comes. */
  maxDoubts?: number;
  /** Fuel per run(): small values cut the program in many places. */
  fuel?: number;
}

/** What the program wrote to any descriptor until it exited, and how many regions were compiled. */
export function runBare(
  elf: Uint8Array,
  options: GuestOptions = {},
): { output: Buffer; regionsMade: number } {
  const guest = new Guest(options);
  const output = guest.run(elf, options.fuel ?? FUEL);
  return { output, regionsMade: guest.regionsMade };
}

class Guest {
  readonly #machine: Machine;
  readonly #space: PageTable;
  readonly #output: Buffer[] = [];
  #nextFrame: number;
  #topFrame: number;

  constructor(options: GuestOptions) {
    const { jitThreshold, maxDoubts } = options;
    this.#machine = new MachineClass({
      ramBytes: RAM_BYTES,
      clockNs: () => performance.now() * 1e6,
      maxHarts: 1,
      maxContexts: 4,
      ...(jitThreshold === undefined ? {} : { jitThreshold }),
      ...(maxDoubts === undefined ? {} : { maxDoubts }),
    });
    this.#nextFrame = this.#machine.mem.ramBase;
    this.#topFrame = this.#machine.mem.ramBase + this.#machine.mem.ramPages * PAGE_SIZE;
    this.#space = this.#machine.newPageTable({
      allocTable: () => this.#lowFrame(),
      freeTable: () => {},
    });
  }

  get regionsMade(): number {
    return this.#machine.stats.regionsMade;
  }

  run(elf: Uint8Array, fuel: number): Buffer {
    const hart = this.#machine.newHart();
    const ctx = this.#machine.newContext();
    assert.ok(ctx !== undefined);
    ctx.pc = this.#load(elf);
    this.#map(STACK_TOP - BLOCK, BLOCK, PTE_R | PTE_W);
    ctx.setX(2, STACK_TOP - 64);
    for (let left = FUEL; left > 0; ) {
      const trap = hart.run(ctx, this.#space, fuel);
      left -= fuel - hart.fuelLeft;
      if (trap === TRAP_FUEL) continue;
      if (trap !== TRAP_ECALL) {
        const where = `pc ${ctx.pc.toString(16)}, address ${hart.faultAddr.toString(16)}`;
        throw new Error(`${TRAP_NAMES[trap]} at ${where}`);
      }
      const number = ctx.xlo(17);
      if (number === SYS_EXIT || number === SYS_EXIT_GROUP) return Buffer.concat(this.#output);
      if (number !== SYS_WRITE) throw new Error(`system call ${number}`);
      this.#output.push(this.#copyin(ctx.getX(11), ctx.getX(12)));
      ctx.setX(10, ctx.getX(12));
      ctx.pc += 4;
    }
    throw new Error(`still running at ${ctx.pc.toString(16)}`);
  }

  #load(elf: Uint8Array): number {
    const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
    const u64 = (at: number): number => Number(view.getBigUint64(at, true));
    const headers = u64(32);
    for (let i = 0; i < view.getUint16(56, true); i++) {
      const at = headers + i * view.getUint16(54, true);
      if (view.getUint32(at, true) !== PT_LOAD) continue;
      const va = u64(at + 16);
      const fileBytes = u64(at + 32);
      // Permissions are not this test's business, and segments may share a page.
      this.#map(va, u64(at + 40), PTE_R | PTE_W | PTE_X);
      this.#copyout(va, elf.subarray(u64(at + 8), u64(at + 8) + fileBytes));
    }
    return u64(24);
  }

  #map(va: number, bytes: number, flags: number): void {
    const end = va + bytes;
    for (let block = va - (va % BLOCK); block < end; block += BLOCK) {
      if (this.#space.get(block) !== 0 || this.#space.get(block + BLOCK - PAGE_SIZE) !== 0)
        continue;
      if ((block / BLOCK) % 2 === 0) {
        const frames = Math.ceil(this.#nextFrame / BLOCK) * BLOCK;
        this.#nextFrame = frames + BLOCK;
        assert.equal(this.#space.enterBlock(block, frames as Paddr, flags), 0);
        continue;
      }
      for (let page = block; page < block + BLOCK; page += PAGE_SIZE) {
        this.#topFrame -= PAGE_SIZE;
        assert.equal(this.#space.enter(page, this.#topFrame as Paddr, flags), 0);
      }
    }
  }

  #lowFrame(): Paddr {
    this.#nextFrame += PAGE_SIZE;
    return (this.#nextFrame - PAGE_SIZE) as Paddr;
  }

  #copyout(va: number, bytes: Uint8Array): void {
    this.#pieces(va, bytes.length, (pa, at, n) => {
      this.#machine.mem.u8.set(bytes.subarray(at, at + n), pa);
    });
  }

  #copyin(va: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    this.#pieces(va, length, (pa, at, n) => {
      bytes.set(this.#machine.mem.u8.subarray(pa, pa + n), at);
    });
    return bytes;
  }

  #pieces(va: number, length: number, each: (pa: number, at: number, n: number) => void): void {
    for (let at = 0; at < length; ) {
      const offset = (va + at) % PAGE_SIZE;
      const n = Math.min(length - at, PAGE_SIZE - offset);
      const pte = this.#space.get(va + at);
      assert.notEqual(pte, 0, `nothing mapped at ${(va + at).toString(16)}`);
      each(((pte & ~(PAGE_SIZE - 1)) >>> 0) + offset, at, n);
      at += n;
    }
  }
}
