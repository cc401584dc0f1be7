/**
 * The three ways a benchmark program is run: natively, under qemu-riscv64,
 * and in a vkernel whose root holds nothing but the programs.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findQemu } from "./image.ts";

export interface Rival {
  readonly name: string;
  /** Standard output of the program, or a thrown Error with its standard error. */
  run(program: string, args: readonly string[]): string;
}

export interface Built {
  readonly dir: string;
  readonly rivals: readonly Rival[];
  dispose(): void;
}

/** Builds each C source for the host and for riscv64, and an image with the latter; `cli` is vkernel's file. */
export function build(sources: Readonly<Record<string, string>>, cli: string): Built {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-bench-"));
  const root = join(dir, "root");
  for (const d of ["bin", "tmp", "dev", "proc"]) mkdirSync(join(root, d), { recursive: true });
  const trueSource = join(dir, "true.c");
  writeFileSync(trueSource, "int main(void){return 0;}\n");
  const flags = ["-O2", "-static", "-w", "-pthread"];
  for (const [name, source] of Object.entries({ ...sources, true_static: trueSource })) {
    execFileSync("gcc", [...flags, "-o", join(dir, `${name}.native`), source, "-lm"]);
    execFileSync("riscv64-linux-gnu-gcc", [...flags, "-o", join(root, "bin", name), source, "-lm"]);
  }
  copyFileSync(join(dir, "true_static.native"), join(dir, "true_static"));
  const image = join(dir, "bench.img");
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", root, image, "64m"]);
  const qemu = findQemu();
  const start = (file: string, args: readonly string[]): string => {
    const r = spawnSync(file, args, { cwd: dir, encoding: "utf8", maxBuffer: 1 << 26 });
    if (r.status !== 0)
      throw new Error(`${file} ${args.join(" ")}: status ${r.status} ${r.stderr}`);
    return r.stdout;
  };
  return {
    dir,
    rivals: [
      { name: "native", run: (p, args) => start(join(dir, `${p}.native`), args) },
      { name: "qemu", run: (p, args) => start(qemu, [join(root, "bin", p), ...args]) },
      {
        name: "vkernel",
        run: (p, args) =>
          start(process.execPath, [cli, "run", "-m", "512m", image, "--", `/bin/${p}`, ...args]),
      },
    ],
    dispose: () => rmSync(dir, { recursive: true, force: true }),
  };
}
