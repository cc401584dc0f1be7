/** The command lines of commands.tsv: name, tab, what `sh -c` is given. */
import { readFileSync } from "node:fs";

export interface Command {
  readonly name: string;
  readonly line: string;
}

export function readCorpus(): readonly Command[] {
  const text = readFileSync(new URL("./commands.tsv", import.meta.url), "utf8");
  return text
    .split("\n")
    .filter((row) => row !== "")
    .map((row) => {
      const tab = row.indexOf("\t");
      return { name: row.slice(0, tab), line: row.slice(tab + 1) };
    });
}
