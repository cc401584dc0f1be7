/**
 * The host's terminal, made transparent: every byte in and out as it is.
 *
 * Node's own raw mode leaves output processing on (a newline still becomes two
 * characters), which would spoil what a full-screen program of the guest draws.
 * So stty(1) does it, and Node's mode is what remains where there is no stty.
 */
import { execFileSync } from "node:child_process";

/** Returns what gives the terminal back as it was. */
export function makeRaw(): () => void {
  try {
    const saved = stty("-g").trim();
    stty("raw", "-echo");
    return () => {
      stty(saved);
    };
  } catch {
    process.stdin.setRawMode(true);
    return () => {
      process.stdin.setRawMode(false);
    };
  }
}

function stty(...args: readonly string[]): string {
  return execFileSync("stty", args, { stdio: ["inherit", "pipe", "ignore"], encoding: "utf8" });
}
