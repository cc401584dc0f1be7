/**
 * Reading maintainer scripts without running them.
 *
 * Only what is plain is understood: lines continued by a backslash, and
 * variables that were assigned a literal word earlier in the text. Whatever
 * else a line holds stays as it is, and its reader leaves such lines alone.
 */

/** The script's lines, joined where continued, with known variables put in. */
export function readShellText(script: string): string[] {
  const constants = new Map<string, string>();
  return script
    .replace(/\\\n/g, " ")
    .split("\n")
    .map((line) => {
      const text = line.replace(
        /\$\{(\w+)\}|\$([A-Za-z_]\w*)/g,
        (all, braced?: string, bare?: string) => constants.get(braced ?? bare ?? "") ?? all,
      );
      const assignment = /^\s*([A-Za-z_]\w*)=(["']?)([\w./+-]*)\2\s*(?:;.*)?$/.exec(text);
      if (assignment !== null) constants.set(assignment[1]!, assignment[3]!);
      return text;
    });
}

/** The words of a simple command, their quotes taken off, up to the first operator. */
export function shellWords(text: string): string[] {
  const command = text.split(/[;|&<>]/)[0]!;
  const words = command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g);
  return [...words].map((m) => m[1] ?? m[2] ?? m[3]!);
}
