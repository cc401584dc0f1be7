/**
 * The kernel's Worker: loads the kernel, and runs the machine that it is then told to.
 *
 * Loading may begin before anybody knows what machine it will be, so it does not wait for that. The build makes a
 * script of this (worker.cjs).
 */
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { BundledKernel } from "./bundledkernel.ts";
import { tuneEngine, tuneIndirectCalls } from "./engine.ts";
import type { KernelFiles } from "./kernelfiles.ts";
import { helpersYield, yieldToHelpers } from "./priority.ts";
import type { runMachine, WorkerTask } from "./runmachine.ts";
import type { WorkerMessage } from "./workermessage.ts";

const port = parentPort!;

if (import.meta.url.endsWith(".ts")) {
  // What strips types from sources is WebAssembly, and has run.
  tuneEngine();
  const kernel = import("./runmachine.ts");
  next((task: WorkerTask) => void kernel.then((k) => serve(k.runMachine, task, null)));
} else {
  // The last of Node's large modules that the kernel wants, see tuneEngine.
  performance.now();
  next((files: KernelFiles) => {
    tuneEngine();
    if (files.isAlone) {
      tuneIndirectCalls();
      helpersYield();
    }
    const bundle = new BundledKernel(files);
    const { runMachine } = bundle.load();
    next((task: WorkerTask) => {
      serve(runMachine, task, bundle);
      if (files.isAlone) yieldToHelpers();
    });
  });
}

/** Takes the next message; at once if it is there: Node's own delivery takes some milliseconds the first time. */
function next<T>(take: (message: T) => void): void {
  const received = receiveMessageOnPort(port);
  if (received) take(received.message as T);
  else port.once("message", take);
}

function serve(run: typeof runMachine, task: WorkerTask, bundle: BundledKernel | null): void {
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const outcome = run(task, bundle?.file ?? null, post);
  bundle?.keep();
  post({ kind: "ended", outcome });
}
