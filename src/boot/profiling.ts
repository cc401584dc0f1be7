/** A profiler from the machine's first instruction to its end, however that comes. */
import { failed } from "../abi/errno.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Hart } from "../machine/hart.ts";
import type { ProfilePort } from "../platform/profile.ts";
import { Profiler } from "../prof/profiler.ts";
import type { Syscall } from "../syscall/declare.ts";
import type { UserLoop } from "../trap/userloop.ts";
import type { Kernel } from "./kernel.ts";
import { VERSION } from "./version.ts";

/** Bytes of a piece, about. */
const PIECE = 65_536;

export class Profiling {
  readonly #port: ProfilePort;
  readonly #profiler: Profiler;

  constructor(
    port: ProfilePort,
    kernel: Kernel,
    hart: Hart,
    loop: UserLoop,
    calls: readonly (Syscall | undefined)[],
  ) {
    this.#port = port;
    this.#profiler = new Profiler(hart, kernel.table, calls, port.tickUs);
    loop.sampler = this.#profiler;
    port.startTicks(kernel.machine.mem.memory.buffer as SharedArrayBuffer, hart.attentionAddr);
  }

  /** Writes the file. */
  finish(): void {
    let text = "";
    let error = 0;
    for (const piece of this.#profiler.file(`vkernel ${VERSION}`)) {
      text += piece;
      if (text.length < PIECE) continue;
      error = Math.min(0, this.#port.write(bytesOf(text)));
      if (failed(error)) break;
      text = "";
    }
    if (error === 0) error = Math.min(0, this.#port.write(bytesOf(text)));
    this.#port.finished(this.#profiler.sampleCount, error);
  }
}
