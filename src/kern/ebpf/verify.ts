/**
 * Checks an extended BPF program before it may run: what passed is run without checks.
 *
 * Such a program ends (its jumps go forward only), reads no register before it
 * is written on every way there, reads nothing but its context, and answers
 * what its type allows. Stack, maps, calls and loops are not known: no program
 * that decides about devices needs them.
 *
 * Since jumps go forward, one pass in order sees every way to an instruction
 * before the instruction itself; where ways meet, what they know is merged.
 * Source: Linux kernel/bpf/verifier.c; RFC 9669.
 */
import {
  BPF_ALU,
  BPF_AND,
  BPF_CLASS_MASK,
  BPF_DIV,
  BPF_IMM,
  BPF_JA,
  BPF_JMP,
  BPF_LD,
  BPF_LDX,
  BPF_LSH,
  BPF_MEM,
  BPF_MOD,
  BPF_NEG,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_X,
} from "../../abi/bpf.ts";
import {
  BPF_ALU64,
  BPF_ARSH,
  BPF_CALL,
  BPF_DW,
  BPF_END,
  BPF_EXIT,
  BPF_JMP32,
  BPF_JSLE,
  BPF_MODE_MASK,
  BPF_MOV,
  BPF_OP_MASK,
  BPF_SIZE_MASK,
  MAX_REGISTERS,
} from "../../abi/ebpf.ts";
import { EACCES, EINVAL } from "../../abi/errno.ts";
import type { Instructions } from "./program.ts";

/** What is wrong with a program: an errno for the caller, and words for its log. */
export interface Complaint {
  readonly errno: number;
  readonly text: string;
}

/** What programs of a type find and may answer. */
export interface ProgramType {
  /** Whether the context may be read there. */
  mayLoad(offset: number, size: number): boolean;
  readonly maxAnswer: number;
}

/** What is known of a register: nothing was written, it points to the context, or the largest it may be. */
const UNWRITTEN = -1;
const CONTEXT = -2;
const ANY = Number.POSITIVE_INFINITY;
const FRAME_POINTER = 10;
const SIZES: Readonly<Record<number, number>> = { 0: 4, 8: 2, 16: 1 };

type State = number[];

export function verify(code: Instructions, type: ProgramType): Complaint | null {
  return new Verifier(code, type).run();
}

class Verifier {
  readonly #code: Instructions;
  readonly #type: ProgramType;
  /** What is known before each instruction; undefined where no way leads. */
  readonly #before: (State | undefined)[] = [];

  constructor(code: Instructions, type: ProgramType) {
    this.#code = code;
    this.#type = type;
  }

  run(): Complaint | null {
    const { count } = this.#code;
    const start: State = new Array<number>(MAX_REGISTERS).fill(UNWRITTEN);
    start[1] = CONTEXT;
    this.#before[0] = start;
    for (let pc = 0; pc < count; pc++) {
      const state = this.#before[pc];
      if (!state) return complain(EINVAL, `unreachable insn ${pc}`);
      const isWide = this.#code.code[pc] === (BPF_LD | BPF_IMM | BPF_DW);
      const complaint = isWide ? this.#wide(pc, state) : this.#one(pc, state);
      if (complaint) return { errno: complaint.errno, text: `${pc}: ${complaint.text}` };
      if (isWide) pc++;
    }
    return null;
  }

