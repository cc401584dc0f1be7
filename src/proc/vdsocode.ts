/**
 * The instructions of the vDSO, encoded by hand: what a program runs to read
 * the clock without entering the kernel, and to return from a signal handler.
 *
 * The time CSR counts nanoseconds since boot. The vvar page holds the wall
 * clock at boot and a sequence number that changes with it; both are read
 * between two looks at that number. Source: vdso(7), Linux arch/riscv/kernel/vdso.
 */
import { HWPROBE_KEYS, HWPROBE_PAIR_BYTES } from "../abi/hwprobe.ts";

const ZERO = 0;
const RA = 1;
const T0 = 5;
const T1 = 6;
const T2 = 7;
const A0 = 10;
const A1 = 11;
const A2 = 12;
const A3 = 13;
const A4 = 14;
const A5 = 15;
const A6 = 16;
const A7 = 17;

/** Offsets in the vvar page. */
export const VVAR_SEQUENCE = 0;
export const VVAR_EPOCH_SEC = 8;
export const VVAR_EPOCH_NSEC = 16;
/** How far the monotonic and the boot clock are ahead of the time CSR, ns: see time_namespaces(7). */
export const VVAR_MONOTONIC_OFFSET = 24;
export const VVAR_BOOTTIME_OFFSET = 32;
/** What riscv_hwprobe(2) answers to the keys from 0 on, 64 bits each. */
export const VVAR_HWPROBE = 64;

const CSR_TIME = 0xc01;
const NR_RT_SIGRETURN = 139;
const NR_CLOCK_GETTIME = 113;
const NR_CLOCK_GETRES = 114;
const NR_GETCPU = 168;
const NR_GETTIMEOFDAY = 169;
const NR_RISCV_HWPROBE = 258;
const NR_RISCV_FLUSH_ICACHE = 259;

/** Clocks that show the wall, and those that show time since boot, as bits. */
const WALL_CLOCKS = (1 << 0) | (1 << 5) | (1 << 11);
const CLOCK_BOOTTIME = 7;
const BOOT_CLOCKS = (1 << 1) | (1 << 4) | (1 << 6) | (1 << 7);

export interface VdsoFunction {
  readonly name: string;
  /** Byte offset in the code, and length. */
  readonly offset: number;
  readonly size: number;
}

export interface VdsoCode {
  readonly words: Uint32Array;
  readonly functions: readonly VdsoFunction[];
}

/** `toVvar`: bytes from the first instruction to the vvar page. */
export function vdsoCode(toVvar: number): VdsoCode {
  const c = new Code(toVvar);
  c.function("__vdso_rt_sigreturn", () => {
    // Unwinders know a signal frame by these very two instructions.
    c.addi(A7, ZERO, NR_RT_SIGRETURN);
    c.ecall();
  });
  c.function("__vdso_clock_gettime", () => clockGettime(c));
  c.function("__vdso_gettimeofday", () => gettimeofday(c));
  c.function("__vdso_clock_getres", () => c.syscall(NR_CLOCK_GETRES));
  c.function("__vdso_getcpu", () => c.syscall(NR_GETCPU));
  c.function("__vdso_riscv_hwprobe", () => hwprobe(c));
  c.function("__vdso_flush_icache", () => c.syscall(NR_RISCV_FLUSH_ICACHE));
  return { words: new Uint32Array(c.words), functions: c.functions };
}

function clockGettime(c: Code): void {
  c.addi(T0, ZERO, 12);
  const toFallback = c.bgeu(A0, T0);
  c.addi(T0, ZERO, 1);
  c.sll(T0, T0, A0);
  c.li(T1, WALL_CLOCKS);
  c.and(T1, T1, T0);
  const toWall = c.bne(T1, ZERO);
  c.li(T1, BOOT_CLOCKS);
  c.and(T1, T1, T0);
  const toFallback2 = c.beq(T1, ZERO);
  c.vvar(A4);
  c.rdtime(T0);
  c.addi(T1, A0, -CLOCK_BOOTTIME);
  const toMonotonic = c.bne(T1, ZERO);
  c.addi(A4, A4, VVAR_BOOTTIME_OFFSET - VVAR_MONOTONIC_OFFSET);
  c.land(toMonotonic);
  c.ld(T1, A4, VVAR_MONOTONIC_OFFSET);
  c.add(T0, T0, T1);
  c.li(T1, 1e9);
  c.divu(A2, T0, T1);
  c.remu(A3, T0, T1);
  const toStore = c.jump();
  c.land(toWall);
  wallTime(c);
  c.land(toStore);
  c.sd(A2, A1, 0);
  c.sd(A3, A1, 8);
  c.ret0();
  c.land(toFallback);
  c.land(toFallback2);
  c.syscall(NR_CLOCK_GETTIME);
}

