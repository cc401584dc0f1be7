/**
 * The programs and libraries that processes have mapped, as far as a profiler looked into them:
 * what an address is called, and how to leave the function there.
 *
 * Files are read through the page cache, by the object that is mapped, so nobody's descriptors, offsets or access
 * times take part. A file that changed is read anew. Only so many are kept.
 */
import { failed } from "../abi/errno.ts";
import { PROT_EXEC } from "../abi/mman.ts";
import { File } from "../vfs/file.ts";
import { readObject } from "../vfs/pagecache.ts";
import type { MapEntry } from "../vm/mapentry.ts";
import type { VmObject } from "../vm/object.ts";
import { Uio } from "../vm/uio.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import { EhFrame } from "./ehframe.ts";
import { type ByteSource, ElfLayout } from "./elflayout.ts";
import { Symbols } from "./symbols.ts";

const MAX_IMAGES = 256;
const MAX_BYTES = 128 * 2 ** 20;

/** Something that is mapped executable, at an address of its own. */
export interface Place {
  /** Null for code that is in no ELF file: a JIT's. */
  readonly image: Image | null;
  /** The address as the file gives it; in code of no file, the address itself. */
  readonly vaddr: number;
  /** What to call it without a symbol: "libc.so.6", "[vdso]", "[anonymous]". */
  readonly name: string;
}

export class Images {
  readonly #images = new Map<VmObject, Image>();
  #bytes = 0;

  /** What is at `pc`; null if nothing is that could be executed. */
  placeOf(vs: Vmspace, pc: number): Place | null {
    const e = vs.entries.find(pc);
    if (!e || (e.prot & PROT_EXEC) === 0) return null;
    if (!e.object || !(e.file instanceof File)) {
      return { image: null, vaddr: pc, name: e.name || "[anonymous]" };
    }
    const image = this.#imageOf(e, e.object, e.file);
    return { image, vaddr: image.vaddrOf(e.offset + (pc - e.start)), name: image.name };
  }

  #imageOf(e: MapEntry, object: VmObject, file: File): Image {
    const known = this.#images.get(object);
    const stamp = stampOf(object, file);
    if (known?.stamp === stamp) return known;
    if (known) this.#forget(object, known);
    const image = new Image(nameOf(file, e), stamp, new ObjectSource(object));
    this.#images.set(object, image);
    this.#bytes += image.sizeBytes;
    for (const [other, oldest] of this.#images) {
      const isFull = this.#images.size > MAX_IMAGES || this.#bytes > MAX_BYTES;
      if (!isFull || other === object) break;
      this.#forget(other, oldest);
    }
    return image;
  }

  #forget(object: VmObject, image: Image): void {
    this.#images.delete(object);
    this.#bytes -= image.sizeBytes;
  }
}

/** One file: what of its symbols and unwind tables could be read. */
export class Image {
  readonly name: string;
  /** Tells this content of the file from others. */
  readonly stamp: string;
  readonly #layout: ElfLayout | null;
  readonly symbols: Symbols;
  readonly frames: EhFrame | null;

  constructor(name: string, stamp: string, file: ByteSource) {
    this.name = name;
    this.stamp = stamp;
    this.#layout = ElfLayout.read(file);
    this.symbols = this.#layout ? Symbols.read(file, this.#layout) : Symbols.none();
    this.frames = this.#layout ? EhFrame.read(file, this.#layout) : null;
  }

  get sizeBytes(): number {
    return this.symbols.sizeBytes + (this.frames?.sizeBytes ?? 0);
  }

  /** The address of the file's byte at `offset`; the offset itself where the file does not say. */
  vaddrOf(offset: number): number {
    const vaddr = this.#layout?.vaddrOf(offset) ?? -1;
    return vaddr < 0 ? offset : vaddr;
  }

  /** "malloc (libc.so.6)"; without a symbol the function's address, or failing that the address itself. */
  describe(vaddr: number): string {
    const symbol = this.symbols.find(vaddr);
    if (symbol) return `${symbol.name} (${this.name})`;
    const start = this.frames?.functionStart(vaddr) ?? -1;
    return `${this.name}+0x${(start < 0 ? vaddr : start).toString(16)}`;
  }
}

class ObjectSource implements ByteSource {
  readonly #object: VmObject;

  constructor(object: VmObject) {
    this.#object = object;
  }

  get sizeBytes(): number {
    return this.#object.sizeBytes;
  }

  read(offset: number, length: number): Uint8Array | null {
    const size = this.#object.sizeBytes;
    if (!(offset >= 0 && length >= 0 && offset <= size && length <= size - offset)) return null;
    const bytes = new Uint8Array(length);
    return readObject(this.#object, Uio.kernel(bytes), offset) === length ? bytes : null;
  }
}

function stampOf(object: VmObject, file: File): string {
  const attr = file.path?.entry.vnode?.getattr();
  if (!attr || failed(attr)) return String(object.sizeBytes);
  return `${object.sizeBytes} ${attr.mtime.sec} ${attr.mtime.nsec}`;
}

function nameOf(file: File, e: MapEntry): string {
  return file.path?.entry.name || e.name || "[file]";
}
