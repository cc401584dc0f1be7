/**
 * Decompression as a stream: xz by the host's xz program, gzip by Node.
 *
 * The kind is told by the name's extension, as in .deb members and indexes.
 */
import { spawn } from "node:child_process";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { ImageError } from "./error.ts";

/** The decompressed bytes of `source`; `name` ends in .xz, .gz or neither. */
export async function* decompress(source: Readable, name: string): AsyncGenerator<Uint8Array> {
  if (name.endsWith(".xz")) {
    yield* xz(source, name);
  } else if (name.endsWith(".gz")) {
    const filter = createGunzip();
    source.on("error", (e) => filter.destroy(e));
    try {
      yield* source.pipe(filter) as AsyncIterable<Uint8Array>;
    } catch (e) {
      throw new ImageError(`${name}: cannot be decompressed: ${(e as Error).message}`);
    }
  } else {
    yield* source as AsyncIterable<Uint8Array>;
  }
}

async function* xz(source: Readable, name: string): AsyncGenerator<Uint8Array> {
  const child = spawn("xz", ["--decompress", "--stdout", "--quiet"], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaint = "";
  const ended = new Promise<number | null>((done, fail) => {
    child.on("error", () => fail(new ImageError("xz is missing: install the package xz-utils")));
    child.on("close", done);
  });
  ended.catch(() => {});
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString("utf8")).slice(0, 200);
  });
  child.stdin.on("error", () => {});
  source.on("error", () => child.kill());
  source.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const status = await ended;
    if (status !== 0) {
      const reason = complaint.trim().split("\n")[0] || `xz ended with status ${status}`;
      throw new ImageError(`${name}: cannot be decompressed: ${reason}`);
    }
  } finally {
    child.kill();
  }
}
