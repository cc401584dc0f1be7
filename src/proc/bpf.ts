/**
 * Classic BPF as seccomp(2) takes it: checked once, then run for system calls.
 *
 * A program that passed the check ends: its jumps go forward only, inside the
 * program, its last instruction returns, and no word of the scratch memory is
 * read that some way there has not written. So running needs no checks.
 * Source: Linux net/core/filter.c bpf_check_classic, kernel/seccomp.c
 * seccomp_check_filter; McCanne and Jacobson, "The BSD Packet Filter", 1993.
 */
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_CLASS_MASK,
  BPF_DIV,
  BPF_IMM,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RET,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_TXA,
  BPF_X,
  BPF_XOR,
  SOCK_FILTER_SIZE,
} from "../abi/bpf.ts";
import { EINVAL, type Errno } from "../abi/errno.ts";
import { SECCOMP_DATA_SIZE } from "../abi/seccomp.ts";

const PROLOGUE_COST = 3;
const DIV_X_COST = 5;
const ALL_WORDS = (1 << BPF_MEMWORDS) - 1;

/** A checked program. */
export class BpfProgram {
  /** Four words for each instruction: code, jt, jf, k. */
  readonly #words: Int32Array;
  readonly #scratch = new Int32Array(BPF_MEMWORDS);
  /** After `run`: whether it looked at words of the data beyond the first two. */
  hasLookedBeyond = false;

  private constructor(words: Int32Array) {
    this.#words = words;
  }

  /** The program that struct sock_filter[] says, or EINVAL. */
  static check(filters: Uint8Array): BpfProgram | Errno {
    const count = filters.length / SOCK_FILTER_SIZE;
    const v = new DataView(filters.buffer, filters.byteOffset, filters.byteLength);
    const words = new Int32Array(4 * count);
    for (let i = 0; i < count; i++) {
      const at = i * SOCK_FILTER_SIZE;
      words[4 * i] = v.getUint16(at, true);
      words[4 * i + 1] = v.getUint8(at + 2);
      words[4 * i + 2] = v.getUint8(at + 3);
      words[4 * i + 3] = v.getInt32(at + 4, true);
    }
    const isSound = hasSoundCode(words) && readsOnlyWhatItWrote(words);
    return isSound ? new BpfProgram(words) : EINVAL;
  }

  get length(): number {
    return this.#words.length / 4;
  }

  /** Its length as Linux counts it: in the instructions of eBPF that it is translated to. */
  get cost(): number {
    const words = this.#words;
    let sum = PROLOGUE_COST;
    for (let i = 0; i < words.length; i += 4) {
      const code = words[i]!;
      const isBranch = (code & BPF_CLASS_MASK) === BPF_JMP && code !== (BPF_JMP | BPF_JA);
      const isTwoWay = isBranch && words[i + 1] !== 0 && words[i + 2] !== 0;
      if (code === (BPF_ALU | BPF_DIV | BPF_X)) sum += DIV_X_COST;
      else sum += code === (BPF_RET | BPF_K) || isTwoWay ? 2 : 1;
    }
    return sum;
  }

  /** What it returns for `data`, SECCOMP_DATA_SIZE bytes as words. */
  run(data: Int32Array): number {
    const words = this.#words;
    const scratch = this.#scratch;
    this.hasLookedBeyond = false;
    let a = 0;
    let x = 0;
    for (let i = 0; ; i += 4) {
      const code = words[i]!;
      const k = words[i + 3]!;
      switch (code) {
        case BPF_LD | BPF_ABS:
          if (k > 4) this.hasLookedBeyond = true;
          a = data[k >> 2]!;
          break;
        case BPF_LD | BPF_LEN:
          a = SECCOMP_DATA_SIZE;
          break;
        case BPF_LDX | BPF_LEN:
          x = SECCOMP_DATA_SIZE;
          break;
        case BPF_LD | BPF_IMM:
          a = k;
          break;
        case BPF_LDX | BPF_IMM:
          x = k;
          break;
        case BPF_LD | BPF_MEM:
          a = scratch[k]!;
          break;
        case BPF_LDX | BPF_MEM:
          x = scratch[k]!;
          break;
        case BPF_ST:
          scratch[k] = a;
          break;
        case BPF_STX:
          scratch[k] = x;
          break;
        case BPF_MISC | BPF_TAX:
          x = a;
          break;
        case BPF_MISC | BPF_TXA:
          a = x;
          break;
        case BPF_JMP | BPF_JA:
          i += 4 * (k >>> 0);
          break;
        case BPF_RET | BPF_K:
          return k;
        case BPF_RET | BPF_A:
          return a;
        default: {
          const operand = code & BPF_X ? x : k;
          if ((code & BPF_CLASS_MASK) === BPF_JMP) {
            i += 4 * words[i + (holds(code, a, operand) ? 1 : 2)]!;
            break;
          }
          // Division by an X of 0 ends the program with 0.
          if (code === (BPF_ALU | BPF_DIV | BPF_X) && x === 0) return 0;
          a = compute(code, a, operand);
        }
      }
    }
  }
}

