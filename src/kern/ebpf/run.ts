/**
 * Runs an extended BPF program that was checked (verify.ts).
 *
 * Registers hold 64 bits without a sign. A program that passed goes forward
 * only, so it ends; its context pointer is never computed with, so loads have
 * no address, but an offset. Source: RFC 9669.
 */
import {
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_CLASS_MASK,
  BPF_DIV,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
  BPF_LD,
  BPF_LDX,
  BPF_LSH,
  BPF_MOD,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RSH,
  BPF_SUB,
  BPF_X,
  BPF_XOR,
} from "../../abi/bpf.ts";
import {
  BPF_ALU64,
  BPF_ARSH,
  BPF_END,
  BPF_EXIT,
  BPF_JLE,
  BPF_JLT,
  BPF_JMP32,
  BPF_JNE,
  BPF_JSGE,
  BPF_JSGT,
  BPF_JSLT,
  BPF_MOV,
  BPF_OP_MASK,
  BPF_SIZE_MASK,
  MAX_REGISTERS,
} from "../../abi/ebpf.ts";
import type { Instructions } from "./program.ts";

const LOW_WORD = 0xffffffffn;

/** What the program answers (R0, its low word) to what is in `context`. */
export function runEbpf(program: Instructions, context: DataView): number {
  const r = new BigUint64Array(MAX_REGISTERS);
  const { count } = program;
  for (let pc = 0; pc < count; pc++) {
    const code = program.code[pc]!;
    const dst = program.dst[pc]!;
    const operand = (code & BPF_X) !== 0 ? r[program.src[pc]!]! : BigInt(program.imm[pc]!);
    switch (code & BPF_CLASS_MASK) {
      case BPF_ALU:
        if ((code & BPF_OP_MASK) === BPF_END) r[dst] = ordered(code, r[dst]!, program.imm[pc]!);
        else r[dst] = alu(code & BPF_OP_MASK, r[dst]!, operand, 32);
        break;
      case BPF_ALU64:
        r[dst] = alu(code & BPF_OP_MASK, r[dst]!, operand, 64);
        break;
      case BPF_LDX:
        r[dst] = load(context, code & BPF_SIZE_MASK, program.off[pc]!);
        break;
      case BPF_LD:
        // Two slots: the second has the high word.
        r[dst] =
          (BigInt.asUintN(32, BigInt(program.imm[pc + 1]!)) << 32n) |
          BigInt.asUintN(32, BigInt(program.imm[pc]!));
        pc++;
        break;
      case BPF_JMP:
        if ((code & BPF_OP_MASK) === BPF_EXIT) return Number(r[0]! & LOW_WORD);
        if (isTaken(code & BPF_OP_MASK, r[dst]!, operand, 64)) pc += program.off[pc]!;
        break;
      case BPF_JMP32:
        if (isTaken(code & BPF_OP_MASK, r[dst]!, operand, 32)) pc += program.off[pc]!;
        break;
    }
  }
  return 0;
}

function load(context: DataView, size: number, offset: number): bigint {
  if (size === 0x10) return BigInt(context.getUint8(offset));
  if (size === 0x08) return BigInt(context.getUint16(offset, true));
  if (size === 0x00) return BigInt(context.getUint32(offset, true));
  return context.getBigUint64(offset, true);
}

function alu(op: number, left: bigint, right: bigint, bits: 32 | 64): bigint {
  const a = BigInt.asUintN(bits, left);
  const b = BigInt.asUintN(bits, right);
  const shift = b & BigInt(bits - 1);
  switch (op) {
    case BPF_ADD:
      return BigInt.asUintN(bits, a + b);
    case BPF_SUB:
      return BigInt.asUintN(bits, a - b);
    case BPF_MUL:
      return BigInt.asUintN(bits, a * b);
    case BPF_DIV:
      return b === 0n ? 0n : a / b;
    case BPF_MOD:
      return b === 0n ? a : a % b;
    case BPF_OR:
      return a | b;
    case BPF_AND:
      return a & b;
    case BPF_XOR:
      return a ^ b;
    case BPF_LSH:
      return BigInt.asUintN(bits, a << shift);
    case BPF_RSH:
      return a >> shift;
    case BPF_ARSH:
      return BigInt.asUintN(bits, BigInt.asIntN(bits, a) >> shift);
    case BPF_NEG:
      return BigInt.asUintN(bits, -a);
    case BPF_MOV:
      return b;
    default:
      return left;
  }
}

/** The low bits in little-endian or, with BPF_X, big-endian order. */
function ordered(code: number, value: bigint, bits: number): bigint {
  const low = BigInt.asUintN(bits, value);
  if ((code & BPF_X) === 0) return low;
  let swapped = 0n;
  for (let shift = 0; shift < bits; shift += 8) {
    swapped = (swapped << 8n) | ((low >> BigInt(shift)) & 0xffn);
  }
  return swapped;
}

function isTaken(op: number, left: bigint, right: bigint, bits: 32 | 64): boolean {
  const a = BigInt.asUintN(bits, left);
  const b = BigInt.asUintN(bits, right);
  switch (op) {
    case BPF_JA:
      return true;
    case BPF_JEQ:
      return a === b;
    case BPF_JNE:
      return a !== b;
    case BPF_JGT:
      return a > b;
    case BPF_JGE:
      return a >= b;
    case BPF_JLT:
      return a < b;
    case BPF_JLE:
      return a <= b;
    case BPF_JSET:
      return (a & b) !== 0n;
  }
  const x = BigInt.asIntN(bits, a);
  const y = BigInt.asIntN(bits, b);
  if (op === BPF_JSGT) return x > y;
  if (op === BPF_JSGE) return x >= y;
  return op === BPF_JSLT ? x < y : x <= y;
}
