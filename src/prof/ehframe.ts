/**
 * .eh_frame and the sorted index to it: the functions of a program by address, and how to leave each of them.
 * Static programs have no index; theirs is made by going through all entries.
 *
 * Entries are read when they are asked for, and bounded, for the file is hostile.
 * See the Linux Standard Base, "DWARF extensions", and DWARF 5, section 6.4.
 */
import { type Cie, type Fde, type FrameRule, RA, ruleOf } from "./callframe.ts";
import { DwarfReader } from "./dwarfreader.ts";
import { type ByteSource, type ElfLayout, viewOf } from "./elflayout.ts";

const MAX_HDR_BYTES = 16 * 2 ** 20;
/** Entries of a program without an index. */
const MAX_SCANNED = 100_000;
const MAX_ENTRY_BYTES = 65_536;
/** Rules and entries that are kept: enough for all that is ever hot. */
const MAX_KEPT = 8192;
/** What lld and ld.bfd write into .eh_frame_hdr: 4 bytes each, relative to the section or to itself. */
const HDR_COUNT_ENCODING = 0x03;
const HDR_TABLE_ENCODING = 0x3b;

export class EhFrame {
  readonly #file: ByteSource;
  readonly #layout: ElfLayout;
  /** Functions by address, and where their entries are: both as the file gives addresses, sorted. */
  #starts = new Float64Array(0);
  #entries = new Float64Array(0);
  readonly #cies = new Map<number, Cie | null>();
  readonly #fdes = new Map<number, Fde | null>();
  readonly #rules = new Map<number, FrameRule | null>();

  private constructor(file: ByteSource, layout: ElfLayout) {
    this.#file = file;
    this.#layout = layout;
  }

  /** Null if the file has none, or one in a form that nobody writes. */
  static read(file: ByteSource, layout: ElfLayout): EhFrame | null {
    const frames = new EhFrame(file, layout);
    return frames.#readIndex() || frames.#scan() ? frames : null;
  }

  /** Bytes it takes, about. */
  get sizeBytes(): number {
    return this.#starts.length * 16 + MAX_KEPT * 128;
  }

