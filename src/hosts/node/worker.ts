/**
 * The kernel's Worker: loads the kernel, and runs the machine that it is then told to.
 *
 * Loading may begin before anybody knows what machine it will be, so it does not wait for that. The build makes a
 * script of this (worker.cjs).
 */
import { parentPort } from "node:worker_threads";
import { BundledKernel } from "./bundledkernel.ts";
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
  const bundle = new BundledKernel(import.meta.url);
  const kernel = bundle.load();
  port.once("message", (task: WorkerTask) => serve(kernel.runMachine, task, bundle));
}

function serve(run: typeof runMachine, task: WorkerTask, bundle: BundledKernel | null): void {
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const outcome = run(task, bundle?.file ?? null, post);
  bundle?.keep();
  post({ kind: "ended", outcome });
}
