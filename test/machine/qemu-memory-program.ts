/**
 * Every load and store, compressed and floating-point ones included: aligned and not,
 * across the boundary of a page and of a 64 KiB block, extending, NaN-boxing.
 */
import type { IntegerBlock } from "./qemu-integer-program.ts";
import { INTEGER_SPECIALS, Random, randomInteger } from "./qemu-operands.ts";
import { TestProgram } from "./qemu-program.ts";

const LOADS = ["lb", "lh", "lw", "ld", "lbu", "lhu", "lwu"];
const STORES = ["sb", "sh", "sw", "sd"];
const WINDOW_BYTES = 48;

export function memoryProgram(seed: number): { source: string; blocks: IntegerBlock[] } {
  const r = new Random(seed);
  const program = new TestProgram();
  const blocks: IntegerBlock[] = [];
  program.code(".option norvc");
  const emit = (text: string, outputs: readonly string[], isFloat = false): void => {
    const size = 8 * outputs.length;
    blocks.push({ text, offset: program.reserve(1, size), count: 1, size });
    const store = isFloat ? "fsd" : "sd";
    program.code(text);
    program.code(outputs.map((o, i) => `  ${store} ${o}, ${8 * i}(gp)`).join("\n"));
    program.code(`  addi gp, gp, ${size}`);
  };
  // Three windows: the middle of a page, its end, the end of a 64 KiB block.
  program.data(`.balign 65536
arena: .space 131072 + 4096`);
  const windows = ["arena + 2048", "arena + 12288 - 24", "arena + 65536 - 24"];
  for (const window of windows) {
    fill(program, r, window);
    for (let at = 0; at <= WINDOW_BYTES - 8; at++) {
      for (const name of LOADS) accessLoad(emit, r, name, window, at);
      emit(`  la a1, ${window}\n  fld fa3, ${at}(a1)\n  flw fa4, ${at}(a1)`, ["fa3", "fa4"], true);
    }
    for (let at = 0; at <= WINDOW_BYTES - 8; at++) {
      for (const name of STORES) {
        store(program, r, name, window, at);
        dump(program, blocks, `${name} at ${window} + ${at}`, window);
      }
      for (const name of ["fsd", "fsw"]) {
        program.code(`  la a1, ${window}
  li a2, ${BigInt.asIntN(64, r.bits64())}
  fmv.d.x fa5, a2
  ${name} fa5, ${at}(a1)`);
        dump(program, blocks, `${name} at ${window} + ${at}`, window);
      }
    }
    program.code(".option rvc");
    compressedAccesses(program, blocks, emit, r, window);
    program.code(".option norvc");
  }
  atomicsAtEdges(emit);
  overlap(emit);
  sweep(program, blocks);
  return { source: program.source(), blocks };
}

type Emit = (text: string, outputs: readonly string[], isFloat?: boolean) => void;

function fill(program: TestProgram, r: Random, window: string): void {
  const words = Array.from({ length: WINDOW_BYTES / 8 }, () => randomInteger(r));
  const lines = words.map((w, i) => `  li a2, ${BigInt.asIntN(64, w)}\n  sd a2, ${8 * i}(a1)`);
  program.code(`  la a1, ${window}\n${lines.join("\n")}`);
}

function accessLoad(emit: Emit, r: Random, name: string, window: string, at: number): void {
  const disp = r.below(4096) - 2048;
  const same = r.below(4) === 0;
  const rd = same ? "a1" : r.pick(["a0", "t3", "s11", "ra"]);
  emit(`  la a1, ${window} + ${at} - (${disp})\n  ${name} ${rd}, ${disp}(a1)`, [rd]);
}

function store(program: TestProgram, r: Random, name: string, window: string, at: number): void {
  const disp = r.below(4096) - 2048;
  const value = BigInt.asIntN(64, r.below(3) === 0 ? r.pick(INTEGER_SPECIALS) : r.bits64());
  const source = r.below(8) === 0 ? "x0" : r.pick(["a0", "t3", "s11", "ra"]);
  program.code(`  la a1, ${window} + ${at} - (${disp})
  li ${source === "x0" ? "a0" : source}, ${value}
  ${name} ${source}, ${disp}(a1)`);
}

