/** Decompression for disk images, by Node's zlib: loaded by the first that needs it, as it takes a millisecond. */
import type { Decompressor } from "../../disk/qcow2/compressed.ts";

const zlib = (): typeof import("node:zlib") => process.getBuiltinModule("node:zlib");

export const nodeDecompressor: Decompressor = {
  inflate: (from, maxBytes) =>
    attempt(() =>
      zlib().inflateRawSync(from, {
        maxOutputLength: maxBytes,
        // What follows the stream is not ours to complain of, nor a stream without an end.
        finishFlush: zlib().constants.Z_SYNC_FLUSH,
      }),
    ),
  get zstd() {
    const { zstdDecompressSync } = zlib();
    // Node 20 has none.
    if (!zstdDecompressSync) return undefined;
    return (from: Uint8Array, maxBytes: number) =>
      attempt(() => zstdDecompressSync(from, { maxOutputLength: maxBytes }));
  },
};

function attempt(decompress: () => Uint8Array): Uint8Array | null {
  try {
    return decompress();
  } catch {
    return null;
  }
}
