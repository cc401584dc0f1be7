/**
 * Opening FIFOs: pipes with a name in a file system.
 *
 * A reader waits for a writer and a writer for a reader; either meets the other while that one still waits in
 * its own open(2). Who was met counts as having the FIFO open, until he has it or gives up. See fifo(7).
 */
import { EINVAL, ENXIO, type Errno, failed } from "../abi/errno.ts";
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR } from "../abi/fcntl.ts";
import type { Abandonable, Thread } from "../kern/thread.ts";
import { Waiter } from "../kern/waitqueue.ts";
import type { FsSettings } from "./fssettings.ts";
import { holdPath, type Path, releasePath } from "./path.ts";
import { type Pipe, PipeFile } from "./pipe.ts";

/** What an open(2) of a FIFO that slept was asked for; null if none does. */
export function fifoBeingOpened(td: Thread): { readonly at: Path; readonly flags: number } | null {
  return td.restart.data instanceof Opening ? td.restart.data : null;
}

/**
 * Opens the FIFO at `at`. A reader waits for a writer and a writer for a reader; either
 * meets the other while that one still waits in its own open. See fifo(7).
 */
export function openFifo(
  td: Thread,
  settings: FsSettings,
  at: Path,
  pipe: Pipe,
  flags: number,
): PipeFile | Errno {
  const mode = flags & O_ACCMODE;
  if (mode > O_RDWR) return EINVAL;
  if (mode === O_RDWR || !pipe.isFifo) return meet(td, settings, pipe, flags);
  const isReader = mode === O_RDONLY;
  const opening = td.restart.data instanceof Opening ? td.restart.data : null;
  const others = isReader ? pipe.writers : pipe.readers;
  const othersOpening = isReader ? pipe.writeOpening : pipe.readOpening;
  if (opening?.isMet || others > 0 || !othersOpening.isEmpty) {
    const fp = meet(td, settings, pipe, flags);
    td.restart.data = null;
    opening?.abandon();
    return fp;
  }
  if ((flags & O_NONBLOCK) !== 0) {
    if (!isReader) return ENXIO;
    return meet(td, settings, pipe, flags);
  }
  const waiter = opening ?? new Opening(td, at, flags, pipe, isReader);
  td.restart.data = waiter;
  td.watchWith(waiter, isReader ? pipe.readOpening : pipe.writeOpening);
  return td.sleepUntil(null, "fifo_open", Number.POSITIVE_INFINITY);
}

function meet(td: Thread, settings: FsSettings, pipe: Pipe, flags: number): PipeFile | Errno {
  const reserved = pipe.reserve(td, settings);
  if (failed(reserved)) return reserved;
  const fp = new PipeFile(pipe, flags);
  if (fp.isReadable) fp.pipe.writeOpening.wakeup();
  if (fp.isWritable) fp.pipe.readOpening.wakeup();
  return fp;
}

/**
 * Somebody who waits in open(2) for the other side. Once met, he counts as
 * having the FIFO open, until he has it or gives up.
 */
class Opening extends Waiter implements Abandonable {
  /** Held: the name may go meanwhile. */
  readonly at: Path;
  readonly flags: number;
  readonly #td: Thread;
  readonly #pipe: Pipe;
  readonly #isReader: boolean;
  isMet = false;

  constructor(td: Thread, at: Path, flags: number, pipe: Pipe, isReader: boolean) {
    super();
    this.#td = td;
    this.at = holdPath(at);
    this.flags = flags;
    this.#pipe = pipe;
    this.#isReader = isReader;
  }

  wake(): void {
    this.isMet = true;
    if (this.#isReader) this.#pipe.readers++;
    else this.#pipe.writers++;
    this.#td.wakeup();
  }

  abandon(): void {
    releasePath(this.at);
    if (this.isMet) this.#pipe.dropEnd(this.#isReader);
  }
}
