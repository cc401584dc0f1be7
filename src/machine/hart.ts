/**
 * A hart: runs a context in an address space until something needs the kernel.
 *
 * A hart has a few banks; a bank is what it caches of one address space (TLBs, jump
 * cache), so that switching back to a recent address space finds everything in place.
 * The bank of the least recently used address space is emptied for a new one.
 */
import type { Context } from "./context.ts";
import {
  BANK_FAULT,
  BANK_FETCH,
  BANK_FUEL,
  BANK_GRANULE_MISSES,
  BANK_HOME,
  BANK_HOME_MAP,
  BANK_MISSES,
  BANK_READ,
  BANK_READ_PAGES,
  BANK_ROOT,
  BANK_SCATTERED,
  BANK_SIZE,
  BANK_WALKS,
  BANK_WRITE,
  BANK_WRITE_PAGES,
  BANKS_PER_HART,
  FETCH_ENTRIES,
  HART_ATTENTION,
  HOME_PAGES,
  PAGE_TLB_ENTRIES,
  TLB_ENTRIES,
} from "./layout.ts";
import type { MachineStats } from "./machine.ts";
import { forgetHome } from "./mmu/home.ts";
import type { PageTable } from "./mmu/pagetable.ts";
import { PAGE_SIZE, type PhysMem } from "./physmem.ts";
import type { Runner, Translator } from "./riscv/translator.ts";
import { TRAP_ECALL, TRAP_FUEL, TRAP_SERVED, type Trap, type TrapService } from "./traps.ts";

/**
 * Fuel of one stay in generated code. Leaving and coming back costs some 20 ns, and is how
 * a long loop gets into the optimised copy of its code: V8 does not replace a running one.
 */
const SLICE = 500_000;
const TWO32 = 0x1_0000_0000;
const GRANULE = 65536;
const GRANULE_PAGES = 16;
/** Of a TLB. */
const ENTRY_BYTES = 16;

interface Bank {
  readonly addr: number;
  owner: PageTable | undefined;
  usedAt: number;
}

export class Hart implements Runner {
  /**
   * Byte address of a word in machine memory: whoever sets it nonzero, on this Worker or
   * another, makes `run` return TRAP_FUEL soon. `run` clears it.
   */
  readonly attentionAddr: number;
  /** Serves traps in place, if anybody does; else all come out of `run`. */
  service: TrapService | null = null;
  /** Fuel that the last `run` did not burn. */
  fuelLeft = 0;
  /** Most fuel of one stay in generated code, after which `run` looks at the attention word. */
  stayFuel = SLICE;
  /** What `run` cleared from the attention word since the last `takeAttention`. */
  #attention = 0;
  readonly #mem: PhysMem;
  readonly #translator: Translator;
  readonly #stats: MachineStats;
  readonly #banks: Bank[] = [];
  #current: Bank;
  #clock = 0;
  /** While `run` runs: the fuel there was when generated code had `#granted` of it. */
  #left = 0;
  #granted = 0;
  /** The translator's epoch in which generated code was entered. */
  #epoch = 0;
  /** How often something was taken out of the current bank. */
  #shootdowns = 0;

  /** Use `Machine.newHart`. */
  constructor(mem: PhysMem, index: number, translator: Translator, stats: MachineStats) {
    this.#mem = mem;
    this.#stats = stats;
    this.attentionAddr = HART_ATTENTION + index * 4;
    const bankBase = mem.bankBase + index * BANKS_PER_HART * BANK_SIZE;
    this.#translator = translator;
    for (let i = 0; i < BANKS_PER_HART; i++) {
      this.#banks.push({ addr: bankBase + i * BANK_SIZE, owner: undefined, usedAt: 0 });
    }
    this.#current = this.#banks[0]!;
  }

