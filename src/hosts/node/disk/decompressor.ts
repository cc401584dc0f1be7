/** Decompression for disk images, by Node's zlib. */
import * as zlib from "node:zlib";
import type { Decompressor } from "../../disk/qcow2/compressed.ts";

export const nodeDecompressor: Decompressor = {
  inflate: (from, maxBytes) =>
    attempt(() =>
      zlib.inflateRawSync(from, {
        maxOutputLength: maxBytes,
        // What follows the stream is not ours to complain of, nor a stream without an end.
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
      }),
    ),
  // Node 20 has none.
  zstd: zlib.zstdDecompressSync
    ? (from, maxBytes) =>
        attempt(() => zlib.zstdDecompressSync(from, { maxOutputLength: maxBytes }))
    : undefined,
};

function attempt(decompress: () => Uint8Array): Uint8Array | null {
  try {
    return decompress();
  } catch {
    return null;
  }
}
