/**
 * What a host must provide, and all that the kernel may ask of it.
 *
 * Every effect and every piece of non-determinism enters here: clock, entropy,
 * console, disks, the doorbell. Calls never block, but for `Doorbell.wait`;
 * errors come back as negative errnos, never as exceptions.
 */

export interface Clock {
  /** Nanoseconds since the machine was made; never goes back. */
  monotonicNs(): number;
  /** Wall-clock time at monotonic 0: whole seconds since the epoch, and nanoseconds. */
  readonly epochSec: number;
  readonly epochNsec: number;
}

export interface Entropy {
  fill(bytes: Uint8Array): void;
}

/** A disk image or the like: `offset` and lengths in bytes. */
export interface BlockStore {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Fills `into` whole, or answers -EIO. */
  read(offset: number, into: Uint8Array): number;
  write(offset: number, from: Uint8Array): number;
  /** Returns when all writes are on stable storage. */
  flush(): number;
  /** Bytes of the blocks that `discard` gives back whole; absent or 0 where nothing is gained by it. */
  readonly discardBytes?: number;
  /** Nobody needs these bytes any more: afterwards they read as before or as zeroes, perhaps not whole. */
  discard?(offset: number, length: number): number;
  /** Afterwards all of it reads as zeroes; without it, whoever wants that writes them. */
  writeZeroes?(offset: number, length: number): number;
  /** Bytes that the disk holds by itself: of a format that grows, or above a base that is shared. */
  readonly heldBytes?: number;
  close(): void;
}

/** One direction-pair of bytes with the outside: the console, or a pipe of `vkernel run`. */
export interface ByteStream {
  /** Takes what has arrived, up to `into.length`; 0 = nothing yet, -1 = end of file. */
  read(into: Uint8Array): number;
  /**
   * Accepts all of `from`, for the host keeps what the far end does not take yet. A negative errno: -EPIPE once
   * the far end is gone, -ENOSPC, -EIO.
   */
  write(from: Uint8Array): number;
  /**
   * Bytes that a program may write now: none while the far end is slow. The doorbell rings when there is room
   * again. What the kernel itself says need not ask.
   */
  room(): number;
}

export interface ConsolePort extends ByteStream {
  /** Character cells; 0×0 where nobody knows. */
  size(): { readonly rows: number; readonly cols: number };
}

export interface Doorbell {
  /** True if something arrived since the last `answer()`. */
  isRung(): boolean;
  answer(): void;
  /** Sleeps until rung, or for `timeoutNs` (Infinity: until rung). */
  wait(timeoutNs: number): void;
}

/** What arrives from outside with the doorbell, besides bytes for the streams. */
export type HostEvent =
  | { readonly kind: "resize" }
  /** The host program got this signal: an init shuts down cleanly, a command gets it itself. */
  | { readonly kind: "shutdown"; readonly signal: number }
  /** Somebody wants the counters: they go to the machine's CountsPort. */
  | { readonly kind: "counts" }
  /** The debugger's key, `^\` on the console. */
  | { readonly kind: "debugger" };

export interface Host {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly console: ConsolePort;
  /** Standard streams of `vkernel run` that are not terminals; null where the console serves. */
  readonly stdin: ByteStream | null;
  readonly stdout: ByteStream | null;
  readonly stderr: ByteStream | null;
  readonly doorbell: Doorbell;
  /** Guest calls that this thread's stack has room for at once; few if it does not say. */
  readonly callDepth?: number;
  /** The next event, or null. */
  nextEvent(): HostEvent | null;
}
