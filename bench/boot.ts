/**
 * From process start to a prompt: `node bench/boot.ts IMAGE [SIZE]`.
 *
 * Boots the built command with IMAGE as a copy-on-write disk, its console a pipe, and takes the
 * time until a line ends in "# ". The first round warms caches and is not counted.
 */
import { median } from "./guest/table.ts";
import { atPrompt } from "./prompt.ts";

const [image, size = "256m"] = process.argv.slice(2);
if (!image) {
  console.error("usage: boot.ts IMAGE [SIZE]");
  process.exit(64);
}
const ROUNDS = 11;
const samples: number[] = [];
for (let round = 0; round <= ROUNDS; round++) {
  const ms = await atPrompt(image, size, (guest) => guest.msToPrompt);
  if (round > 0) samples.push(ms);
}
samples.sort((a, b) => a - b);
const [best, worst] = [samples[0]!, samples.at(-1)!];
console.log(
  `boot to prompt: median ${median(samples).toFixed(0)} ms, ${best.toFixed(0)} to ${worst.toFixed(0)} of ${ROUNDS}`,
);
