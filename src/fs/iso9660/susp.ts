/**
 * The entries of a system use area, one after the other, across the
 * continuation areas that CE entries point to.
 *
 * Invariant: an entry lies whole within its area, an area within a block, and
 * no walk takes more than 32 areas, wherever they point. Source: IEEE P1281.
 */
import { LOG_ERR } from "../../kern/log.ts";
import { byteString } from "../../lib/bytes.ts";
import { u32At } from "./layout.ts";
import type { Volume } from "./volume.ts";

/** As Linux: enough for names and links of any length, and no loop is longer. */
const MAX_AREAS = 32;
const MIN_ENTRY_BYTES = 4;
const CE_BYTES = 28;

export const signature = (s: string): number => s.charCodeAt(0) | (s.charCodeAt(1) << 8);
const CE = signature("CE");
const ST = signature("ST");

export class SuspEntries {
  /** Two letters, the first in the low byte; see `signature`. */
  sig = 0;
  /** The entry lies from byte `start` of `area` on, signature and all. */
  area: Uint8Array;
  start = 0;
  length = 0;
  /** The walk ended early, because something does not fit. */
  isDamaged = false;
  readonly #volume: Volume;
  #at = 0;
  #areas = 1;
  #next: Uint8Array | null = null;

  constructor(volume: Volume, area: Uint8Array) {
    this.#volume = volume;
    this.area = area;
  }

  /** Moves to the next entry; false at the end. CE and ST are seen to here. */
  next(): boolean {
    for (;;) {
      const { area } = this;
      const at = this.#at;
      if (area.length - at < MIN_ENTRY_BYTES || area[at] === 0) {
        if (!this.#continue()) return false;
        continue;
      }
      const length = area[at + 2]!;
      if (length < MIN_ENTRY_BYTES || at + length > area.length) return this.#damaged();
      this.sig = area[at]! | (area[at + 1]! << 8);
      this.start = at;
      this.length = length;
      this.#at += length;
      if (this.sig === CE) {
        if (!this.#note()) return this.#damaged();
      } else if (this.sig === ST) this.#at = area.length;
      else return true;
    }
  }

  byte(at: number): number {
    return this.area[this.start + at]!;
  }

  /** The entry's bytes from `from` on, as a byte string. */
  text(from: number, to = this.length): string {
    return byteString(this.area, this.start + from, this.start + to);
  }

  /** A number that is there in both byte orders, `at` bytes into the entry. */
  u32(at: number): number {
    return u32At(this.area, this.start + at);
  }

  /** Keeps where a CE entry points, for when this area ends. */
  #note(): boolean {
    if (this.length < CE_BYTES || ++this.#areas > MAX_AREAS) return false;
    const area = this.#volume.bytesAt(this.u32(4), this.u32(12), this.u32(20));
    if (typeof area === "number") return false;
    this.#next = area;
    return true;
  }

  #continue(): boolean {
    if (!this.#next) return false;
    this.area = this.#next;
    this.#at = 0;
    this.#next = null;
    return true;
  }

  #damaged(): false {
    this.isDamaged = true;
    this.#volume.say(LOG_ERR, "damaged system use entries");
    return false;
  }
}