  /** Where the last TRAP_FAULT_* happened; unsigned, imprecise past 2^53. */
  get faultAddr(): number {
    const k = (this.#current.addr + BANK_FAULT) >>> 2;
    return this.#mem.u32[k + 1]! * TWO32 + this.#mem.u32[k]!;
  }

  /**
   * Runs `ctx` in `pt` until a trap, or until `fuel` jumps were taken. One unit of fuel is
   * one backward branch, call, return or indirect jump.
   */
  run(ctx: Context, pt: PageTable, fuel: number): Trap {
    const bank = this.#current.owner === pt ? this.#current : this.#switchTo(pt);
    this.#mem.u32[(bank.addr + BANK_ROOT) >>> 2] = pt.root;
    const attention = this.attentionAddr >>> 2;
    const scattered = (bank.addr + BANK_SCATTERED) >>> 2;
    this.#left = fuel;
    for (;;) {
      const left = this.#left;
      const hasScattered = this.#mem.u32[scattered] !== 0 && this.service !== null;
      if (left <= 0 || this.#mem.u32[attention] !== 0 || hasScattered) {
        if (this.#mem.u32[attention] !== 0) {
          this.#attention += Atomics.exchange(this.#mem.u32, attention, 0);
        }
        this.fuelLeft = Math.max(left, 0);
        this.#harvest(bank);
        return TRAP_FUEL;
      }
      this.#granted = Math.min(left, this.stayFuel);
      this.#epoch = this.#translator.epoch;
      const trap = this.#translator.enter(this, ctx.addr, bank.addr, this.#granted);
      this.#settle(this.#mem.i32[(bank.addr + BANK_FUEL) >>> 2]!);
      if (trap !== TRAP_FUEL) {
        this.fuelLeft = this.#left;
        return trap as Trap;
      }
    }
  }

  /** Generated code has `rest` left of the fuel that it was granted. */
  #settle(rest: number): void {
    this.#left -= this.#granted - Math.max(rest, 0);
    this.#granted = rest;
  }

