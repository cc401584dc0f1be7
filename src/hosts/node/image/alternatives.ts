/**
 * The update-alternatives calls of maintainer scripts, done as data.
 *
 * A script's `update-alternatives --install LINK NAME PATH PRIORITY [--slave
 * LINK NAME PATH]…` is read, not run: literal words and the variable of an
 * enclosing `for x in words` are understood, other calls are left alone. The
 * highest priority wins. Source: update-alternatives(1).
 */
import type { Assembly } from "./assembly.ts";
import { readShellText, shellWords } from "./shelltext.ts";

export interface Alternative {
  readonly link: string;
  readonly name: string;
  readonly path: string;
  readonly priority: number;
  readonly slaves: readonly { link: string; name: string; path: string }[];
}

/** The alternatives that a maintainer script installs. */
export function parseAlternatives(script: string): Alternative[] {
  const loops: { variable: string; words: string[] }[] = [];
  const out: Alternative[] = [];
  for (const line of readShellText(script)) {
    const loop = /^\s*for\s+(\w+)\s+in\s+([^;]*?)\s*(?:;\s*do\b.*)?$/.exec(line);
    if (loop !== null) {
      const words = loop[2]!.split(/\s+/).filter(Boolean);
      loops.push({ variable: loop[1]!, words });
    }
    if (line.includes("update-alternatives") && line.includes("--install")) {
      for (const expanded of expand(line, loops)) {
        out.push(...parseCall(expanded));
      }
    }
    if (/^\s*done\b/.test(line)) loops.pop();
  }
  return out;
}

/** Writes the links and the administrative files of all `alternatives` whose programs exist. */
export async function writeAlternatives(
  assembly: Assembly,
  alternatives: readonly Alternative[],
): Promise<void> {
  const groups = new Map<string, Alternative[]>();
  for (const one of alternatives) {
    if (!assembly.has(one.path)) continue;
    const group = groups.get(one.name) ?? [];
    if (!group.some((other) => other.path === one.path)) group.push(one);
    groups.set(one.name, group);
  }
  assembly.dir("/etc/alternatives");
  assembly.dir("/var/lib/dpkg/alternatives");
  for (const [name, group] of groups) {
    const best = group.reduce((a, b) => (b.priority > a.priority ? b : a));
    place(assembly, best.link, name, best.path);
    for (const slave of best.slaves) {
      if (assembly.has(slave.path)) place(assembly, slave.link, slave.name, slave.path);
    }
    await assembly.file(`/var/lib/dpkg/alternatives/${name}`, adminFile(group));
  }
}

function place(assembly: Assembly, link: string, name: string, path: string): void {
  assembly.symlink(`/etc/alternatives/${name}`, path);
  const old = assembly.tree.lget(link);
  if (old === undefined || old.kind === "symlink") {
    assembly.symlink(link, `/etc/alternatives/${name}`);
  }
}

/** The file below /var/lib/dpkg/alternatives: mode, link, slaves, then each choice. */
function adminFile(group: readonly Alternative[]): string {
  const slaves = new Map(group.flatMap((a) => a.slaves.map((s) => [s.name, s.link] as const)));
  const lines = ["auto", group[0]!.link];
  for (const [name, link] of slaves) lines.push(name, link);
  lines.push("");
  for (const choice of [...group].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    lines.push(choice.path, String(choice.priority));
    for (const name of slaves.keys()) {
      lines.push(choice.slaves.find((s) => s.name === name)?.path ?? "");
    }
  }
  return `${lines.join("\n")}\n\n`;
}

function parseCall(line: string): Alternative[] {
  const words = shellWords(line.slice(line.indexOf("update-alternatives")));
  const at = words.indexOf("--install");
  const [link, name, path, priority] = words.slice(at + 1);
  if (!isPath(link) || !isName(name) || !isPath(path) || !/^\d+$/.test(priority ?? "")) return [];
  const slaves: { link: string; name: string; path: string }[] = [];
  for (let i = at + 5; i < words.length; i++) {
    if (words[i] !== "--slave") continue;
    const [slaveLink, slaveName, slavePath] = words.slice(i + 1);
    if (isPath(slaveLink) && isName(slaveName) && isPath(slavePath)) {
      slaves.push({ link: slaveLink, name: slaveName, path: slavePath });
    }
  }
  return [{ link, name, path, priority: Number(priority), slaves }];
}

const MAX_CALLS = 256;

/** One line for every combination of the loops' words. */
function expand(line: string, loops: readonly { variable: string; words: string[] }[]): string[] {
  let lines = [line];
  for (const { variable, words } of loops) {
    const use = new RegExp(`\\$(?:${variable}\\b|\\{${variable}\\})`, "g");
    if (!use.test(line)) continue;
    lines = lines.flatMap((one) => words.map((word) => one.replace(use, () => word)));
    if (lines.length > MAX_CALLS) return [];
  }
  return lines;
}

const isPath = (word: string | undefined): word is string => /^\/[\w./+:@-]+$/.test(word ?? "");
const isName = (word: string | undefined): word is string => /^[\w.+@-]+$/.test(word ?? "");
