/**
 * The kernel's Worker: loads the kernel, and runs the machine that it is then told to.
 *
 * Loading may begin before anybody knows what machine it will be, so it does not wait for that.
 */
import { parentPort } from "node:worker_threads";
import { BundledKernel } from "./bundledkernel.ts";
import { tuneEngine } from "./engine.ts";
import type { runMachine, WorkerTask } from "./runmachine.ts";
import type { WorkerMessage } from "./workermessage.ts";

const port = parentPort!;

/** Before anything is compiled: V8's compiled form of a script is good for the settings it was made with. */
tuneEngine();
const bundle = import.meta.url.endsWith(".ts") ? null : new BundledKernel(import.meta.url);
const kernel: { runMachine: typeof runMachine } = bundle
  ? bundle.load()
  : await import("./runmachine.ts");

port.once("message", (task: WorkerTask) => {
  const post = (message: WorkerMessage): void => port.postMessage(message);
  const outcome = kernel.runMachine(task, bundle?.file ?? null, post);
  bundle?.keep();
  post({ kind: "ended", outcome });
});
