/**
 * What one build of this program keeps for its next run: `$XDG_CACHE_HOME/vkernel/WHAT/BUILD/`.
 *
 * BUILD tells one build from another, since what another made is of no use. The directory
 * must be ours alone: what is in it becomes code.
 */
import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheRoot } from "./cacheroot.ts";

const DAY_MS = 86_400_000;

/** The directory for `what` of the program that is in `file`; null where there can be none. */
export function buildDirectory(
  what: "translations" | "compiled",
  file: string,
  env: NodeJS.ProcessEnv,
): string | null {
  try {
    const { size, ctimeMs, ino } = statSync(file);
    const build = [size, Math.floor(ctimeMs), ino].map((n) => n.toString(36)).join("-");
    const directory = join(cacheRoot(env), what, build);
    if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) {
      forgetOldBuilds(dirname(directory), build);
    }
    return isOurs(directory) ? directory : null;
  } catch {
    return null;
  }
}

/** Nobody else can put anything there. */
function isOurs(directory: string): boolean {
  const st = lstatSync(directory);
  return st.isDirectory() && st.uid === process.getuid?.() && (st.mode & 0o022) === 0;
}

/** What builds left that nobody started for a month. */
function forgetOldBuilds(parent: string, current: string): void {
  for (const name of readdirSync(parent)) {
    const path = join(parent, name);
    if (name !== current && Date.now() - statSync(path).mtimeMs > 30 * DAY_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
