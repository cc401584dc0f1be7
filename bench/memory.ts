/**
 * Memory of a machine that idles at its prompt: `node bench/memory.ts IMAGE [SIZE]`.
 *
 * Resident set of the whole process, and how much of it is shared memory (guest RAM and the machine's
 * tables, as far as touched), from /proc: Linux only.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { atPrompt } from "./prompt.ts";

const SETTLE_MS = 1000;
const [image, size = "256m"] = process.argv.slice(2);
if (!image) {
  console.error("usage: memory.ts IMAGE [SIZE]");
  process.exit(64);
}
await atPrompt(image, size, async ({ pid }) => {
  await sleep(SETTLE_MS);
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  for (const field of ["VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem"]) {
    const kib = Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    console.log(`${field.padEnd(9)} ${(kib / 1024).toFixed(1).padStart(7)} MiB`);
  }
});
