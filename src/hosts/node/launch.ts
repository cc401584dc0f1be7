/**
 * The embedder's side of a running machine: starts the kernel's Worker, feeds
 * it standard input and signals, and gives the terminal back at the end.
 *
 * The terminal is in raw mode exactly while the Worker runs; `restore` also
 * hangs on the process's exit, so that no way out leaves it raw. Signals are
 * taken before the terminal is, for the same reason.
 */
import { Worker } from "node:worker_threads";
import type { Outcome } from "../../boot/config.ts";
import type { MachineSpec } from "./machinespec.ts";
import { takeTerminal } from "./rawmode.ts";
import { type ByteRing, Channel } from "./ring.ts";
import { takeSignals } from "./signals.ts";

/** `^\`, the debugger's key on the console of a booted machine. */
const DEBUGGER_KEY = 0x1c;
/** How long a Worker that is to end at once may take before the whole program does. */
const TERMINATE_MS = 1000;

/** How a machine ended, or the signal that ended the program with it. */
export type LaunchOutcome = Outcome | { readonly kind: "killed"; readonly signal: number };

export async function launch(spec: MachineSpec): Promise<LaunchOutcome> {
  const channel = Channel.create();
  const killed = Promise.withResolvers<LaunchOutcome>();
  const kill = (signal: number): void => killed.resolve({ kind: "killed", signal });
  const releaseSignals = takeSignals(channel, spec.program.kind === "init", kill);
  const restore = spec.stdio.stdin ? () => {} : takeTerminal();
  process.once("exit", restore);
  const { worker, outcome } = startWorker(channel, spec);
  const detach = [feedInput(channel, spec), followWindowSize(channel)];
  try {
    const ended = await Promise.race([outcome, killed.promise]);
    if (ended.kind === "killed") await terminate(worker);
    return ended;
  } finally {
    for (const undo of detach) undo();
    process.off("exit", restore);
    restore();
    releaseSignals();
  }
}

function startWorker(
  channel: Channel,
  spec: MachineSpec,
): { readonly worker: Worker; readonly outcome: Promise<Outcome> } {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const worker = new Worker(workerUrl(), { workerData: { shared: channel.shared, spec } });
  const panic = (message: string, trace = ""): void => resolve({ kind: "panic", message, trace });
  worker.once("message", resolve);
  worker.once("error", (e: Error) => panic(e.message, e.stack));
  worker.once("exit", (code) => panic(`the kernel's Worker ended with code ${code}`));
  return { worker, outcome: promise };
}

/** A Worker that hangs in a call of the host cannot be ended, and would keep `process.exit` waiting. */
async function terminate(worker: Worker): Promise<void> {
  const late = setTimeout(() => {
    process.emit("exit", 0);
    process.kill(process.pid, "SIGKILL");
  }, TERMINATE_MS);
  await worker.terminate();
  clearTimeout(late);
}

/**
 * The Worker's file beside this one: .ts in the sources. Once built it is one bundled .js,
 * because some 300 modules take 50 ms longer to load one by one.
 */
function workerUrl(): URL {
  const ext = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./worker.${ext}`, import.meta.url);
}

/** In order, one chunk after the other, and the end after the last: `fed` is when that is done. */
function feedInput(channel: Channel, spec: MachineSpec): () => void {
  const ring = spec.stdio.stdin ? channel.stdin : channel.console;
  const watchesDebuggerKey = spec.program.kind === "init" && process.stdin.isTTY;
  let fed: Promise<void> = Promise.resolve();
  const onData = (data: Buffer): void => {
    if (watchesDebuggerKey && data.includes(DEBUGGER_KEY)) channel.requestDebugger();
    const bytes = watchesDebuggerKey ? data.filter((b) => b !== DEBUGGER_KEY) : data;
    fed = fed.then(() => feed(channel, ring, bytes));
  };
  const onEnd = (): void => {
    fed = fed.then(() => {
      ring.end();
      channel.ring();
    });
  };
  process.stdin.on("data", onData);
  process.stdin.once("end", onEnd);
  process.stdin.on("error", onEnd);
  process.stdin.resume();
  return () => {
    process.stdin.off("data", onData);
    process.stdin.off("end", onEnd);
    process.stdin.pause();
  };
}

/** Puts everything into the ring, pausing the source while it is full. */
async function feed(channel: Channel, ring: ByteRing, data: Uint8Array): Promise<void> {
  let rest = data.subarray(ring.push(data));
  channel.ring();
  if (rest.length === 0) return;
  process.stdin.pause();
  while (rest.length > 0) {
    await ring.drained();
    rest = rest.subarray(ring.push(rest));
    channel.ring();
  }
  process.stdin.resume();
}

function followWindowSize(channel: Channel): () => void {
  const out = process.stdout.isTTY ? process.stdout : process.stderr;
  if (!out.isTTY) return () => {};
  channel.setSize(out.rows, out.columns);
  const onResize = (): void => {
    channel.setSize(out.rows, out.columns);
    channel.ring();
  };
  out.on("resize", onResize);
  return () => {
    out.off("resize", onResize);
  };
}
