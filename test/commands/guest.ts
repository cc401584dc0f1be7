/** The other side of the comparison: a command of an image in a fresh guest. */
import { spawnSync } from "node:child_process";
import type { Outcome } from "./compare.ts";

const CLI = new URL("../../dist/cli/vkernel.js", import.meta.url).pathname;

export function runInGuest(
  image: string,
  argv: readonly string[],
  options: { readonly input?: string; readonly memory?: string; readonly timeoutMs?: number } = {},
): Outcome {
  // The oracle's root is read-only.
  const args = [CLI, "run", "--ro", "-m", options.memory ?? "512m", image, "--", ...argv];
  const r = spawnSync(process.execPath, args, {
    input: options.input ?? "",
    encoding: "latin1",
    timeout: options.timeoutMs ?? 400_000,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 26,
  });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}