  #one(pc: number, state: State): Complaint | null {
    const { code, dst, src } = this.#code;
    if (dst[pc]! >= MAX_REGISTERS) return complain(EINVAL, `R${dst[pc]} is invalid`);
    if (src[pc]! >= MAX_REGISTERS) return complain(EINVAL, `R${src[pc]} is invalid`);
    switch (code[pc]! & BPF_CLASS_MASK) {
      case BPF_ALU:
      case BPF_ALU64:
        return this.#alu(pc, state) ?? this.#flow(pc, pc + 1, state);
      case BPF_LDX:
        return this.#load(pc, state) ?? this.#flow(pc, pc + 1, state);
      case BPF_JMP:
      case BPF_JMP32:
        return this.#jump(pc, state);
      case BPF_ST:
      case BPF_STX:
        return complain(EACCES, `stores into R${dst[pc]} are not allowed`);
      default:
        return unknown(code[pc]!);
    }
  }

  /** A 64-bit constant takes the room of two instructions. */
  #wide(pc: number, state: State): Complaint | null {
    const { code, dst, src, off, imm, count } = this.#code;
    const next = pc + 1;
    if (next >= count || code[next] !== 0 || dst[next] !== 0 || src[next] !== 0 || off[next] !== 0)
      return complain(EINVAL, "invalid bpf_ld_imm64 insn");
    if (src[pc] !== 0 || off[pc] !== 0) return complain(EINVAL, "unrecognized bpf_ld_imm64 insn");
    if (this.#before[next]) return complain(EINVAL, `jump into the middle of ldimm64 insn ${pc}`);
    const value = imm[next] === 0 && imm[pc]! >= 0 ? imm[pc]! : ANY;
    return this.#write(pc, state, value) ?? this.#flow(pc, pc + 2, state);
  }

  #alu(pc: number, state: State): Complaint | null {
    const { code, dst, src, off, imm } = this.#code;
    const op = code[pc]! & BPF_OP_MASK;
    const is64 = (code[pc]! & BPF_CLASS_MASK) === BPF_ALU64;
    const isX = (code[pc]! & BPF_X) !== 0;
    if (op > BPF_END || off[pc] !== 0) return unknown(code[pc]!);
    if (op === BPF_END) {
      const isSound = !is64 && src[pc] === 0 && [16, 32, 64].includes(imm[pc]!);
      if (!isSound) return complain(EINVAL, "BPF_END uses reserved fields");
      return scalar(state, dst[pc]!) ?? this.#write(pc, state, ANY);
    }
    if (op === BPF_NEG) {
      if (isX || src[pc] !== 0 || imm[pc] !== 0)
        return complain(EINVAL, "BPF_NEG uses reserved fields");
      return scalar(state, dst[pc]!) ?? this.#write(pc, state, ANY);
    }
    if (isX ? imm[pc] !== 0 : src[pc] !== 0)
      return complain(EINVAL, "BPF_ALU uses reserved fields");
    if (op === BPF_MOV && isX && is64) {
      const from = state[src[pc]!]!;
      if (from === UNWRITTEN) return unwritten(src[pc]!);
      return this.#write(pc, state, from);
    }
    const complaint =
      (isX ? scalar(state, src[pc]!) : null) ??
      (op === BPF_MOV ? null : scalar(state, dst[pc]!)) ??
      (isX ? null : constantOperand(op, imm[pc]!, is64));
    return complaint ?? this.#write(pc, state, isX ? ANY : largest(op, imm[pc]!));
  }

  #load(pc: number, state: State): Complaint | null {
    const { code, src, off, imm } = this.#code;
    const size = SIZES[code[pc]! & BPF_SIZE_MASK] ?? 8;
    if ((code[pc]! & BPF_MODE_MASK) !== BPF_MEM || imm[pc] !== 0) return unknown(code[pc]!);
    const from = state[src[pc]!]!;
    if (from === UNWRITTEN) return unwritten(src[pc]!);
    if (from !== CONTEXT) return complain(EACCES, `R${src[pc]} invalid mem access 'scalar'`);
    if (!this.#type.mayLoad(off[pc]!, size))
      return complain(EACCES, `invalid bpf_context access off=${off[pc]} size=${size}`);
    return this.#write(pc, state, size === 8 ? ANY : 2 ** (8 * size) - 1);
  }

  #jump(pc: number, state: State): Complaint | null {
    const { code, dst, src, off, imm } = this.#code;
    const op = code[pc]! & BPF_OP_MASK;
    const isX = (code[pc]! & BPF_X) !== 0;
    const is32 = (code[pc]! & BPF_CLASS_MASK) === BPF_JMP32;
    if (op > BPF_JSLE || (is32 && (op === BPF_JA || op === BPF_CALL || op === BPF_EXIT)))
      return unknown(code[pc]!);
    if (op === BPF_CALL) return complain(EINVAL, `invalid func unknown#${imm[pc]}`);
    if (op === BPF_EXIT) {
      const isPlain = !isX && dst[pc] === 0 && src[pc] === 0 && imm[pc] === 0 && off[pc] === 0;
      return isPlain ? this.#exit(state) : complain(EINVAL, "BPF_EXIT uses reserved fields");
    }
    if (op === BPF_JA) {
      if (isX || dst[pc] !== 0 || src[pc] !== 0 || imm[pc] !== 0)
        return complain(EINVAL, "BPF_JA uses reserved fields");
      return this.#flow(pc, pc + 1 + off[pc]!, state);
    }
    if (isX ? imm[pc] !== 0 : src[pc] !== 0)
      return complain(EINVAL, "BPF_JMP uses reserved fields");
    return (
      (isX ? scalar(state, src[pc]!) : null) ??
      scalar(state, dst[pc]!) ??
      this.#flow(pc, pc + 1, state) ??
      this.#flow(pc, pc + 1 + off[pc]!, state)
    );
  }

  #exit(state: State): Complaint | null {
    const answer = state[0]!;
    if (answer === UNWRITTEN) return complain(EACCES, "R0 !read_ok");
    if (answer < 0) return complain(EACCES, "R0 leaks addr as return value");
    const { maxAnswer } = this.#type;
    if (answer <= maxAnswer) return null;
    return complain(
      EINVAL,
      `At program exit the register R0 should have been in [0, ${maxAnswer}]`,
    );
  }

  /** The instruction at `pc` writes its register. */
  #write(pc: number, state: State, value: number): Complaint | null {
    const register = this.#code.dst[pc]!;
    if (register >= MAX_REGISTERS) return complain(EINVAL, `R${register} is invalid`);
    if (register === FRAME_POINTER) return complain(EACCES, "frame pointer is read only");
    state[register] = value;
    return null;
  }

  /** A way leads from `pc` to `to`, with this known. */
  #flow(pc: number, to: number, state: State): Complaint | null {
    if (to >= this.#code.count || to < 0) return complain(EINVAL, `jump out of range to ${to}`);
    if (to <= pc) return complain(EINVAL, `back-edge from insn ${pc} to ${to}`);
    const there = this.#before[to];
    if (!there) this.#before[to] = [...state];
    else for (let r = 0; r < MAX_REGISTERS; r++) there[r] = merged(there[r]!, state[r]!);
    return null;
  }
}

