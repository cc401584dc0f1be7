/**
 * The Node host, as the kernel's Worker sees it: implements platform/host.ts
 * over a Channel to the embedder's thread and the program's own descriptors.
 */
import type {
  ByteStream,
  Clock,
  ConsolePort,
  Doorbell,
  Entropy,
  Host,
  HostEvent,
} from "../../platform/host.ts";
import { writeFully } from "./output.ts";
import type { ByteRing, Channel } from "./ring.ts";

/** Which of the standard streams are plain byte streams (not the console). */
export interface StdioKinds {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export class NodeHost implements Host {
  readonly clock: Clock = new NodeClock();
  readonly entropy: Entropy = { fill: fillRandom };
  readonly console: ConsolePort;
  readonly stdin: ByteStream | null;
  readonly stdout: ByteStream | null;
  readonly stderr: ByteStream | null;
  readonly doorbell: Doorbell;
  readonly #channel: Channel;
  #bellSeen = 0;

  /** `consoleFd` is where console output goes: 1 for a terminal, 2 when stdout carries data. */
  constructor(channel: Channel, kinds: StdioKinds, consoleFd: number) {
    this.#channel = channel;
    this.console = {
      read: (into) => channel.console.pull(into),
      write: (from) => writeFully(consoleFd, from),
      size: () => ({ rows: channel.rows, cols: channel.cols }),
    };
    this.stdin = kinds.stdin ? inputStream(channel.stdin) : null;
    this.stdout = kinds.stdout ? outputStream(1) : null;
    this.stderr = kinds.stderr ? outputStream(2) : null;
    this.doorbell = {
      isRung: () => channel.bell !== this.#bellSeen,
      answer: () => {
        this.#bellSeen = channel.bell;
      },
      wait: (timeoutNs) => channel.waitBell(this.#bellSeen, timeoutNs / 1e6),
    };
  }

  nextEvent(): HostEvent | null {
    if (this.#channel.takeDebugger()) return { kind: "debugger" };
    const signal = this.#channel.takeShutdown();
    if (signal !== 0) return { kind: "shutdown", signal };
    if (this.#channel.takeResize()) return { kind: "resize" };
    return null;
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

/** getRandomValues takes 64 KiB at once, and no shared memory. The global one loads less than node:crypto. */
function fillRandom(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += 65536) {
    const part = new Uint8Array(Math.min(65536, bytes.length - at));
    bytes.set(crypto.getRandomValues(part), at);
  }
}

function inputStream(ring: ByteRing): ByteStream {
  return { read: (into) => ring.pull(into), write: (from) => from.length };
}

function outputStream(fd: number): ByteStream {
  return { read: () => -1, write: (from) => writeFully(fd, from) };
}