function gettimeofday(c: Code): void {
  const toFallback = c.bne(A1, ZERO);
  const toDone = c.beq(A0, ZERO);
  wallTime(c);
  c.addi(T0, ZERO, 1000);
  c.divu(A3, A3, T0);
  c.sd(A2, A0, 0);
  c.sd(A3, A0, 8);
  c.land(toDone);
  c.ret0();
  c.land(toFallback);
  c.syscall(NR_GETTIMEOFDAY);
}

/** Of all CPUs: a0 pairs, a1 how many. The C library asks at the start of every program. */
function hwprobe(c: Code): void {
  c.or(T0, A2, A3);
  c.or(T0, T0, A4);
  const toFallback = c.bne(T0, ZERO);
  c.vvar(T1);
  c.addi(T1, T1, VVAR_HWPROBE);
  const again = c.here;
  const toDone = c.beq(A1, ZERO);
  c.ld(T0, A0, 0);
  c.addi(T2, ZERO, HWPROBE_KEYS);
  const toUnknown = c.bgeu(T0, T2);
  c.slli(T0, T0, 3);
  c.add(T0, T0, T1);
  c.ld(T0, T0, 0);
  const toStore = c.jump();
  c.land(toUnknown);
  c.addi(T0, ZERO, -1);
  c.sd(T0, A0, 0);
  c.addi(T0, ZERO, 0);
  c.land(toStore);
  c.sd(T0, A0, 8);
  c.addi(A0, A0, HWPROBE_PAIR_BYTES);
  c.addi(A1, A1, -1);
  c.beqTo(ZERO, ZERO, again);
  c.land(toDone);
  c.ret0();
  c.land(toFallback);
  c.syscall(NR_RISCV_HWPROBE);
}

/** Leaves seconds in a2 and nanoseconds in a3. */
function wallTime(c: Code): void {
  c.vvar(A4);
  const again = c.here;
  c.lw(A5, A4, VVAR_SEQUENCE);
  c.ld(A2, A4, VVAR_EPOCH_SEC);
  c.ld(A3, A4, VVAR_EPOCH_NSEC);
  c.rdtime(T0);
  c.lw(A6, A4, VVAR_SEQUENCE);
  c.bneTo(A5, A6, again);
  c.li(T1, 1e9);
  c.divu(T2, T0, T1);
  c.add(A2, A2, T2);
  c.remu(T2, T0, T1);
  c.add(A3, A3, T2);
  const toEnd = c.bltu(A3, T1);
  c.sub(A3, A3, T1);
  c.addi(A2, A2, 1);
  c.land(toEnd);
}

/** As much of an assembler as this needs; a branch forward is patched when it lands. */
class Code {
  readonly words: number[] = [];
  readonly functions: VdsoFunction[] = [];
  readonly #toVvar: number;

  constructor(toVvar: number) {
    this.#toVvar = toVvar;
  }

  get here(): number {
    return this.words.length * 4;
  }

  function(name: string, body: () => void): void {
    while (this.here % 16 !== 0) this.#i(0x13, 0, ZERO, ZERO, 0);
    const offset = this.here;
    body();
    this.functions.push({ name, offset, size: this.here - offset });
  }