function merged(a: number, b: number): number {
  if (a === b) return a;
  return a < 0 || b < 0 ? UNWRITTEN : Math.max(a, b);
}

function scalar(state: State, register: number): Complaint | null {
  const known = state[register]!;
  if (known === UNWRITTEN) return unwritten(register);
  return known === CONTEXT ? complain(EACCES, `R${register} pointer arithmetic prohibited`) : null;
}

function constantOperand(op: number, imm: number, is64: boolean): Complaint | null {
  if ((op === BPF_DIV || op === BPF_MOD) && imm === 0) return complain(EINVAL, "div by zero");
  const isShift = op === BPF_LSH || op === BPF_RSH || op === BPF_ARSH;
  if (isShift && (imm < 0 || imm >= (is64 ? 64 : 32)))
    return complain(EINVAL, `invalid shift ${imm}`);
  return null;
}

/** What a register can be at most after an operation with a constant. */
function largest(op: number, imm: number): number {
  return (op === BPF_MOV || op === BPF_AND) && imm >= 0 ? imm : ANY;
}

const unwritten = (register: number): Complaint => complain(EACCES, `R${register} !read_ok`);
const unknown = (code: number): Complaint =>
  complain(EINVAL, `unknown opcode ${code.toString(16).padStart(2, "0")}`);
const complain = (errno: number, text: string): Complaint => ({ errno, text });
