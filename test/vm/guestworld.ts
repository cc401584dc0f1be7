/**
 * Address spaces in a machine: a program does the loads and stores, so that they go through the TLBs.
 *
 * What the TLBs remember and the page tables no longer say shows as a wrong value here, and nowhere else
 * before it shows as a crash of some program.
 */
import assert from "node:assert/strict";
import { EFAULT } from "../../src/abi/errno.ts";
import { MAP_FIXED, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../../src/abi/mman.ts";
import { Machine } from "../../src/machine/machine.ts";
import type { PageTable } from "../../src/machine/mmu/pagetable.ts";
import { assemble } from "../../src/machine/riscv/assemble.ts";
import {
  TRAP_FAULT_FETCH,
  TRAP_FAULT_READ,
  TRAP_FUEL,
  TRAP_SERVED,
} from "../../src/machine/traps.ts";
import { WHOLE_SPACE } from "../../src/vm/entrylist.ts";
import { FAULT_OK } from "../../src/vm/faultcode.ts";
import { AnonObject } from "../../src/vm/object.ts";
import { PageAllocator } from "../../src/vm/page.ts";
import { PAGE_SIZE } from "../../src/vm/param.ts";
import type { PageTableSource } from "../../src/vm/vmspace.ts";
import { Vmspace } from "../../src/vm/vmspace.ts";
import type { Access } from "./model.ts";

const CODE = 0x4000_0000;
const PROGRAM = `
  lwu a0, 0(a1)
  ecall
  sw a0, 0(a1)
  ecall`;
const STORE = CODE + 8;
const [A0, A1] = [10, 11];

export class GuestWorld implements PageTableSource, Access {
  readonly machine: Machine;
  readonly frames: PageAllocator;
  readonly #hart;
  readonly #ctx;
  readonly #code: AnonObject;
  #running: Vmspace | null = null;

  /** With `inPlace` faults are resolved under the program, as the kernel does it; else they come out. */
  constructor(ramPages: number, inPlace: boolean) {
    this.machine = new Machine({
      ramBytes: ramPages * PAGE_SIZE,
      spareBytes: 2 ** 31,
      clockNs: () => 0,
      maxHarts: 1,
      maxContexts: 1,
      jitThreshold: Number.POSITIVE_INFINITY,
    });
    this.frames = new PageAllocator(this.machine.mem, this.machine);
    this.#hart = this.machine.newHart();
    this.#ctx = this.machine.newContext()!;
    this.#code = new AnonObject(this.frames, PAGE_SIZE);
    const pa = this.#code.getPage(0, true);
    this.machine.mem.u32.set(assemble(PROGRAM, CODE), pa >>> 2);
    if (!inPlace) return;
    this.#hart.service = {
      ecall: () => -1,
      fault: (va, isWrite) =>
        this.#running!.fault(va, isWrite ? PROT_WRITE : PROT_READ) === FAULT_OK,
    };
  }

  newPageTable(): PageTable {
    return this.machine.newPageTable(this.frames);
  }

  space(): Vmspace {
    const none = Number.POSITIVE_INFINITY;
    const limits = { asBytes: none, dataBytes: none, stackBytes: 8 << 20 };
    const vs = new Vmspace(this, this.frames, limits, WHOLE_SPACE, this.frames.homes.take());
    const at = vs.mmap({
      addr: CODE,
      length: PAGE_SIZE,
      prot: PROT_READ | PROT_EXEC,
      flags: MAP_FIXED | MAP_SHARED,
      object: this.#code,
    });
    assert.equal(at, CODE);
    return vs;
  }

  load(vs: Vmspace, va: number): number {
    this.#ctx.setX(A0, 0);
    const r = this.#run(vs, CODE, va);
    return r === 0 ? this.#ctx.getX(A0) : r;
  }

  store(vs: Vmspace, va: number, value: number): number {
    this.#ctx.setX(A0, value);
    return this.#run(vs, STORE, va);
  }

  #run(vs: Vmspace, pc: number, va: number): number {
    this.#running = vs;
    const ctx = this.#ctx;
    ctx.pc = pc;
    ctx.setX(A1, va);
    for (;;) {
      const trap = this.#hart.run(ctx, vs.pageTable, 1000);
      if (trap === TRAP_FUEL) {
        // The hart tells of a granule that was missed often.
        vs.gather(this.#hart.takeScattered(vs.pageTable));
        continue;
      }
      if (trap === TRAP_SERVED || trap < TRAP_FAULT_READ) return 0;
      const accesses = [PROT_READ, PROT_WRITE, PROT_EXEC];
      assert.ok(trap <= TRAP_FAULT_FETCH);
      const r = vs.fault(this.#hart.faultAddr, accesses[trap - TRAP_FAULT_READ]!);
      if (r !== FAULT_OK) return EFAULT;
    }
  }
}
