/**
 * The embedder's side of a running machine: starts the kernel's Worker, feeds
 * it standard input and signals, and gives the terminal back at the end.
 *
 * The terminal is in raw mode exactly while the Worker runs; `restore` also
 * hangs on the process's exit, so that no way out leaves it raw. Signals are
 * taken before the terminal is, for the same reason.
 */
import type { Worker } from "node:worker_threads";
import type { Outcome } from "../../boot/config.ts";
import type { MachineCounts } from "../../platform/counts.ts";
import { sendKernel } from "./kernelfiles.ts";
import type { MachineSpec } from "./machinespec.ts";
import { takeTerminal } from "./rawmode.ts";
import { type ByteRing, Channel } from "./ring.ts";
import type { WorkerTask } from "./runmachine.ts";
import { takeSignals } from "./signals.ts";
import { startWorker } from "./startworker.ts";
import { startTicks } from "./ticks.ts";
import type { WorkerMessage } from "./workermessage.ts";

/** `^\`, the debugger's key on the console of a booted machine. */
const DEBUGGER_KEY = 0x1c;
/** How long a Worker that is to end at once may take before the whole program does. */
const TERMINATE_MS = 1000;

/** How a machine ended, or the signal that ended the program with it. */
export type LaunchOutcome = Outcome | { readonly kind: "killed"; readonly signal: number };

/** Hears of a machine while it runs. */
export interface Observer {
  /** It is about to start. */
  started?(machine: RunningMachine): void;
  /** Its profile is written; `error` is a negative errno, or 0. */
  profiled?(samples: number, error: number): void;
  /** What it counted, when it is over. */
  counted?(counts: MachineCounts): void;
}

export interface RunningMachine {
  /** What it counted up to now, or up to its end; null if it ended without a word. */
  stats(): Promise<MachineCounts | null>;
}

/** `worker`: one that was started before it was known what for, and has been sent the kernel. */
export async function launch(
  spec: MachineSpec,
  observer: Observer = {},
  worker: Worker = sendKernel(startWorker()),
): Promise<LaunchOutcome> {
  const channel = Channel.create();
  // Node 20 has no Promise.withResolvers.
  let kill = (_signal: number): void => {};
  const killed = new Promise<LaunchOutcome>((resolve) => {
    kill = (signal) => resolve({ kind: "killed", signal });
  });
  const releaseSignals = takeSignals(channel, spec.program.kind === "init", kill);
  const listener = new Listener(channel);
  const outcome = run(worker, { shared: channel.shared, spec }, listener);
  // Takes as long as the machine does to its first words.
  const restore = spec.stdio.stdin ? () => {} : takeTerminal();
  process.once("exit", restore);
  observer.started?.(listener);
  const detach = [feedInput(channel, spec), followWindowSize(channel)];
  try {
    const ended = await Promise.race([outcome, killed]);
    if (ended.kind === "killed") await terminate(worker);
    return ended;
  } finally {
    for (const undo of detach) undo();
    process.off("exit", restore);
    restore();
    releaseSignals();
    listener.close(observer);
  }
}

/** Takes what the Worker says before it ends. */
class Listener implements RunningMachine {
  readonly #channel: Channel;
  #stopTicks = (): void => {};
  #waiting: ((counts: MachineCounts | null) => void)[] = [];
  #counts: MachineCounts | null = null;
  #profiled: { readonly samples: number; readonly error: number } | null = null;
  #hasEnded = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  stats(): Promise<MachineCounts | null> {
    if (this.#hasEnded) return Promise.resolve(this.#counts);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#channel.requestCounts();
      this.#channel.ring();
    });
  }

  take(message: Exclude<WorkerMessage, { readonly kind: "ended" }>): void {
    switch (message.kind) {
      case "ticks":
        this.#stopTicks = startTicks(message.memory, message.address, message.tickUs);
        break;
      case "profiled":
        this.#profiled = message;
        break;
      case "counts":
        this.#counts = message.counts;
        this.#answer();
        break;
    }
  }

  /** The machine is over and the terminal is its user's again. */
  close(observer: Observer): void {
    this.#hasEnded = true;
    this.#stopTicks();
    this.#answer();
    if (this.#profiled) observer.profiled?.(this.#profiled.samples, this.#profiled.error);
    if (this.#counts) observer.counted?.(this.#counts);
  }

  #answer(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(this.#counts);
  }
}

/** How the machine ends. */
function run(worker: Worker, task: WorkerTask, listener: Listener): Promise<Outcome> {
  const outcome = new Promise<Outcome>((resolve) => {
    const panic = (message: string, trace = ""): void => resolve({ kind: "panic", message, trace });
    worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "ended") resolve(message.outcome);
      else listener.take(message);
    });
    worker.once("error", (e: Error) => panic(e.message, e.stack));
    worker.once("exit", (code) => panic(`the kernel's Worker ended with code ${code}`));
  });
  worker.postMessage(task);
  return outcome;
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
