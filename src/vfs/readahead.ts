/**
 * Read-ahead: the next page of a file is usually the next block of the disk.
 *
 * Small reads are served from aligned windows of the device, each fetched with
 * one read; a program being loaded page by page costs the host a call per
 * window. Whoever writes to the device must `forget` what it wrote.
 */
import { failed } from "../abi/errno.ts";
import type { BlockDevice } from "./blockdevice.ts";

const WINDOW_BYTES = 64 << 10;
const WINDOWS = 32;

export class ReadAhead {
  readonly #device: BlockDevice;
  /** By window number, in order of last fetch. */
  readonly #windows = new Map<number, Uint8Array>();

  constructor(device: BlockDevice) {
    this.#device = device;
  }

  /** Fills `into` from byte `offset` of the device. 0, or EIO. */
  read(offset: number, into: Uint8Array): number {
    for (let done = 0; done < into.length; ) {
      const at = offset + done;
      const inWindow = at % WINDOW_BYTES;
      const part = into.subarray(
        done,
        done + Math.min(WINDOW_BYTES - inWindow, into.length - done),
      );
      const r =
        part.length === WINDOW_BYTES
          ? this.#device.read(at, part)
          : this.#small(at, inWindow, part);
      if (failed(r)) return r;
      done += part.length;
    }
    return 0;
  }

  forget(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / WINDOW_BYTES);
    for (let n = Math.floor(offset / WINDOW_BYTES); n <= last; n++) this.#windows.delete(n);
  }

  #small(at: number, inWindow: number, part: Uint8Array): number {
    const n = (at - inWindow) / WINDOW_BYTES;
    let window = this.#windows.get(n);
    if (!window) {
      const start = n * WINDOW_BYTES;
      const length = Math.min(WINDOW_BYTES, this.#device.sizeBytes - start);
      if (inWindow + part.length > length) return this.#device.read(at, part);
      const room = this.#room(length);
      if (failed(this.#device.read(start, room))) return this.#device.read(at, part);
      this.#windows.set(n, room);
      window = room;
    }
    part.set(window.subarray(inWindow, inWindow + part.length));
    return 0;
  }

  /** Space for one more window: the oldest one's, once all are in use. */
  #room(length: number): Uint8Array {
    if (this.#windows.size >= WINDOWS) {
      for (const [n, bytes] of this.#windows) {
        this.#windows.delete(n);
        if (bytes.length === length) return bytes;
        break;
      }
    }
    return new Uint8Array(length);
  }
}
