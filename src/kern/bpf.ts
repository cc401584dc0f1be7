/**
 * Classic BPF: what its dialects share. A program is checked once and then run without checks.
 *
 * A program that passed ends: its jumps go forward only, inside the program, its last
 * instruction returns, and no word of the scratch memory is read that some way there has
 * not written. Dialects say what there is to load: the arguments of a system call
 * (seccomp), the bytes of a packet (socket filters).
 * Source: Linux net/core/filter.c bpf_check_classic; McCanne and Jacobson, "The BSD
 * Packet Filter", 1993.
 */
import {
  BPF_A,
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
  BPF_MOD,
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

const ALL_WORDS = (1 << BPF_MEMWORDS) - 1;

/** What distinguishes one use of BPF from another. */
export interface BpfDialect {
  /** Instructions beside the common ones. */
  readonly codes: ReadonlySet<number>;
  /** Whether the operand of one of them is sound. */
  hasSoundOperand(code: number, k: number): boolean;
}

/** Four words for each instruction of struct sock_filter[]: code, jt, jf, k. */
export function decodeBpf(filters: Uint8Array): Int32Array {
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
  return words;
}

export function isSoundBpf(words: Int32Array, dialect: BpfDialect): boolean {
  return words.length > 0 && hasSoundCode(words, dialect) && readsOnlyWhatItWrote(words);
}

/** Whether the comparison of a jump holds. */
export function bpfHolds(code: number, a: number, operand: number): boolean {
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

/** The result of an operation on A; a division by 0 does not get here. */
export function bpfCompute(code: number, a: number, operand: number): number {
  switch (code & 0xf0) {
    case BPF_ADD:
      return (a + operand) | 0;
    case BPF_SUB:
      return (a - operand) | 0;
    case BPF_MUL:
      return Math.imul(a, operand);
    case BPF_DIV:
      return Math.floor((a >>> 0) / (operand >>> 0)) | 0;
    case BPF_MOD:
      return ((a >>> 0) % (operand >>> 0)) | 0;
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

function hasSoundCode(words: Int32Array, dialect: BpfDialect): boolean {
  const count = words.length / 4;
  for (let i = 0; i < count; i++) {
    const code = words[4 * i]!;
    const k = words[4 * i + 3]! >>> 0;
    const isOwn = dialect.codes.has(code);
    if (!isOwn && !CODES.has(code)) return false;
    const rest = count - i - 1;
    if (code === (BPF_JMP | BPF_JA)) {
      if (k >= rest) return false;
    } else if ((code & BPF_CLASS_MASK) === BPF_JMP) {
      if (words[4 * i + 1]! >= rest || words[4 * i + 2]! >= rest) return false;
    } else if (isOwn ? !dialect.hasSoundOperand(code, k) : !hasSoundOperand(code, k)) return false;
  }
  const last = words[words.length - 4]!;
  return last === (BPF_RET | BPF_K) || last === (BPF_RET | BPF_A);
}

function hasSoundOperand(code: number, k: number): boolean {
  switch (code) {
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

/** What all dialects have. */
const CODES: ReadonlySet<number> = new Set([
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
