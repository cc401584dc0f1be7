/**
 * Python's library as bytecode, compiled by the image's own Python in a guest.
 *
 * Debian's python3 compiles its library when it is installed; an image without
 * that compiles what it imports at every start, which costs many seconds. The
 * bytecode records its source's time and size, both kept by the image, so what
 * one guest compiled is valid in every image with the same packages.
 * Source: PEP 3147, compileall in Python's documentation.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Assembly } from "./assembly.ts";
import { ImageError } from "./error.ts";
import type { Package } from "./packages.ts";
import { readTar, type TarEntry } from "./tar.ts";

/** Compiles into a memory file system and writes it as a tar to stdout. */
const SCRIPT =
  "PYTHONPYCACHEPREFIX=/tmp/pyc python3 -m compileall -q " +
  "-x '/(test|idlelib|turtledemo|tkinter)/' /usr/lib/python3.* >/dev/null 2>&1; " +
  "cd /tmp/pyc && exec tar -cf - .";
const MODULE = /^(?:\.\/)?(usr\/lib\/python3[\w.]*\/(?:[\w.-]+\/)*)([\w-]+\.cpython-\d+\.pyc)$/;
const MIN_BYTES = 1 << 20;

export const hasPython = (packages: readonly Package[]): boolean =>
  packages.some((p) => p.name === "python3");

/** A name for the library of these packages' Python. */
export function pythonKey(packages: readonly Package[]): string {
  const hash = createHash("sha256");
  for (const p of packages)
    if (/^libpython3.*-(stdlib|minimal)$/.test(p.name)) hash.update(p.sha256);
  return hash.digest("hex").slice(0, 32);
}

/** Has the Python of `image` compile its library; the result is the tar `to`, whole or not at all. */
export async function compilePython(
  guest: readonly string[],
  image: string,
  to: string,
): Promise<void> {
  const [program, ...words] = guest;
  const temporary = `${to}.${process.pid}.tmp`;
  await mkdir(dirname(to), { recursive: true });
  try {
    const child = spawn(program!, [...words, image, "--", "sh", "-c", SCRIPT], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const ended = new Promise<number | null>((done, fail) => {
      child.on("error", fail);
      child.on("close", done);
    });
    await pipeline(child.stdout, createWriteStream(temporary));
    const status = await ended;
    if (status !== 0 || (await stat(temporary)).size < MIN_BYTES) {
      throw new ImageError(`Python's library could not be compiled (guest status ${status})`);
    }
    await rename(temporary, to);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Puts the modules of the tar into the `__pycache__` directories of the image. */
export async function addCompiled(assembly: Assembly, path: string): Promise<void> {
  await assembly.unpack(modules(path, assembly.time), new Set());
}

async function* modules(path: string, mtime: number): AsyncGenerator<TarEntry> {
  for await (const entry of readTar(createReadStream(path))) {
    const m = MODULE.exec(entry.path);
    if (m === null || entry.type !== "file") continue;
    yield { ...entry, path: `${m[1]}__pycache__/${m[2]}`, uid: 0, gid: 0, mode: 0o644, mtime };
  }
}
