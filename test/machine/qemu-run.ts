/**
 * Builds bare riscv64 programs from assembly and runs them under qemu-riscv64.
 *
 * qemu-user is the reference that is not us. A missing tool fails the test: a differential
 * test that skips itself proves nothing.
 */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const COMPILER = "riscv64-linux-gnu-gcc";
const EMULATOR = "qemu-riscv64";

/** One assembled program: its ELF image and what it wrote to standard output under qemu. */
export interface Reference {
  elf: Uint8Array;
  output: Buffer;
}

/** Assembles `source` (gas, RV64GC) and runs it under qemu-riscv64; throws when it fails there. */
export function referenceRun(source: string): Reference {
  return withElf(source, (elf) => ({ elf: readFileSync(elf), output: run(EMULATOR, [elf]) }));
}

/** Assembles a program that is to fail; says by which signal it does under qemu-riscv64. */
export function referenceSignal(source: string): { elf: Uint8Array; signal: string } {
  return withElf(source, (elf) => {
    const done = spawn(EMULATOR, [elf]);
    return { elf: readFileSync(elf), signal: done.signal ?? `exit ${done.status}` };
  });
}

function withElf<T>(source: string, use: (elf: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "vkernel-qemu-"));
  try {
    const asm = join(folder, "program.s");
    const elf = join(folder, "program");
    writeFileSync(asm, source);
    run(COMPILER, [
      "-march=rv64gc",
      "-mabi=lp64d",
      "-nostdlib",
      "-static",
      "-Wl,--no-relax",
      "-Wl,-z,norelro",
      "-Wl,--build-id=none",
      "-o",
      elf,
      asm,
    ]);
    return use(elf);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(tool: string, args: string[]): Buffer {
  const done = spawn(tool, args);
  if (done.status !== 0) {
    throw new Error(`${tool} failed (${done.status ?? done.signal}): ${done.stderr.toString()}`);
  }
  return done.stdout;
}

function spawn(tool: string, args: string[]): SpawnSyncReturns<Buffer> {
  const done = spawnSync(tool, args, { maxBuffer: 1 << 28, timeout: 60_000 });
  if (done.error === undefined) return done;
  if ((done.error as NodeJS.ErrnoException).code === "ENOENT") {
    throw new Error(`${tool} not found: apt-get install gcc-riscv64-linux-gnu qemu-user`);
  }
  throw done.error;
}
