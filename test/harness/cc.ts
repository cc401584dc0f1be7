/** Building C programs for guest and host, once per source: results are kept in a cache. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const CACHE = join(tmpdir(), "vkernel-test-programs");
const CROSS = "riscv64-linux-gnu-gcc";

/** True where the cross compiler is installed. */
export function hasCrossCompiler(): boolean {
  try {
    execFileSync(CROSS, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Builds `source` for riscv64; the path of the program. */
export function buildGuest(source: string, flags: readonly string[] = ["-static"]): string {
  return build(CROSS, source, flags);
}

export function buildHost(source: string, flags: readonly string[] = []): string {
  return build("gcc", source, flags);
}

function build(compiler: string, source: string, flags: readonly string[]): string {
  const args = ["-O1", "-Wall", "-pthread", ...flags];
  const hash = createHash("sha256");
  hash.update([compiler, ...args].join(" ")).update(readFileSync(source));
  for (const name of readdirSync(dirname(source)).filter((n) => n.endsWith(".h"))) {
    hash.update(readFileSync(join(dirname(source), name)));
  }
  const out = join(CACHE, hash.digest("hex").slice(0, 24));
  if (existsSync(out)) return out;
  mkdirSync(CACHE, { recursive: true });
  // Built aside, so that tests side by side never see half a program.
  const aside = `${out}.${process.pid}`;
  const libraries = args.filter((a) => a.startsWith("-l"));
  execFileSync(compiler, [...args, "-o", aside, source, ...libraries], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  renameSync(aside, out);
  return out;
}
