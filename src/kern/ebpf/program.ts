/**
 * Extended BPF programs that were loaded: checked, counted, known by number.
 *
 * A program lives while an open file or an attachment refers to it; its number
 * is never used again. What it takes is kernel memory.
 */

import { BPF_TAG_SIZE, INSN_SIZE } from "../../abi/ebpf.ts";
import { ENOMEM } from "../../abi/errno.ts";
import { sha1 } from "../../lib/sha1.ts";
import type { KernelMemory } from "../kmem.ts";
import { type Complaint, type ProgramType, verify } from "./verify.ts";

/** The fields of struct bpf_insn[], each in an array of its own. */
export interface Instructions {
  readonly count: number;
  readonly code: Uint8Array;
  readonly dst: Uint8Array;
  readonly src: Uint8Array;
  readonly off: Int16Array;
  readonly imm: Int32Array;
}

export function decodeEbpf(raw: Uint8Array): Instructions {
  const count = raw.length / INSN_SIZE;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const code = new Uint8Array(count);
  const dst = new Uint8Array(count);
  const src = new Uint8Array(count);
  const off = new Int16Array(count);
  const imm = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * INSN_SIZE;
    code[i] = raw[at]!;
    dst[i] = raw[at + 1]! & 15;
    src[i] = raw[at + 1]! >> 4;
    off[i] = view.getInt16(at + 2, true);
    imm[i] = view.getInt32(at + 4, true);
  }
  return { count, code, dst, src, off, imm };
}

export interface ProgramFacts {
  readonly type: number;
  readonly name: Uint8Array;
  readonly uid: number;
  /** CLOCK_BOOTTIME. */
  readonly loadedNs: number;
}

export class EbpfProgram {
  readonly id: number;
  readonly facts: ProgramFacts;
  readonly raw: Uint8Array;
  readonly instructions: Instructions;
  readonly tag: Uint8Array;
  readonly #table: EbpfPrograms;
  readonly #kmem: KernelMemory;
  /** Open files and attachments. */
  #refs = 1;

  /** Its memory has been taken. */
  constructor(
    table: EbpfPrograms,
    kmem: KernelMemory,
    id: number,
    facts: ProgramFacts,
    raw: Uint8Array,
  ) {
    this.#table = table;
    this.#kmem = kmem;
    this.id = id;
    this.facts = facts;
    this.raw = raw;
    this.instructions = decodeEbpf(raw);
    this.tag = sha1(raw).slice(0, BPF_TAG_SIZE);
  }

  /** What it takes of the kernel's memory. */
  get bytes(): number {
    return bytesOf(this.raw);
  }

  hold(): this {
    this.#refs++;
    return this;
  }

  release(): void {
    if (--this.#refs > 0) return;
    this.#table.ended(this);
    this.#kmem.give(this.bytes);
  }
}

/** Programs that live, by number. */
export class EbpfPrograms {
  readonly #byId = new Map<number, EbpfProgram>();
  #lastId = 0;

  /** A program of these instructions, held once, or what is wrong with it. */
  load(
    kmem: KernelMemory,
    raw: Uint8Array,
    type: ProgramType,
    facts: ProgramFacts,
  ): EbpfProgram | Complaint {
    const complaint = verify(decodeEbpf(raw), type);
    if (complaint) return complaint;
    if (!kmem.take(bytesOf(raw))) return { errno: ENOMEM, text: "" };
    const program = new EbpfProgram(this, kmem, ++this.#lastId, facts, raw);
    this.#byId.set(program.id, program);
    return program;
  }

  get(id: number): EbpfProgram | undefined {
    return this.#byId.get(id);
  }

  /** The lowest number above `id`; 0 if there is none. */
  next(id: number): number {
    let least = 0;
    for (const known of this.#byId.keys()) {
      if (known > id && (least === 0 || known < least)) least = known;
    }
    return least;
  }

  ended(program: EbpfProgram): void {
    this.#byId.delete(program.id);
  }
}

/** The bytes, what they were taken apart into, and the object. */
const bytesOf = (raw: Uint8Array): number => 3 * raw.length + 512;