/** Copies the window to the output. */
function dump(program: TestProgram, blocks: IntegerBlock[], text: string, window: string): void {
  blocks.push({ text, offset: program.reserve(1, WINDOW_BYTES), count: 1, size: WINDOW_BYTES });
  program.code(`  la a1, ${window}\n  call dump_window`);
  if (blocks.some((b) => b.text === "dump")) return;
  blocks.push({ text: "dump", offset: 0, count: 0, size: 0 });
  const lines: string[] = [];
  for (let i = 0; i < WINDOW_BYTES; i += 8) lines.push(`  ld a2, ${i}(a1)\n  sd a2, ${i}(gp)`);
  program.code(`  j 9f
dump_window:
${lines.join("\n")}
  addi gp, gp, ${WINDOW_BYTES}
  ret
9:`);
}

function compressedAccesses(
  program: TestProgram,
  blocks: IntegerBlock[],
  emit: Emit,
  r: Random,
  window: string,
): void {
  for (const disp of [0, 8, 16, 32]) {
    const odd = r.below(2);
    emit(`  la a3, ${window} + ${odd}\n  c.lw a4, ${disp}(a3)\n  c.ld a5, ${disp}(a3)`, [
      "a4",
      "a5",
    ]);
    emit(`  la a3, ${window} + ${odd}\n  c.fld fa4, ${disp}(a3)`, ["fa4"], true);
    emit(
      `  mv s0, sp\n  la sp, ${window}\n  c.lwsp s4, ${disp}(sp)\n  c.ldsp t6, ${disp}(sp)\n  mv sp, s0`,
      ["s4", "t6"],
    );
    emit(`  mv s0, sp\n  la sp, ${window}\n  c.fldsp ft9, ${disp}(sp)\n  mv sp, s0`, ["ft9"], true);
    for (const text of ["c.sw a4", "c.sd a4", "c.fsd fa2"]) {
      program.code(`  la a3, ${window} + ${odd}
  li a4, ${BigInt.asIntN(64, r.bits64())}
  fmv.d.x fa2, a4
  ${text}, ${disp}(a3)`);
      dump(program, blocks, `${text}, ${disp}`, window);
    }
    for (const text of ["c.swsp s4", "c.sdsp s4", "c.fsdsp ft9"]) {
      program.code(`  mv s0, sp
  la sp, ${window}
  li s4, ${BigInt.asIntN(64, r.bits64())}
  fmv.d.x ft9, s4
  ${text}, ${disp}(sp)
  mv sp, s0`);
      dump(program, blocks, `${text}, ${disp}`, window);
    }
  }
}

/** Atomics on the last words of a page. */
function atomicsAtEdges(emit: Emit): void {
  for (const edge of ["arena + 8192", "arena + 65536"]) {
    for (const [width, back] of [
      ["w", 4],
      ["d", 8],
    ] as const) {
      emit(
        `  la a1, ${edge} - ${back}
  li a2, -3
  amoadd.${width} a3, a2, (a1)
  amomaxu.${width} a4, a2, (a1)
  lr.${width} a5, (a1)
  sc.${width} a6, a2, (a1)
  ld a7, ${back - 8}(a1)`,
        ["a3", "a4", "a5", "a6", "a7"],
      );
    }
  }
}

/** Loads see the bytes that narrower and wider stores have just left. */
function overlap(emit: Emit): void {
  emit(
    `  la a1, arena + 512
  li a2, 0x1122334455667788
  sd a2, 0(a1)
  sb a2, 3(a1)
  ld a3, 0(a1)
  sh a2, 5(a1)
  lw a4, 4(a1)
  sw a2, 2(a1)
  ld a5, 0(a1)
  lhu a6, 1(a1)`,
    ["a3", "a4", "a5", "a6"],
  );
}

/** A hot loop of unaligned accesses over several pages. */
function sweep(program: TestProgram, blocks: IntegerBlock[]): void {
  const again = program.label();
  blocks.push({ text: "sweep", offset: program.reserve(1, 16), count: 1, size: 16 });
  program.code(`  la a0, arena
  li a1, 131072 - 16
  add a1, a1, a0
  li a2, 0x9e3779b97f4a7c15
  li a3, 0
${again}:
  ld a4, 3(a0)
  xor a3, a3, a2
  add a3, a3, a4
  sd a3, 1(a0)
  sh a2, 6(a0)
  lbu a5, 2(a0)
  add a2, a2, a5
  slli a6, a2, 13
  xor a2, a2, a6
  addi a0, a0, 13
  bltu a0, a1, ${again}
  sd a2, 0(gp)
  sd a3, 8(gp)
  addi gp, gp, 16`);
}
