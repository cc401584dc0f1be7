/**
 * The embedder's side of a running machine: starts the kernel's Worker, feeds
 * it standard input and signals, and gives the terminal back at the end.
 *
 * The terminal is in raw mode exactly while the Worker runs; `restore` also
 * hangs on the process's exit, so that no way out leaves it raw.
 */
import { Worker } from "node:worker_threads";
import type { Outcome } from "../../boot/config.ts";
import type { MachineSpec } from "./machinespec.ts";
import { makeRaw } from "./rawmode.ts";
import { type ByteRing, Channel } from "./ring.ts";

/** `^\`, the debugger's key on the console of a booted machine. */
const DEBUGGER_KEY = 0x1c;

export async function launch(spec: MachineSpec): Promise<Outcome> {
  const channel = Channel.create();
  const restore = enterRawMode(spec);
  process.once("exit", restore);
  const detach = [feedInput(channel, spec), forwardSignals(channel), followWindowSize(channel)];
  try {
    return await runWorker(channel, spec);
  } finally {
    for (const undo of detach) undo();
    process.off("exit", restore);
    restore();
  }
}

function runWorker(channel: Channel, spec: MachineSpec): Promise<Outcome> {
  return new Promise((resolve) => {
    const worker = new Worker(workerUrl(), { workerData: { shared: channel.shared, spec } });
    worker.once("message", resolve);
    worker.once("error", (e: Error) => resolve({ kind: "panic", message: e.stack ?? e.message }));
    worker.once("exit", (code) =>
      resolve({ kind: "panic", message: `the kernel's Worker ended with code ${code}` }),
    );
  });
}

/**
 * The Worker's file beside this one: .ts in the sources. Once built it is one bundled .js,
 * because some 300 modules take 50 ms longer to load one by one.
 */
function workerUrl(): URL {
  const ext = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`./worker.${ext}`, import.meta.url);
}

function enterRawMode(spec: MachineSpec): () => void {
  return process.stdin.isTTY && !spec.stdio.stdin ? makeRaw() : () => {};
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
    process.stdin.off("error", onEnd);
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

function forwardSignals(channel: Channel): () => void {
  const forward = (_name: NodeJS.Signals, signal: number): void => {
    channel.requestShutdown(signal);
    channel.ring();
  };
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  for (const s of signals) process.on(s, forward);
  return () => {
    for (const s of signals) process.off(s, forward);
  };
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
