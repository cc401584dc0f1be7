/**
 * Writes docs/compatibility.md: system calls from their declarations, commands from their last run.
 *
 *   node tools/compatibility.ts             writes the page again
 *   node tools/compatibility.ts --run       runs the commands first, in the image "compatibility"
 *   node tools/compatibility.ts --run=FILE  ..., in this image
 *   options: --only=NAME,... these commands; the results of the others stay
 */
import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { imagePath, vkernel } from "../test/cli/cli.ts";
import { difference, oracleLine } from "../test/commands/compare.ts";
import { readCorpus } from "../test/commands/corpus.ts";
import { runInGuest } from "../test/commands/guest.ts";
import { oracleOf } from "../test/commands/oracle.ts";
import { type CommandResult, page, RESULTS, readResults } from "./compatibilitypage.ts";

const PAGE = new URL("../docs/compatibility.md", import.meta.url);
const IMAGE = "compatibility";

/** What the commands need beyond the packages of `debian`. */
const PACKAGES = [
  ...["curl", "gcc", "git", "iperf3", "libc6-dev", "make", "nodejs", "openssl"],
  ...["redis-server", "redis-tools", "strace"],
];

function main(): void {
  const options = { run: { type: "string" }, only: { type: "string" } } as const;
  const args = process.argv.slice(2).map((arg) => (arg === "--run" ? "--run=" : arg));
  const { values } = parseArgs({ args, options });
  if (values.run !== undefined) {
    const only = values.only?.split(",") ?? null;
    const results = runAll(values.run === "" ? builtImage() : values.run, only);
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  }
  writeFileSync(PAGE, page());
}

function builtImage(): string {
  const include = ["--from", "debian", "--include", PACKAGES.join(",")];
  const r = vkernel(["image", "build", IMAGE, ...include]);
  if (r.status !== 0) throw new Error(r.stderr);
  return imagePath(IMAGE);
}

function runAll(image: string, only: readonly string[] | null): readonly CommandResult[] {
  const oracle = oracleOf(image);
  if (typeof oracle === "string") throw new Error(oracle);
  const before = existsSync(RESULTS) ? readResults() : [];
  return readCorpus().map(({ name, line }) => {
    const kept = before.find((r) => r.name === name);
    if (kept && only && !only.includes(name)) return kept;
    const argv = ["sh", "-c", line];
    const wanted = oracle(["sh", "-c", oracleLine({ name, line })]);
    const start = performance.now();
    const got = runInGuest(image, argv, { memory: "1g", timeoutMs: 300_000 });
    const seconds = Number(((performance.now() - start) / 1000).toFixed(1));
    const wrong = difference(name, got, wanted);
    process.stderr.write(`${name}: ${wrong ?? "same"} (${seconds} s)\n`);
    return { name, difference: wrong, seconds };
  });
}

main();
