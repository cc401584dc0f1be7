/**
 * Starts the kernel's Worker, which loads the kernel before it is known what machine it is to run.
 *
 * A file of its own, because it is the first thing that the command does: the Worker takes as long to come up as
 * all of the command's modules take to load, and both can go on at once.
 */
import { Worker } from "node:worker_threads";
import { tuneHeap } from "./engine.ts";
import { STACK_MB } from "./stack.ts";

/**
 * A Worker that loads the kernel as soon as it has been sent (kernelfiles.ts), and will run the machine that `launch`
 * gives it.
 */
export function startWorker(): Worker {
  tuneHeap();
  return new Worker(workerUrl(), { resourceLimits: { stackSizeMb: STACK_MB } });
}

/** The Worker's file beside this one: .ts in the sources, in a build a script of its own, which loads sooner than modules. */
function workerUrl(): URL {
  const name = import.meta.url.endsWith(".ts") ? "worker.ts" : "worker.cjs";
  return new URL(`./${name}`, import.meta.url);
}