  /** See Runner. Nobody goes on in code that has changed, or in an address space that went away. */
  serve(fuel: number): number {
    this.#settle(fuel);
    const bank = this.#current;
    const { owner } = bank;
    let trap: Trap = TRAP_ECALL;
    if (this.service !== null) {
      trap = TRAP_SERVED;
      const left = this.service.ecall(this.#left);
      const isWanted =
        this.#mem.u32[this.attentionAddr >>> 2] !== 0 ||
        this.#mem.u32[(bank.addr + BANK_SCATTERED) >>> 2] !== 0;
      if (left >= 0) this.#left = left;
      if (
        left >= 0 &&
        !isWanted &&
        bank.owner === owner &&
        this.#epoch === this.#translator.epoch
      ) {
        this.#granted = Math.min(fuel, left);
        return this.#granted;
      }
    }
    this.#mem.i32[(bank.addr + BANK_FUEL) >>> 2] = fuel;
    return ~trap;
  }

  /**
   * See Runner. Compiled code keeps physical addresses across its accesses (jit/groups.ts), so none
   * goes on if any page was taken away or moved on the way.
   */
  resolve(isWrite: boolean): boolean {
    if (this.service === null) return false;
    const before = this.#shootdowns;
    return this.service.fault(this.faultAddr, isWrite) && this.#shootdowns === before;
  }

  /**
   * An address in a granule (64 KiB) of `pt` that accesses often missed in the TLB since it was last
   * changed, as it is not one run of contiguous pages; 0 if there is none. Each is told of once. With a
   * `service`, `run` comes out for it.
   */
  takeScattered(pt: PageTable): number {
    const word = (this.#current.addr + BANK_SCATTERED) >>> 2;
    const page = this.#mem.u32[word]!;
    if (page === 0 || this.#current.owner !== pt) return 0;
    this.#mem.u32[word] = 0;
    return page * PAGE_SIZE;
  }

  /** What was added to the attention word since last time. */
  takeAttention(): number {
    const word = this.attentionAddr >>> 2;
    let sum = this.#attention;
    if (this.#mem.u32[word] !== 0) sum += Atomics.exchange(this.#mem.u32, word, 0);
    this.#attention = 0;
    return sum;
  }

  /** Runs exactly one instruction: TRAP_FUEL when it completed, else its trap. */
  step(ctx: Context, pt: PageTable): Trap {
    const bank = this.#current.owner === pt ? this.#current : this.#switchTo(pt);
    this.#mem.u32[(bank.addr + BANK_ROOT) >>> 2] = pt.root;
    return this.#translator.step(ctx.addr, bank.addr) as Trap;
  }

  /** Adds what the banks have counted to the machine's stats. */
  settleStats(): void {
    for (const bank of this.#banks) this.#harvest(bank);
  }

  /** The words that generated code counts in have 32 bits: emptied often, they do not wrap. */
  #harvest(bank: Bank): void {
    const { u32 } = this.#mem;
    const misses = (bank.addr + BANK_MISSES) >>> 2;
    const walks = (bank.addr + BANK_WALKS) >>> 2;
    this.#stats.tlbMisses += u32[misses]!;
    this.#stats.tlbWalks += u32[walks]!;
    u32[misses] = u32[walks] = 0;
  }

  /** Drops what this hart caches of [va, va+len) in `pt`. */
  shootdown(pt: PageTable, va: number, len: number, exec: boolean): void {
    const bank = this.#banks.find((b) => b.owner === pt);
    if (!bank) return;
    if (bank === this.#current) this.#shootdowns++;
    const first = Math.floor(va / GRANULE);
    const granules = Math.floor((va + len - 1) / GRANULE) - first + 1;
    this.#wipe(bank.addr + BANK_READ, ENTRY_BYTES, TLB_ENTRIES, first, granules);
    this.#wipe(bank.addr + BANK_WRITE, ENTRY_BYTES, TLB_ENTRIES, first, granules);
    this.#wipe(bank.addr + BANK_GRANULE_MISSES, 1, TLB_ENTRIES, first, granules);
    const [page, pages] = [first * GRANULE_PAGES, granules * GRANULE_PAGES];
    this.#wipe(bank.addr + BANK_READ_PAGES, ENTRY_BYTES, PAGE_TLB_ENTRIES, page, pages);
    this.#wipe(bank.addr + BANK_WRITE_PAGES, ENTRY_BYTES, PAGE_TLB_ENTRIES, page, pages);
    forgetHome(this.#mem, bank.addr, page, pages);
    if (exec) {
      this.#mem.bulk.zero(bank.addr + BANK_FETCH, FETCH_ENTRIES * 16);
      this.#translator.codeRemapped(bank.addr);
    }
  }

  /** Forgets `pt`. */
  retire(pt: PageTable): void {
    for (const b of this.#banks) if (b.owner === pt) b.owner = undefined;
  }

  /** Empties what a table of `entries` at `addr` has for `n` indices from `first` on, which wrap around. */
  #wipe(addr: number, entryBytes: number, entries: number, first: number, n: number): void {
    const at = n >= entries ? 0 : first % entries;
    const head = Math.min(n, entries - at);
    this.#mem.bulk.zero(addr + at * entryBytes, head * entryBytes);
    if (n < entries && head < n) this.#mem.bulk.zero(addr, (n - head) * entryBytes);
  }

  /** Makes the bank of `pt` current, emptying the least recently used one if it has none. */
  #switchTo(pt: PageTable): Bank {
    let victim = this.#banks[0]!;
    for (const b of this.#banks) {
      if (b.owner === pt) {
        b.usedAt = ++this.#clock;
        this.#current = b;
        return b;
      }
      if (b.owner === undefined ? victim.owner !== undefined : b.usedAt < victim.usedAt) {
        if (b.owner === undefined || victim.owner !== undefined) victim = b;
      }
    }
    this.#harvest(victim);
    forgetHome(this.#mem, victim.addr, 0, HOME_PAGES);
    this.#mem.bulk.zero(victim.addr, BANK_HOME_MAP);
    this.#mem.u32[(victim.addr + BANK_HOME) >>> 2] = pt.home;
    victim.owner = pt;
    victim.usedAt = ++this.#clock;
    this.#translator.adoptBank(victim.addr, pt);
    this.#current = victim;
    return victim;
  }
}