  addi = (rd: number, rs: number, imm: number) => this.#i(0x13, 0, rd, rs, imm);
  ld = (rd: number, rs: number, imm: number) => this.#i(0x03, 3, rd, rs, imm);
  lw = (rd: number, rs: number, imm: number) => this.#i(0x03, 2, rd, rs, imm);
  add = (rd: number, a: number, b: number) => this.#r(0, rd, a, b, 0);
  sub = (rd: number, a: number, b: number) => this.#r(0, rd, a, b, 0x20);
  sll = (rd: number, a: number, b: number) => this.#r(1, rd, a, b, 0);
  or = (rd: number, a: number, b: number) => this.#r(6, rd, a, b, 0);
  slli = (rd: number, rs: number, by: number) => this.#i(0x13, 1, rd, rs, by);
  and = (rd: number, a: number, b: number) => this.#r(7, rd, a, b, 0);
  divu = (rd: number, a: number, b: number) => this.#r(5, rd, a, b, 1);
  remu = (rd: number, a: number, b: number) => this.#r(7, rd, a, b, 1);
  beq = (a: number, b: number) => this.#forward(0, a, b);
  bne = (a: number, b: number) => this.#forward(1, a, b);
  bltu = (a: number, b: number) => this.#forward(6, a, b);
  bgeu = (a: number, b: number) => this.#forward(7, a, b);
  jump = () => this.beq(ZERO, ZERO);

  sd(src: number, base: number, imm: number): void {
    const high = (imm >> 5) & 0x7f;
    this.#emit(0x23 | ((imm & 31) << 7) | (3 << 12) | (base << 15) | (src << 20) | (high << 25));
  }

  rdtime(rd: number): void {
    this.#emit(0x73 | (rd << 7) | (2 << 12) | (CSR_TIME << 20));
  }

  ecall(): void {
    this.#emit(0x73);
  }

  /** A 32-bit constant. */
  li(rd: number, value: number): void {
    const high = (value + 0x800) >>> 12;
    if (high !== 0) this.#emit(0x37 | (rd << 7) | (high << 12));
    this.addi(rd, high === 0 ? ZERO : rd, value - (high << 12));
  }

  /** Address of the vvar page, relative to this place. */
  vvar(rd: number): void {
    const distance = this.#toVvar - this.here;
    const high = (distance + 0x800) >> 12;
    this.#emit(0x17 | (rd << 7) | (high << 12));
    this.addi(rd, rd, distance - (high << 12));
  }

  syscall(number: number): void {
    this.addi(A7, ZERO, number);
    this.ecall();
    this.#i(0x67, 0, ZERO, RA, 0);
  }

  ret0(): void {
    this.addi(A0, ZERO, 0);
    this.#i(0x67, 0, ZERO, RA, 0);
  }

  beqTo(a: number, b: number, target: number): void {
    this.#emit(branch(0, a, b, target - this.here));
  }

  bneTo(a: number, b: number, target: number): void {
    this.#emit(branch(1, a, b, target - this.here));
  }

  /** Lets the branch at word `at` come here. */
  land(at: number): void {
    this.words[at]! |= branchOffset(this.here - at * 4);
    this.words[at]! >>>= 0;
  }

  #forward(funct3: number, a: number, b: number): number {
    this.#emit(branch(funct3, a, b, 0));
    return this.words.length - 1;
  }

  #i(opcode: number, funct3: number, rd: number, rs: number, imm: number): void {
    this.#emit(opcode | (rd << 7) | (funct3 << 12) | (rs << 15) | (imm << 20));
  }

  #r(funct3: number, rd: number, a: number, b: number, funct7: number): void {
    this.#emit(0x33 | (rd << 7) | (funct3 << 12) | (a << 15) | (b << 20) | (funct7 << 25));
  }

  #emit(word: number): void {
    this.words.push(word >>> 0);
  }
}

function branch(funct3: number, a: number, b: number, offset: number): number {
  return 0x63 | (funct3 << 12) | (a << 15) | (b << 20) | branchOffset(offset);
}

function branchOffset(offset: number): number {
  return (
    (((offset >> 11) & 1) << 7) |
    (((offset >> 1) & 15) << 8) |
    (((offset >> 5) & 63) << 25) |
    (((offset >> 12) & 1) << 31)
  );
}
