/**
 * The Node host, as the kernel's Worker sees it: implements platform/host.ts
 * over a Channel to the embedder's thread and the program's own descriptors.
 */
import { closeSync, openSync, readSync } from "node:fs";
// The global is a getter that looks it up each time: a seventh of what reading the clock takes.
import { performance } from "node:perf_hooks";
import type {
  ByteStream,
  Clock,
  ConsolePort,
  Doorbell,
  Entropy,
  Host,
  HostEvent,
} from "../../platform/host.ts";
import { type Outlet, openOutlets } from "./output.ts";
import type { ByteRing, Channel } from "./ring.ts";
import { CALL_DEPTH } from "./stack.ts";

/** Which of the standard streams are plain byte streams (not the console). */
export interface StdioKinds {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** How long a slow reader of our output is left alone, at first and at most. */
const FIRST_RETRY_MS = 0.1;
const MAX_RETRY_MS = 10;
/** How long output may hold up the end of a machine that was told to go. */
const DRAIN_MS = 1000;

export class NodeHost implements Host {
  readonly clock: Clock = new NodeClock();
  readonly entropy = new NodeEntropy();
  readonly console: ConsolePort;
  readonly stdin: ByteStream | null;
  readonly stdout: ByteStream | null;
  readonly stderr: ByteStream | null;
  readonly doorbell: Doorbell;
  readonly callDepth = CALL_DEPTH;
  readonly #channel: Channel;
  readonly #outlets: readonly [Outlet, Outlet];
  #bellSeen = 0;
  /** A slow reader took something since the bell was last answered. */
  #hasMoved = false;
  #nextRetryMs = 0;
  /** The host program was asked to end. */
  #mustGo = false;

  /** `consoleFd` is where console output goes: 1 for a terminal, 2 when stdout carries data. */
  constructor(channel: Channel, kinds: StdioKinds, consoleFd: number) {
    this.#channel = channel;
    this.#outlets = openOutlets();
    const [out, err] = this.#outlets;
    this.console = {
      ...outputStream(consoleFd === 1 ? out : err),
      read: (into) => channel.console.pull(into),
      size: () => ({ rows: channel.rows, cols: channel.cols }),
    };
    this.stdin = kinds.stdin ? inputStream(channel.stdin) : null;
    this.stdout = kinds.stdout ? outputStream(out) : null;
    this.stderr = kinds.stderr ? outputStream(err) : null;
    this.doorbell = {
      isRung: () => channel.bell !== this.#bellSeen || this.#isOutputMoving(),
      answer: () => {
        this.#bellSeen = channel.bell;
        this.#hasMoved = false;
      },
      wait: (timeoutNs) => this.#wait(timeoutNs / 1e6),
    };
  }

  nextEvent(): HostEvent | null {
    if (this.#channel.takeDebugger()) return { kind: "debugger" };
    const signal = this.#channel.takeShutdown();
    if (signal !== 0) {
      this.#mustGo = true;
      return { kind: "shutdown", signal };
    }
    if (this.#channel.takeResize()) return { kind: "resize" };
    if (this.#channel.takeCounts()) return { kind: "counts" };
    return null;
  }

  /** The machine has ended: waits for slow readers of its output, but not for ever once told to go. */
  finish(): void {
    let deadlineMs = Number.POSITIVE_INFINITY;
    const isGivenUp = (): boolean => {
      if (this.#channel.takeShutdown() !== 0) this.#mustGo = true;
      if (this.#mustGo) deadlineMs = Math.min(deadlineMs, performance.now() + DRAIN_MS);
      return performance.now() >= deadlineMs;
    };
    for (const o of this.#outlets) o.drain(isGivenUp);
    this.entropy.close();
  }

  get #isBehind(): boolean {
    return this.#outlets[0].isBehind || this.#outlets[1].isBehind;
  }

  /** No host tells when a reader is ready again: it is tried, now and then. */
  #isOutputMoving(): boolean {
    if (!this.#isBehind || performance.now() < this.#nextRetryMs) return this.#hasMoved;
    for (const o of this.#outlets) if (o.flush()) this.#hasMoved = true;
    this.#nextRetryMs = performance.now() + FIRST_RETRY_MS;
    return this.#hasMoved;
  }

  #wait(timeoutMs: number): void {
    const untilMs = performance.now() + timeoutMs;
    let retryMs = FIRST_RETRY_MS;
    while (!this.doorbell.isRung()) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return;
      this.#channel.waitBell(this.#bellSeen, this.#isBehind ? Math.min(leftMs, retryMs) : leftMs);
      retryMs = Math.min(MAX_RETRY_MS, 2 * retryMs);
    }
  }
}

class NodeClock implements Clock {
  readonly epochSec: number;
  readonly epochNsec: number;
  readonly #originMs: number;

  constructor() {
    this.#originMs = performance.now();
    const wallMs = performance.timeOrigin + this.#originMs;
    this.epochSec = Math.floor(wallMs / 1000);
    this.epochNsec = Math.floor((wallMs % 1000) * 1e6);
  }

  monotonicNs(): number {
    return Math.floor((performance.now() - this.#originMs) * 1e6);
  }
}

/** The host's generator, opened once; where it is no file, that of Web Crypto, which takes 5 ms to load. */
class NodeEntropy implements Entropy {
  #fd = -1;

  fill(bytes: Uint8Array): void {
    try {
      if (this.#fd < 0) this.#fd = openSync("/dev/urandom", "r");
      for (let done = 0; done < bytes.length; ) {
        const n = readSync(this.#fd, bytes, done, bytes.length - done, null);
        if (n === 0) throw new Error("a generator has no end");
        done += n;
      }
    } catch {
      fillRandom(bytes);
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/** getRandomValues takes 64 KiB at once, and no shared memory. */
function fillRandom(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 65536) {
    const part = new Uint8Array(Math.min(65536, bytes.length - at));
    bytes.set(crypto.getRandomValues(part), at);
  }
}

function inputStream(ring: ByteRing): ByteStream {
  return { read: (into) => ring.pull(into), write: (from) => from.length, room: () => 0 };
}

function outputStream(outlet: Outlet): ByteStream {
  return { read: () => -1, write: (from) => outlet.write(from), room: () => outlet.room() };
}
