/**
 * Writing a core to a file: only the pages that are there, so that the work is
 * bounded by what the process uses, however much it has mapped. See core(5).
 */
import type { File } from "../vfs/file.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { Uio } from "../vm/uio.ts";
import { CoreImage } from "./coreimage.ts";
import type { Lwp } from "./lwp.ts";
import type { SigInfo } from "./siginfo.ts";

/** Writes the core of `td`'s process to `fp`, up to `limit` bytes. */
export function writeCore(td: Lwp, info: SigInfo, fp: File, limit: number): void {
  const image = new CoreImage(td, info);
  const out = new CoreWriter(td, fp, limit);
  if (!out.write(0, image.head)) return;
  const page = new Uint8Array(PAGE_SIZE);
  for (const { start, length, offset } of image.parts) {
    const end = start + length;
    for (let va = image.nextPage(start, end); va >= 0; va = image.nextPage(va + PAGE_SIZE, end)) {
      // A copy: writing may reclaim.
      page.set(image.pageAt(va));
      if (!out.write(offset + (va - start), page)) return;
    }
  }
  out.end(image.sizeBytes);
}

class CoreWriter {
  readonly #td: Lwp;
  readonly #fp: File;
  readonly #limit: number;

  constructor(td: Lwp, fp: File, limit: number) {
    this.#td = td;
    this.#fp = fp;
    this.#limit = limit;
  }

  /** False if the file is full. */
  write(at: number, bytes: Uint8Array): boolean {
    const n = Math.min(bytes.length, this.#limit - at);
    if (n <= 0) return bytes.length === 0;
    const wrote = this.#fp.pwrite(this.#td, Uio.kernel(bytes.subarray(0, n)), at);
    return wrote === bytes.length;
  }

  /** The file may end in a hole. */
  end(size: number): void {
    this.#fp.truncate(Math.min(size, this.#limit), this.#td);
  }
}
