/** What the profiler's tests look at: a C program with known hot functions, and ELF files of the cross compiler. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteSource } from "../../src/prof/elflayout.ts";
import { buildGuest } from "../harness/cc.ts";

export const LIBC = "/usr/riscv64-linux-gnu/lib/libc.so.6";
export const TRIPLET = "riscv64-linux-gnu";

/** Spends four fifths of its user time in `hot`, one in `warm`, both called by `work`, then calls getppid. */
const PROGRAM = `
#include <stdlib.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#define FUNCTION __attribute__((noipa))
FUNCTION unsigned spin(unsigned x, unsigned n) { return x + n; }
FUNCTION unsigned hot(unsigned n) {
  unsigned x = n;
  for (unsigned i = 0; i < 4 * n; i++) x = (x * 1664525u + 1013904223u) ^ (x >> 3);
  return x;
}
FUNCTION unsigned warm(unsigned n) {
  unsigned x = n;
  for (unsigned i = 0; i < n; i++) x = (x * 1664525u + 1013904223u) ^ (x >> 3);
  return x;
}
FUNCTION unsigned work(unsigned n) { unsigned a = hot(n); return spin(a, warm(n)); }
int main(int argc, char **argv) {
  unsigned sum = 0;
  for (int i = 0; i < atoi(argv[1]); i++) sum ^= work(100000 + i);
  for (int i = 0; i < atoi(argv[2]); i++) syscall(SYS_getppid);
  printf("%u\\n", sum);
  return 0;
}`;

export function hotProgram(flags: readonly string[] = ["-static"]): string {
  const source = join(tmpdir(), "vkernel-prof-hot.c");
  if (!existsSync(source) || readFileSync(source, "utf8") !== PROGRAM) {
    writeFileSync(source, PROGRAM);
  }
  return buildGuest(source, ["-fasynchronous-unwind-tables", ...flags]);
}

/** Spins with stack pointers, frame pointers and return addresses of all kinds. */
const WILD = `
typedef unsigned long u64;
static char page[8192] __attribute__((aligned(4096)));
__attribute__((noipa)) void spin(u64 sp, u64 s0, u64 ra) {
  __asm__ volatile(
      "mv t0, sp\\n mv t1, s0\\n mv t2, ra\\n"
      "mv sp, %0\\n mv s0, %1\\n mv ra, %2\\n"
      "li t3, 300000\\n 1: addi t3, t3, -1\\n bnez t3, 1b\\n"
      "mv sp, t0\\n mv s0, t1\\n mv ra, t2\\n"
      :: "r"(sp), "r"(s0), "r"(ra) : "t0", "t1", "t2", "t3", "memory");
}
int main(void) {
  u64 odd[] = {0, 1, -8, 1ul << 63, 1ul << 38, (1ul << 38) - 8, 0xfff, (u64)page, (u64)page + 4095,
               (u64)main, (u64)main + 2, (u64)&odd, ~0ul >> 1};
  int n = sizeof odd / sizeof *odd;
  for (int i = 0; i < sizeof page / 8; i++) ((u64 *)page)[i] = (u64)page + 16;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++) spin(odd[i], odd[k], odd[(i + k) % n]);
  return 0;
}`;

export function wildProgram(): string {
  const source = join(tmpdir(), "vkernel-prof-wild.c");
  writeFileSync(source, WILD);
  return buildGuest(source, ["-static", "-fasynchronous-unwind-tables"]);
}

export function tool(name: string, args: readonly string[]): string {
  return execFileSync(`${TRIPLET}-${name}`, args, { encoding: "utf8", maxBuffer: 1 << 28 });
}

export class BytesSource implements ByteSource {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array | null {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.#bytes.length)) return null;
    return this.#bytes.slice(offset, offset + length);
  }
}
