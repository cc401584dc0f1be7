/** Runs the built command as its user would, and in a pseudo-terminal when asked. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const CLI = new URL("../../dist/cli/vkernel.js", import.meta.url).pathname;
const PTY_DRIVER = new URL("./pty-driver.py", import.meta.url).pathname;

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function vkernel(args: readonly string[], input = ""): Result {
  const r = spawnSync(process.execPath, [CLI, ...args], {
    input,
    encoding: "utf8",
    timeout: 120_000,
    maxBuffer: 1 << 26,
  });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

/** The path of a named image; `npm test` has built it. */
export function imagePath(name: string): string {
  const r = vkernel(["image", "path", name]);
  if (r.status !== 0) throw new Error(`image ${name} is missing: vkernel image build ${name}`);
  return r.stdout.trim();
}

/** One exchange: wait for `expect` (a Python regular expression), then type `send` or do `act`. */
export interface Step {
  readonly expect: string;
  readonly send?: string;
  /** "resize ROWS COLS", "signal NAME" to the command, or "unlink FILE". */
  readonly act?: string;
}

export interface PtyResult {
  readonly status: number;
  readonly transcript: string;
  /** Terminal attributes before the command started and after it ended. */
  readonly before: unknown;
  readonly after: unknown;
  /** The step that never came, or null. */
  readonly missed: string | null;
}

/** The command on a pseudo-terminal of 24×80, driven step by step. */
export function onTerminal(args: readonly string[], steps: readonly Step[]): PtyResult {
  const script = JSON.stringify({ argv: [process.execPath, CLI, ...args], steps });
  const r = spawnSync("python3", [PTY_DRIVER], {
    input: script,
    encoding: "utf8",
    timeout: 180_000,
  });
  if (r.status !== 0) throw new Error(`pty driver: ${r.stderr}`);
  return JSON.parse(r.stdout) as PtyResult;
}

/** A scratch directory, and an ext4 image of `files` (path → content or host file). */
export function scratch(): string {
  return mkdtempSync(join(tmpdir(), "vkernel-cli-"));
}

/** An image whose root holds exactly these programs, built from C for riscv64. */
export function imageOf(dir: string, programs: Readonly<Record<string, string>>): string {
  const root = join(dir, "root");
  mkdirSync(root, { recursive: true });
  for (const [name, source] of Object.entries(programs)) {
    const c = join(dir, `${name}.c`);
    writeFileSync(c, source);
    const cc = spawnSync("riscv64-linux-gnu-gcc", ["-static", "-O1", "-o", join(root, name), c]);
    if (cc.status !== 0) throw new Error(`${name}: ${cc.stderr}`);
  }
  const image = join(dir, "root.img");
  spawnSync("mke2fs", ["-q", "-F", "-t", "ext4", "-d", root, image, "16m"]);
  return image;
}
