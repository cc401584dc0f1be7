/**
 * The host's terminal, made transparent: every byte in and out as it is.
 *
 * Node's own raw mode leaves output processing on (a newline still becomes two
 * characters), which would spoil what a full-screen program of the guest draws.
 * So stty(1) does it, and Node's mode is what remains where there is no stty.
 */
import { execFileSync } from "node:child_process";

/** stty waits for the terminal's output to leave; one that stands still must not hold us up. */
const STTY_MS = 2000;

/**
 * Makes the terminal on standard input raw, if there is one, and again whenever
 * the program goes on after a stop: the shell had it meanwhile. Returns what
 * gives it back as it was.
 */
export function takeTerminal(): () => void {
  if (!process.stdin.isTTY) return () => {};
  const restore = makeRaw();
  const onContinue = (): void => {
    makeRaw();
  };
  process.on("SIGCONT", onContinue);
  return () => {
    process.off("SIGCONT", onContinue);
    restore();
  };
}

/** Neither this nor what it returns fails: a terminal that hung up needs no mode. */
function makeRaw(): () => void {
  const saved = stty("-g")?.trim();
  if (saved !== undefined && stty("raw", "-echo") !== null) return () => void stty(saved);
  setNodeMode(true);
  return () => setNodeMode(false);
}

function setNodeMode(isRaw: boolean): void {
  try {
    process.stdin.setRawMode(isRaw);
  } catch {}
}

function stty(...args: readonly string[]): string | null {
  try {
    const stdio = ["inherit", "pipe", "ignore"] as const;
    return execFileSync("stty", args, { stdio: [...stdio], encoding: "utf8", timeout: STTY_MS });
  } catch {
    return null;
  }
}
