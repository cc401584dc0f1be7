/** Boots a machine to its prompt, looks at it, and powers it off: as its user does, so that it keeps what it compiled. */
import { spawn } from "node:child_process";

const CLI = new URL("../dist/cli/vkernel.js", import.meta.url).pathname;
/** The prompt's end; some shells ask the terminal for the cursor then. */
const PROMPTS = ["# ", "# \u001b[6n"];
const LIMIT_MS = 60_000;

export interface BootedGuest {
  readonly pid: number;
  /** Milliseconds from the start of the process. */
  readonly msToPrompt: number;
}

/** Calls `look` when the prompt is there; what that returns. */
export async function atPrompt<T>(
  image: string,
  memory: string,
  look: (guest: BootedGuest) => T | Promise<T>,
): Promise<T> {
  const started = performance.now();
  const child = spawn(process.execPath, [CLI, "-m", memory, "-R", image], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {});
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  let seen = "";
  const isThere = await new Promise<boolean>((resolve) => {
    child.stdout.on("data", (chunk: Buffer) => {
      seen += chunk;
      if (PROMPTS.some((p) => seen.endsWith(p))) resolve(true);
    });
    child.stdout.once("end", () => resolve(false));
  });
  const msToPrompt = performance.now() - started;
  try {
    if (!isThere || child.pid === undefined) throw new Error(`no prompt: ${seen}`);
    return await look({ pid: child.pid, msToPrompt });
  } finally {
    child.stdin.end("poweroff\n");
    await exited;
    clearTimeout(timer);
  }
}
