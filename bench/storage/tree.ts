/**
 * A source tree under git, always the same: what is unpacked, searched and asked for its status.
 *
 * Sizes are spread as in large source trees: most files are small, the mean is about 8 KiB.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const FILES = 6000;
const FILES_PER_DIRECTORY = 15;
const WORDS = ["static", "int", "return", "struct", "if", "while", "offset", "length", "(", ")"];

/** Makes the tree at `dir`, packs it to `archive` and removes it; the number of files and directories in it. */
export function makeTree(dir: string, archive: string): number {
  let seed = 1;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return seed / 0x8000_0000;
  };
  for (let i = 0; i < FILES; i++) {
    const group = Math.floor(i / FILES_PER_DIRECTORY);
    const at = join(dir, `part${group % 20}`, `module${group}`);
    if (i % FILES_PER_DIRECTORY === 0) mkdirSync(at, { recursive: true });
    writeFileSync(join(at, `source-${i}.c`), sourceText(random, 1 + 200_000 * random() ** 24));
  }
  const git = (...args: string[]) => execFileSync("git", ["-C", dir, ...args], { stdio: "pipe" });
  git("init", "-q");
  git("add", ".");
  const who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
  git(...who, "commit", "-q", "-m", "All of it");
  git("gc", "-q");
  execFileSync("tar", ["-C", dirname(dir), "-cf", archive, basename(dir)]);
  const files = execFileSync("tar", ["-tf", archive], { encoding: "utf8", maxBuffer: 1 << 26 });
  rmSync(dir, { recursive: true });
  return files.trim().split("\n").length;
}

function sourceText(random: () => number, length: number): string {
  let text = "";
  while (text.length < length) {
    text += `${WORDS[Math.floor(random() * WORDS.length)]} v${Math.floor(random() * 1e6)}${random() < 0.2 ? ";\n" : " "}`;
  }
  return text;
}
