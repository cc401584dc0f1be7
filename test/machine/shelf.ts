/** A place for translations that outlive their machine, in memory. */
import type { TranslationSegment, TranslationStore } from "../../src/platform/translations.ts";

/** A store in memory: what earlier machines left, and what the next will find. */
export class Shelf implements TranslationStore {
  segments: TranslationSegment[] = [];
  readonly named = new Map<string, Uint8Array>();
  #growing: Uint8Array[] = [];

  kept(name: string): Uint8Array<ArrayBuffer> | null {
    const bytes = this.named.get(name);
    return bytes ? new Uint8Array(bytes) : null;
  }

  keep(name: string, bytes: Uint8Array): void {
    this.named.set(name, bytes.slice());
  }

  append(bytes: Uint8Array): number {
    this.#growing.push(bytes.slice());
    return 0;
  }

  finish(isWhole: boolean, merged: readonly TranslationSegment[]): void {
    this.segments = this.segments.filter((segment) => !merged.includes(segment));
    if (isWhole) this.segments.unshift(segmentOf(Buffer.concat(this.#growing)));
    this.#growing = [];
  }

  /** What is in the latest segment. */
  get bytes(): Uint8Array {
    const [first] = this.segments;
    const bytes = new Uint8Array(first!.sizeBytes);
    first!.read(0, bytes);
    return bytes;
  }
}

function segmentOf(content: Uint8Array): TranslationSegment {
  return {
    sizeBytes: content.length,
    read(offset, into) {
      if (offset < 0 || offset + into.length > content.length) return -5;
      into.set(content.subarray(offset, offset + into.length));
      return 0;
    },
  };
}

export const holding = (content: Uint8Array): Shelf =>
  Object.assign(new Shelf(), { segments: [segmentOf(content)] });
