/**
 * Classic BPF as seccomp(2) takes it: checked once (kern/bpf.ts), then run for system
 * calls without checks. Source: Linux kernel/seccomp.c seccomp_check_filter.
 */
import {
  BPF_A,
  BPF_ABS,
  BPF_ALU,
  BPF_CLASS_MASK,
  BPF_DIV,
  BPF_IMM,
  BPF_JA,
  BPF_JMP,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_RET,
  BPF_ST,
  BPF_STX,
  BPF_TAX,
  BPF_TXA,
  BPF_X,
  SOCK_FILTER_SIZE,
} from "../abi/bpf.ts";
import { EINVAL, type Errno } from "../abi/errno.ts";
import { SECCOMP_DATA_SIZE } from "../abi/seccomp.ts";
import { type BpfDialect, bpfCompute, bpfHolds, decodeBpf, isSoundBpf } from "../kern/bpf.ts";

const PROLOGUE_COST = 3;
const DIV_X_COST = 5;

const SECCOMP: BpfDialect = {
  codes: new Set([BPF_LD | BPF_ABS]),
  hasSoundOperand: (_code, k) => k < SECCOMP_DATA_SIZE && (k & 3) === 0,
};

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

  /** The struct sock_filter[] that it was made of. */
  encode(): Uint8Array {
    const words = this.#words;
    const out = new Uint8Array((words.length / 4) * SOCK_FILTER_SIZE);
    const v = new DataView(out.buffer);
    for (let i = 0, at = 0; i < words.length; i += 4, at += SOCK_FILTER_SIZE) {
      v.setUint16(at, words[i]!, true);
      v.setUint8(at + 2, words[i + 1]!);
      v.setUint8(at + 3, words[i + 2]!);
      v.setInt32(at + 4, words[i + 3]!, true);
    }
    return out;
  }

  /** The program that struct sock_filter[] says, or EINVAL. */
  static check(filters: Uint8Array): BpfProgram | Errno {
    const words = decodeBpf(filters);
    return isSoundBpf(words, SECCOMP) ? new BpfProgram(words) : EINVAL;
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
            i += 4 * words[i + (bpfHolds(code, a, operand) ? 1 : 2)]!;
            break;
          }
          // Division by an X of 0 ends the program with 0.
          if (code === (BPF_ALU | BPF_DIV | BPF_X) && x === 0) return 0;
          a = bpfCompute(code, a, operand);
        }
      }
    }
  }
}
