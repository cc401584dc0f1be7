/** A host for kernels under test: a real clock, fixed entropy, a console that records. */
import type {
  ByteStream,
  Clock,
  ConsolePort,
  Doorbell,
  Entropy,
  Host,
  HostEvent,
} from "../../src/platform/host.ts";

export class RecordingConsole implements ConsolePort {
  readonly output: Uint8Array[] = [];
  input: Uint8Array = new Uint8Array(0);

  read(into: Uint8Array): number {
    const n = Math.min(into.length, this.input.length);
    into.set(this.input.subarray(0, n));
    this.input = this.input.subarray(n);
    return n;
  }

  write(from: Uint8Array): number {
    this.output.push(from.slice());
    return from.length;
  }

  room(): number {
    return 1 << 20;
  }

  size(): { rows: number; cols: number } {
    return { rows: 24, cols: 80 };
  }

  get text(): string {
    return Buffer.concat(this.output).toString("latin1");
  }
}

/** Pseudo-random, and the same every time. */
class FixedEntropy implements Entropy {
  #state = 12345;

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
      bytes[i] = this.#state >>> 24;
    }
  }
}

/** Nobody rings it; waiting is sleeping. */
class SilentDoorbell implements Doorbell {
  readonly #word = new Int32Array(new SharedArrayBuffer(4));

  isRung(): boolean {
    return false;
  }

  answer(): void {}

  wait(timeoutNs: number): void {
    Atomics.wait(this.#word, 0, 0, Math.min(timeoutNs / 1e6, 60_000));
  }
}

export class TestHost implements Host {
  readonly console: ConsolePort = new RecordingConsole();
  readonly entropy = new FixedEntropy();
  readonly doorbell: Doorbell = new SilentDoorbell();
  readonly stdin: ByteStream | null = null;
  readonly stdout: ByteStream | null = null;
  readonly stderr: ByteStream | null = null;
  readonly clock: Clock;
  /** An idle kernel waits at the doorbell, and does not look at the clock again and again. */
  readonly usesDoorbell: boolean = false;

  constructor() {
    const start = performance.now();
    const epochMs = Date.now();
    this.clock = {
      monotonicNs: () => Math.floor((performance.now() - start) * 1e6),
      epochSec: Math.floor(epochMs / 1000),
      epochNsec: (epochMs % 1000) * 1e6,
    };
  }

  nextEvent(): HostEvent | null {
    return null;
  }
}