  #readIndex(): boolean {
    const hdr = this.#layout.ehFrameHdr;
    if (!hdr || hdr.size > MAX_HDR_BYTES) return false;
    const extent = this.#layout.extentAt(hdr.vaddr);
    if (!extent || extent.size < hdr.size) return false;
    const bytes = this.#file.read(extent.offset, hdr.size);
    if (!bytes) return false;
    const r = new DwarfReader(bytes, hdr.vaddr);
    const version = r.u8();
    const frameEncoding = r.u8();
    const countEncoding = r.u8();
    const tableEncoding = r.u8();
    if (version !== 1 || countEncoding !== HDR_COUNT_ENCODING) return false;
    if (tableEncoding !== HDR_TABLE_ENCODING) return false;
    r.pointer(frameEncoding);
    const count = r.u32();
    if (r.isOver || count > (bytes.length - r.at) >>> 3) return false;
    this.#starts = new Float64Array(count);
    this.#entries = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      this.#starts[i] = hdr.vaddr + r.i32();
      this.#entries[i] = hdr.vaddr + r.i32();
    }
    return true;
  }

  /** Makes the index that a static program lacks. */
  #scan(): boolean {
    const section = this.#layout.ehFrame;
    if (!section) return false;
    const found: { start: number; at: number }[] = [];
    const end = section.vaddr + section.size;
    for (let at = section.vaddr, n = 0; at < end && n < MAX_SCANNED; n++) {
      const length = this.#lengthAt(at);
      if (length === 0) break;
      const fde = this.#readFde(at);
      if (fde) found.push({ start: fde.start, at });
      at += 4 + length;
    }
    found.sort((a, b) => a.start - b.start);
    this.#starts = Float64Array.from(found, (f) => f.start);
    this.#entries = Float64Array.from(found, (f) => f.at);
    return found.length > 0;
  }

  /** Where the function around `vaddr` begins; -1 if nothing is known of it. */
  functionStart(vaddr: number): number {
    return this.#fdeAt(vaddr)?.start ?? -1;
  }

  /** How to leave the function at `vaddr`; null if that is not known. */
  ruleAt(vaddr: number): FrameRule | null {
    const known = this.#rules.get(vaddr);
    if (known !== undefined) return known;
    const fde = this.#fdeAt(vaddr);
    const rule = fde ? ruleOf(fde, vaddr) : null;
    keep(this.#rules, vaddr, rule);
    return rule;
  }

  #fdeAt(vaddr: number): Fde | null {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#starts[middle]! <= vaddr) low = middle + 1;
      else high = middle;
    }
    if (low === 0) return null;
    const at = this.#entries[low - 1]!;
    let fde = this.#fdes.get(at);
    if (fde === undefined) {
      fde = this.#readFde(at);
      keep(this.#fdes, at, fde);
    }
    return fde && vaddr >= fde.start && vaddr < fde.end ? fde : null;
  }

  #readFde(vaddr: number): Fde | null {
    const entry = this.#entry(vaddr);
    if (!entry) return null;
    const r = new DwarfReader(entry, vaddr + 4);
    const back = r.u32();
    if (back === 0) return null;
    const cie = this.#cieAt(vaddr + 4 - back);
    if (!cie) return null;
    const start = r.pointer(cie.pointerEncoding);
    const length = r.value(cie.pointerEncoding & 0x0f);
    if (cie.hasAugmentation) r.skip(r.uleb());
    if (r.isOver || !(length >= 0)) return null;
    return { cie, start, end: start + length, program: entry.subarray(r.at) };
  }

  #cieAt(vaddr: number): Cie | null {
    let cie = this.#cies.get(vaddr);
    if (cie === undefined) {
      cie = this.#readCie(vaddr);
      keep(this.#cies, vaddr, cie);
    }
    return cie;
  }

  #readCie(vaddr: number): Cie | null {
    const entry = this.#entry(vaddr);
    if (!entry) return null;
    const r = new DwarfReader(entry, vaddr + 4);
    const id = r.u32();
    const version = r.u8();
    if (id !== 0 || (version !== 1 && version !== 3)) return null;
    let augmentation = "";
    for (let c = r.u8(); c !== 0 && augmentation.length < 8; c = r.u8()) {
      augmentation += String.fromCharCode(c);
    }
    const codeAlign = r.uleb();
    const dataAlign = r.sleb();
    const raRegister = version === 1 ? r.u8() : r.uleb();
    if (raRegister !== RA || r.isOver) return null;
    let pointerEncoding = 0;
    const hasAugmentation = augmentation.startsWith("z");
    if (hasAugmentation) {
      const end = r.uleb() + r.at;
      for (const c of augmentation.slice(1)) {
        if (c === "R") pointerEncoding = r.u8();
        else if (c === "P") r.pointer(r.u8());
        else if (c === "L") r.u8();
        else if (c !== "S" && c !== "B") return null;
      }
      if (end < r.at) return null;
      r.skip(end - r.at);
    } else if (augmentation !== "") return null;
    if (r.isOver) return null;
    return {
      codeAlign,
      dataAlign,
      pointerEncoding,
      hasAugmentation,
      isSignalFrame: augmentation.includes("S"),
      initial: entry.subarray(r.at),
    };
  }

  /** The bytes of an entry after its length; null at the end mark and for what is too long. */
  #entry(vaddr: number): Uint8Array | null {
    const length = this.#lengthAt(vaddr);
    const extent = this.#layout.extentAt(vaddr);
    return length === 0 || !extent ? null : this.#file.read(extent.offset + 4, length);
  }

  /** Length of the entry at `vaddr` after its first word; 0 where there is none that will do. */
  #lengthAt(vaddr: number): number {
    const extent = this.#layout.extentAt(vaddr);
    const head = extent && extent.size >= 4 ? this.#file.read(extent.offset, 4) : null;
    if (!extent || !head) return 0;
    const length = viewOf(head).getUint32(0, true);
    return length > MAX_ENTRY_BYTES || length > extent.size - 4 ? 0 : length;
  }
}

function keep<T>(map: Map<number, T>, key: number, value: T): void {
  if (map.size >= MAX_KEPT) map.clear();
  map.set(key, value);
}
