/**
 * `vkernel start [CMD…]`, what `npm start` runs: the default image, made if it
 * is not there yet; then a shell in it, or the one command.
 */
import type { Worker } from "node:worker_threads";
import { cacheRoot } from "../hosts/node/cacheroot.ts";
import { tuneEngine, tuneIndirectCalls } from "../hosts/node/engine.ts";
import { hostErrorLine } from "../hosts/node/image/error.ts";
import { namedImage } from "../hosts/node/image/manifest.ts";
import { bootCommand } from "./bootcmd.ts";
import { EX_FAILURE, EX_OK } from "./exitcodes.ts";
import { answer, complain } from "./report.ts";
import { runCommand } from "./run.ts";
import { usage } from "./usage.ts";

const DEFAULT_IMAGE = "debian";
/** Debian's own programs are larger than the kernel's default allows for comfort. */
const MEMORY = "512m";

/** `early`: a Worker that loads the kernel already. */
export async function startCommand(argv: readonly string[], early: Worker | null): Promise<number> {
  if (argv[0] === "-h" || argv[0] === "--help") {
    answer(usage);
    return EX_OK;
  }
  let path: string;
  try {
    path = namedImage(cacheRoot(process.env), DEFAULT_IMAGE) ?? (await buildImage());
  } catch (e) {
    complain(hostErrorLine(e) ?? (e instanceof Error ? e.message : String(e)));
    return EX_FAILURE;
  }
  if (argv.length > 0) return runCommand(["-m", MEMORY, path, "--", ...argv], early);
  complain("'poweroff' ends the machine, ^\\ enters its debugger");
  return bootCommand(["-m", MEMORY, "-R", path], early);
}

/** The builder is loaded only to build: it takes 20 ms. */
async function buildImage(): Promise<string> {
  // Node's own WebAssembly, which comes with its HTTP client, is compiled as the Worker compiles its.
  tuneEngine();
  tuneIndirectCalls();
  const { ensureImage } = await import("./image.ts");
  return ensureImage(DEFAULT_IMAGE);
}
