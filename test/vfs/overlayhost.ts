/**
 * The host's side of overlay.test.ts, run in a mount name space of its own:
 * reads runs from standard input, writes what the host's overlayfs made of them.
 */
import { execFileSync } from "node:child_process";
import * as host from "node:fs";
import { join } from "node:path";
import { type Op, onHost } from "./nameops.ts";

export interface OverlayRun {
  readonly lower: readonly (readonly Op[])[];
  readonly before: readonly Op[];
  /** After the overlay was unmounted and mounted again. */
  readonly after: readonly Op[];
}

/** Every operation's answer, and what each directory holds in the end. */
export interface OverlayResult {
  readonly answers: readonly string[];
  readonly trees: Readonly<Record<string, readonly string[]>>;
}

export const DIRECTORIES = ["l1", "l2", "upper", "work", "m"];
export const OPTIONS = "lowerdir=l1:l2,upperdir=upper,workdir=work,userxattr";

/** A line per file below: path, type and links, and what it holds. */
function hostTree(top: string, below = ""): string[] {
  const lines: string[] = [];
  for (const name of host.readdirSync(join(top, below)).sort()) {
    const path = below === "" ? name : `${below}/${name}`;
    const s = host.lstatSync(join(top, path));
    if (s.isDirectory()) lines.push(`${path} dir`, ...hostTree(top, path));
    else if (s.isSymbolicLink()) lines.push(`${path} -> ${host.readlinkSync(join(top, path))}`);
    else if (s.isFile()) lines.push(`${path} ${s.nlink} ${s.size}`);
    else lines.push(`${path} ${s.isCharacterDevice() ? "char" : "other"} ${s.rdev}`);
  }
  return lines;
}

function hostRun(base: string, run: OverlayRun): OverlayResult {
  host.mkdirSync(base, { recursive: true });
  for (const d of DIRECTORIES) host.mkdirSync(join(base, d));
  const answers: string[] = [];
  for (const [i, ops] of run.lower.entries()) {
    for (const o of ops) answers.push(onHost(join(base, DIRECTORIES[i]!), o));
  }
  const merged = join(base, "m");
  for (const ops of [run.before, run.after]) {
    execFileSync("mount", ["-t", "overlay", "overlay", "-o", OPTIONS, "m"], { cwd: base });
    for (const o of ops) answers.push(onHost(merged, o));
    answers.push(...hostTree(merged));
    execFileSync("umount", ["m"], { cwd: base });
  }
  const trees = Object.fromEntries(DIRECTORIES.map((d) => [d, hostTree(join(base, d))]));
  // Linux may keep a whiteout there, to make more by linking.
  trees["work"] = trees["work"]!.filter((line) => !/^work\/#\w+ char 0$/.test(line));
  return { answers, trees };
}

if (process.argv[2] === "run") {
  const top = process.argv[3]!;
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", top]);
  const runs = JSON.parse(host.readFileSync(0, "utf8")) as OverlayRun[];
  const results = runs.map((run, i) => hostRun(join(top, String(i), "w", "x", "y", "z"), run));
  process.stdout.write(JSON.stringify(results));
}