function holds(code: number, a: number, operand: number): boolean {
  switch (code & 0xf0) {
    case BPF_JEQ:
      return a === operand;
    case BPF_JGT:
      return a >>> 0 > operand >>> 0;
    case BPF_JGE:
      return a >>> 0 >= operand >>> 0;
    default:
      return (a & operand) !== 0;
  }
}

function compute(code: number, a: number, operand: number): number {
  switch (code & 0xf0) {
    case BPF_ADD:
      return (a + operand) | 0;
    case BPF_SUB:
      return (a - operand) | 0;
    case BPF_MUL:
      return Math.imul(a, operand);
    case BPF_DIV:
      return Math.floor((a >>> 0) / (operand >>> 0)) | 0;
    case BPF_OR:
      return a | operand;
    case BPF_AND:
      return a & operand;
    case BPF_XOR:
      return a ^ operand;
    case BPF_LSH:
      return a << operand;
    case BPF_RSH:
      return (a >>> operand) | 0;
    default:
      return -a | 0;
  }
}

function hasSoundCode(words: Int32Array): boolean {
  const count = words.length / 4;
  for (let i = 0; i < count; i++) {
    const code = words[4 * i]!;
    const k = words[4 * i + 3]! >>> 0;
    if (!CODES.has(code)) return false;
    const rest = count - i - 1;
    if (code === (BPF_JMP | BPF_JA)) {
      if (k >= rest) return false;
    } else if ((code & BPF_CLASS_MASK) === BPF_JMP) {
      if (words[4 * i + 1]! >= rest || words[4 * i + 2]! >= rest) return false;
    } else if (!hasSoundOperand(code, k)) return false;
  }
  const last = words[words.length - 4]!;
  return last === (BPF_RET | BPF_K) || last === (BPF_RET | BPF_A);
}

function hasSoundOperand(code: number, k: number): boolean {
  switch (code) {
    case BPF_LD | BPF_ABS:
      return k < SECCOMP_DATA_SIZE && (k & 3) === 0;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
      return k < BPF_MEMWORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
      return k !== 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      return k < 32;
    default:
      return true;
  }
}

/** Linux's check_load_and_stores: `written` are the words that every way to an instruction has written. */
function readsOnlyWhatItWrote(words: Int32Array): boolean {
  const count = words.length / 4;
  const writtenAt = new Uint16Array(count).fill(ALL_WORDS);
  let written = 0;
  for (let i = 0; i < count; i++) {
    written &= writtenAt[i]!;
    const code = words[4 * i]!;
    const k = words[4 * i + 3]!;
    const jumpTo = (distance: number): void => {
      writtenAt[i + 1 + distance]! &= written;
    };
    if (code === BPF_ST || code === BPF_STX) written |= 1 << k;
    else if (code === (BPF_LD | BPF_MEM) || code === (BPF_LDX | BPF_MEM)) {
      if ((written & (1 << k)) === 0) return false;
    } else if ((code & BPF_CLASS_MASK) === BPF_JMP) {
      if (code === (BPF_JMP | BPF_JA)) jumpTo(k);
      else {
        jumpTo(words[4 * i + 1]!);
        jumpTo(words[4 * i + 2]!);
      }
      // What follows is reached by jumps alone, or as one of the two.
      written = ALL_WORDS;
    }
  }
  return true;
}

const OPERATIONS = [
  ...[BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND].map((op) => BPF_ALU | op),
  ...[BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH].map((op) => BPF_ALU | op),
  ...[BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JSET].map((op) => BPF_JMP | op),
];

/** What a filter of system calls may hold. */
const CODES: ReadonlySet<number> = new Set([
  BPF_LD | BPF_ABS,
  BPF_LD | BPF_LEN,
  BPF_LDX | BPF_LEN,
  BPF_LD | BPF_IMM,
  BPF_LDX | BPF_IMM,
  BPF_LD | BPF_MEM,
  BPF_LDX | BPF_MEM,
  BPF_ST,
  BPF_STX,
  BPF_MISC | BPF_TAX,
  BPF_MISC | BPF_TXA,
  BPF_RET | BPF_K,
  BPF_RET | BPF_A,
  BPF_JMP | BPF_JA,
  BPF_ALU | BPF_NEG,
  ...OPERATIONS.map((op) => op | BPF_K),
  ...OPERATIONS.map((op) => op | BPF_X),
]);
