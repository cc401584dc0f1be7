/**
 * The kernel's Worker: loads the kernel, and runs the machine that it is then told to.
 *
 * Loading may begin before anybody knows what machine it will be, so it does not wait for that. The build makes a
 * script of this (worker.cjs).
 */
import { parentPort, receiveMessageOnPort } from "node:worker_threads";
import { BundledKernel } from "./bundledkernel.ts";
import { type KernelFiles, readKernel } from "./kernelfiles.ts";
import type { runMachine, WorkerTask } from "./runmachine.ts";
import type { WorkerMessage } from "./workermessage.ts";

const port = parentPort!;

if (import.meta.url.endsWith(".ts")) {
  const kernel = import("./runmachine.ts");
  port.once(
    "message",
    (task: WorkerTask) => void kernel.then((k) => serve(k.runMachine, task, null)),
  );
} else {
  const first = received();
  const bundle = new BundledKernel(first && isKernel(first) ? first : readKernel(import.meta.url));
  const { runMachine } = bundle.load();
  const take = (message: WorkerTask | KernelFiles): void => {
    // A kernel that comes when we have read it ourselves comes too late.
    if (!isKernel(message)) serve(runMachine, message, bundle);
  };
  // What came meanwhile is taken at once: Node's own delivery takes some milliseconds the first time.
  const second = first && !isKernel(first) ? first : received();
  if (second && !isKernel(second)) take(second);
  else port.on("message", take);
}

/** What was sent up to now, one at a time. */
function received(): WorkerTask | KernelFiles | undefined {
  return receiveMessageOnPort(port)?.message as WorkerTask | KernelFiles | undefined;
}

function isKernel(message: WorkerTask | KernelFiles): message is KernelFiles {
  return "source" in message;
}

function serve(run: typeof runMachine, task: WorkerTask, bundle: BundledKernel | null): void {
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const outcome = run(task, bundle?.file ?? null, post);
  bundle?.keep();
  post({ kind: "ended", outcome });
  port.removeAllListeners("message");
}
