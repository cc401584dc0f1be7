/**
 * The bundled kernel's files, as they are read: its source, and V8's compiled form of it if an earlier run kept one.
 *
 * They are 5 MB: who started the Worker that is to run them reads them while it comes up.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { buildDirectory } from "./builddir.ts";

export const SUM_BYTES = 4;

export interface KernelFiles {
  /** Where the source is. */
  readonly file: string;
  /** ASCII, as the build makes it. */
  readonly source: ArrayBuffer;
  /** Where the compiled form is to be kept; null where it cannot be. */
  readonly keptAt: string | null;
  readonly compiled: ArrayBuffer | null;
  /** The process runs nothing but vkernel: all of V8's settings are ours. */
  readonly isAlone: boolean;
}

/** `url` is of a file beside the bundle. */
function readKernel(url: string, isAlone: boolean): KernelFiles {
  const file = fileURLToPath(new URL("./kernel.cjs", url));
  const directory = buildDirectory("compiled", file, process.env);
  const zlib = zlibOf(url);
  // Early releases of Node 20 cannot sum.
  const keptAt = directory && "crc32" in zlib ? join(directory, "kernel.v8") : null;
  const compiled = keptAt === null ? null : readCompiled(keptAt, zlib);
  return { file, source: read(file), keptAt, compiled, isAlone };
}

/**
 * Gives a Worker that has just been started the kernel, if there is a bundle. `isAlone` if no WebAssembly ran in this
 * process before, and none but vkernel's will.
 */
export function sendKernel(worker: Worker, isAlone = false): Worker {
  if (import.meta.url.endsWith(".ts")) return worker;
  const files = readKernel(import.meta.url, isAlone);
  // Handed over: of memory that is shared Node.js makes a copy of its own before it makes a string.
  worker.postMessage(files, files.compiled ? [files.source, files.compiled] : [files.source]);
  return worker;
}

/** Loaded when it is needed: it takes a millisecond. */
export const zlibOf = (url: string): typeof import("node:zlib") =>
  createRequire(url)("node:zlib") as typeof import("node:zlib");

function readCompiled(path: string, zlib: typeof import("node:zlib")): ArrayBuffer | null {
  try {
    const bytes = Buffer.from(read(path));
    const data = bytes.subarray(0, -SUM_BYTES);
    const isWhole = bytes.readUInt32LE(data.length) === zlib.crc32(data);
    return isWhole ? bytes.buffer : null;
  } catch {
    return null;
  }
}

function read(path: string): ArrayBuffer {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(new ArrayBuffer(fstatSync(fd).size));
    for (let done = 0; done < bytes.length; ) {
      const n = readSync(fd, bytes, done, bytes.length - done, done);
      if (n === 0) throw new Error(`${path} was cut short`);
      done += n;
    }
    return bytes.buffer;
  } finally {
    closeSync(fd);
  }
}
