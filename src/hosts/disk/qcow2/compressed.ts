/**
 * Compressed clusters: raw deflate or zstd, in a whole number of sectors, so
 * that other bytes may follow. The last few are kept as they come out.
 */
import { EIO, failed } from "../../../abi/errno.ts";
import type { ImageFile } from "../imagefile.ts";
import type { Compression } from "./header.ts";

/** What a host must bring; null if the bytes are damaged. */
export interface Decompressor {
  /** Raw deflate: `from` may be longer than the stream. */
  inflate(from: Uint8Array, maxBytes: number): Uint8Array | null;
  /** One zstd frame, exactly. Absent where the host has none. */
  readonly zstd?: ((from: Uint8Array, maxBytes: number) => Uint8Array | null) | undefined;
}

const KEPT_BYTES = 2 << 20;
const ZSTD_MAGIC = 0xfd2fb528;

export class CompressedClusters {
  readonly #file: ImageFile;
  readonly #clusterBytes: number;
  readonly #compression: Compression;
  readonly #decompressor: Decompressor;
  /** By place in the file, in order of last use. */
  readonly #kept = new Map<number, Uint8Array>();

  constructor(
    file: ImageFile,
    clusterBytes: number,
    compression: Compression,
    decompressor: Decompressor,
  ) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#compression = compression;
    this.#decompressor = decompressor;
  }

  /** Bytes of the cluster whose compressed form is at `at`, from `inCluster` on. */
  read(at: number, length: number, inCluster: number, into: Uint8Array): number {
    const cluster = this.#kept.get(at) ?? this.#expand(at, length);
    if (!cluster) return EIO;
    into.set(cluster.subarray(inCluster, inCluster + into.length));
    return 0;
  }

  #expand(at: number, length: number): Uint8Array | null {
    const bytes = new Uint8Array(length);
    if (failed(this.#file.read(at, bytes))) return null;
    const cluster =
      this.#compression === "deflate"
        ? this.#decompressor.inflate(bytes, this.#clusterBytes)
        : this.#unzstd(bytes);
    if (cluster?.length !== this.#clusterBytes) return null;
    if ((this.#kept.size + 1) * this.#clusterBytes > KEPT_BYTES) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    this.#kept.set(at, cluster);
    return cluster;
  }

  #unzstd(bytes: Uint8Array): Uint8Array | null {
    const length = zstdFrameBytes(bytes);
    if (length === null || !this.#decompressor.zstd) return null;
    return this.#decompressor.zstd(bytes.subarray(0, length), this.#clusterBytes);
  }
}

/** Length of the frame at the start of `bytes`, or null if there is none. See RFC 8878, 3.1.1. */
function zstdFrameBytes(bytes: Uint8Array): number | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) return null;
  const descriptor = bytes[4]!;
  const isSingle = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3]!;
  const size = [isSingle ? 1 : 0, 2, 4, 8][descriptor >>> 6]!;
  let at = 5 + (isSingle ? 0 : 1) + dictionary + size;
  for (;;) {
    if (at + 3 > bytes.length) return null;
    const head = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    const isRepeated = ((head >>> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : head >>> 3);
    if ((head & 1) !== 0) break;
  }
  if ((descriptor & 4) !== 0) at += 4;
  return at <= bytes.length ? at : null;
}
