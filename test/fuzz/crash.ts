/**
 * Crashes ext4 volumes by hand, for as long as one likes: test/fs/crash.ts.
 * Run: node test/fuzz/crash.ts [seeds] [first seed] [operations]
 */
import { join } from "node:path";
import { CRASH_KINDS, CROWDED_KINDS, crashRun, NAME_KINDS } from "../fs/crash.ts";
import { freshImage, withTempDir } from "../fs/ext4image.ts";

const flavours: string[][] = [
  ["-t", "ext4", "-b", "4096"],
  ["-t", "ext4", "-b", "1024"],
  ["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit"],
  ["-t", "ext4", "-b", "1024", "-O", "inline_data", "-I", "256"],
  ["-t", "ext3", "-b", "1024"],
];

const seeds = Number(process.argv[2] ?? 20);
const first = Number(process.argv[3] ?? 1);
const operations = Number(process.argv[4] ?? 400);

withTempDir((dir) => {
  for (let seed = first; seed < first + seeds; seed++) {
    const options = flavours[seed % flavours.length]!;
    const image = freshImage(dir, options, 12288);
    const scratch = join(dir, "crashed");
    const kinds = [CRASH_KINDS, CROWDED_KINDS, NAME_KINDS][Math.floor(seed / flavours.length) % 3]!;
    const names = kinds === NAME_KINDS ? 700 : 16;
    const run = { image, seed, operations, kinds, names, oneIn: 3, checkOneIn: 20, scratch };
    const tried = crashRun(run);
    console.log(`seed ${seed}, ${options.join(" ")}: ${tried} crashes survived`);
  }
});
