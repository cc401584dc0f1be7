/** A program of bpf(2) as a file descriptor. */
import { O_RDWR } from "../abi/fcntl.ts";
import type { EbpfProgram } from "../kern/ebpf/program.ts";
import type { Attr } from "./attr.ts";
import { File } from "./file.ts";

export class BpfProgramFile extends File {
  readonly program: EbpfProgram;
  readonly #attr: Attr;

  /** `program` is held already. */
  constructor(program: EbpfProgram, attr: Attr) {
    super(O_RDWR);
    this.program = program;
    this.#attr = attr;
  }

  describe(): string {
    return "anon_inode:bpf-prog";
  }

  override fdinfo(): string {
    const { facts, tag, id, bytes, instructions } = this.program;
    const hex = [...tag].map((b) => b.toString(16).padStart(2, "0")).join("");
    return (
      `prog_type:\t${facts.type}\nprog_jited:\t0\nprog_tag:\t${hex}\nmemlock:\t${bytes}\n` +
      `prog_id:\t${id}\nrun_time_ns:\t0\nrun_cnt:\t0\nrecursion_misses:\t0\n` +
      `verified_insns:\t${instructions.count}\n`
    );
  }

  override stat(): Attr {
    return this.#attr;
  }

  override onLastClose(): void {
    this.program.release();
  }
}
