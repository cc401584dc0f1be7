/**
 * A bare riscv64 test program under construction: tables in .data, code that walks them,
 * results appended to one output buffer that is written to standard output at the end.
 *
 * Contract with the code: `gp` points at the next free output byte; everything else is free.
 */
export class TestProgram {
  readonly #code: string[] = [];
  readonly #data: string[] = [];
  #labels = 0;
  #outputBytes = 0;

  /** A fresh label. */
  label(): string {
    return `L${this.#labels++}`;
  }

  code(text: string): void {
    this.#code.push(text);
  }

  data(text: string): void {
    this.#data.push(text);
  }

  /** Places 64-bit words in .data; returns their label. */
  table(words: readonly bigint[]): string {
    const name = this.label();
    const lines: string[] = [];
    for (let i = 0; i < words.length; i += 8) {
      lines.push(
        `.quad ${words
          .slice(i, i + 8)
          .map((w) => `0x${w.toString(16)}`)
          .join(",")}`,
      );
    }
    this.#data.push(`.balign 8\n${name}:\n${lines.join("\n")}`);
    return name;
  }

  /** Declares that `count` results of `size` bytes are stored at gp; yields where they start. */
  reserve(count: number, size: number): number {
    const start = this.#outputBytes;
    this.#outputBytes += count * size;
    return start;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  source(): string {
    return `
.option norelax
.option nopic
.text
.globl _start
_start:
  la gp, output
${this.#code.join("\n")}
finish:
  la s0, output
  la s1, output_end
1:
  li a0, 1
  mv a1, s0
  sub a2, s1, s0
  li a7, 64
  ecall
  blez a0, 2f
  add s0, s0, a0
  bltu s0, s1, 1b
2:
  li a0, 0
  li a7, 94
  ecall
.data
.balign 8
${this.#data.join("\n")}
.bss
.balign 8
output:
  .space ${this.#outputBytes}
output_end:
  .space 64
`;
  }
}
