/**
 * Programs with lying headers: seeded damage to a static and a dynamic ELF, to
 * the dynamic loader, and scripts whose first line is odd.
 *
 * Each is executed; an errno, a killed process or any exit status will do, an
 * exception or a run without end will not. Nothing may stay behind.
 * Run: node test/fuzz/elf.ts [seeds] [first seed]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildGuest } from "../harness/cc.ts";
import { TestKernel } from "../harness/kernel.ts";
import { Random } from "./random.ts";

const LOADER = "/lib/ld-linux-riscv64-lp64d.so.1";
const CROSS_ROOT = "/usr/riscv64-linux-gnu";
const TIMEOUT_MS = 3_000;
const MEMORY_MIB = 48;
/** Damage past the headers is for the program itself to suffer from: mostly headers. */
const HEADER_BYTES = 64 + 12 * 56;
const ODD = [0, 1, 2, 0x7f, 0x80, 0xff, 0x1000, 0xfff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

const SCRIPTS = [
  "#!",
  "#!\n",
  "#! \t \n",
  "#!/bin/prog",
  "#!/bin/prog\n",
  "#! /bin/prog  a b  \n",
  "#!bin/prog\n",
  "#!/bin\n",
  "#!/none\n",
  "#!/bin/script\n",
  "#!/bin/prog\0x\n",
  `#!/${"x".repeat(5000)}\n`,
  `#!/bin/prog ${"y".repeat(300)}\n`,
  `#!${" ".repeat(250)}/bin/prog\n`,
  "#!/dev/null\n",
  "#!/proc/self/exe\n",
  "#!/tmp\r\n",
  "#",
  "",
  "\x7fELF",
];

export interface ElfFuzzOutcome {
  readonly runs: number;
  readonly refused: number;
  readonly killed: number;
  readonly problems: readonly string[];
}

export function fuzzElf(seeds: number, first = 1): ElfFuzzOutcome {
  return new ElfFuzz().run(seeds, first);
}

class ElfFuzz {
  readonly #kernel = new TestKernel(MEMORY_MIB);
  readonly #static: Uint8Array;
  readonly #dynamic: Uint8Array;
  readonly #loader: Uint8Array;
  readonly #problems: string[] = [];
  #refused = 0;
  #killed = 0;
  #runs = 0;

  constructor() {
    const source = join(tmpdir(), "vkernel-elf-fuzz.c");
    writeFileSync(source, 'int puts(const char *); int main(void) { return puts("hello") < 0; }\n');
    this.#static = new Uint8Array(readFileSync(buildGuest(source)));
    this.#dynamic = new Uint8Array(readFileSync(buildGuest(source, [])));
    this.#loader = new Uint8Array(readFileSync(CROSS_ROOT + LOADER));
    this.#kernel.writeFile("/bin/prog", this.#static);
    this.#kernel.writeFile("/lib/libc.so.6", readFileSync(`${CROSS_ROOT}/lib/libc.so.6`));
  }

  run(seeds: number, first: number): ElfFuzzOutcome {
    this.#kernel.writeFile(LOADER, this.#loader);
    this.#expect(this.#dynamic, "hello\n");
    this.#expect(this.#static, "hello\n");
    const before = this.#inUse();
    for (const script of SCRIPTS) this.#try("/bin/script", script, JSON.stringify(script));
    for (let seed = first; seed < first + seeds; seed++) {
      const random = new Random(seed);
      const which = seed % 4;
      if (which === 3) {
        this.#kernel.writeFile(LOADER, damaged(this.#loader, random));
        this.#try("/bin/victim", this.#dynamic, `loader, seed ${seed}`);
        this.#kernel.writeFile(LOADER, this.#loader);
      } else {
        const program = which === 2 ? this.#dynamic : this.#static;
        this.#try("/bin/victim", damaged(program, random), `program, seed ${seed}`);
      }
    }
    this.#expect(this.#static, "hello\n");
    this.#kernel.writeFile("/bin/script", "");
    const after = this.#inUse();
    if (JSON.stringify(after) !== JSON.stringify(before)) {
      this.#problems.push(`left behind: ${JSON.stringify(before)} became ${JSON.stringify(after)}`);
    }
    return {
      runs: this.#runs,
      refused: this.#refused,
      killed: this.#killed,
      problems: this.#problems,
    };
  }

  #try(path: string, contents: Uint8Array | string, what: string): void {
    this.#runs++;
    this.#kernel.writeFile(path, contents);
    try {
      const { status } = this.#kernel.run([path, "argument"], { timeoutMs: TIMEOUT_MS });
      if (status > 128) this.#killed++;
    } catch (e) {
      const text = e instanceof Error ? (e.stack ?? e.message) : String(e);
      // The harness asserts that exec(2) worked, and that a program ends by itself.
      if (text.includes("exec /bin/")) this.#refused++;
      else if (!text.includes("ran too long")) this.#problems.push(`${what}: ${text}`);
      this.#kernel.killAll();
    }
  }

  #expect(program: Uint8Array, output: string): void {
    this.#kernel.writeFile("/bin/victim", program);
    const { stdout } = this.#kernel.run(["/bin/victim"]);
    if (stdout !== output) this.#problems.push(`a sound program says ${JSON.stringify(stdout)}`);
  }

  #inUse(): Record<string, number> {
    const { pages, table } = this.#kernel.kernel;
    const frames = pages.totalPages - pages.freePages;
    return { frames, processes: table.procCount, threads: table.threadCount };
  }
}

function damaged(program: Uint8Array, random: Random): Uint8Array {
  const bytes = program.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(random.oneIn(8) ? bytes.length - 8 : HEADER_BYTES);
    const field = at & ~7;
    switch (random.below(5)) {
      case 0:
        bytes[at] = random.u32();
        break;
      case 1:
        view.setUint32(at & ~3, random.pick(ODD), true);
        break;
      case 2:
        view.setUint32(field, random.pick(ODD), true);
        view.setUint32(field + 4, random.pick(ODD), true);
        break;
      case 3:
        view.setUint16(at & ~1, random.pick(ODD) & 0xffff, true);
        break;
      default:
        bytes[at] = bytes[at]! ^ (1 << random.below(8));
    }
  }
  return random.oneIn(16) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

if (import.meta.main) {
  const [seeds = 500, first = 1] = process.argv.slice(2).map(Number);
  const outcome = fuzzElf(seeds, first);
  console.log(outcome);
  process.exitCode = outcome.problems.length > 0 ? 1 : 0;
}
