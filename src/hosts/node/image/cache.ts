/**
 * The builder's cache: `$XDG_CACHE_HOME/vkernel`.
 *
 *   sha256/ab/abcd…   what was downloaded, under the hash it was verified to have
 *   partial/abcd…     downloads under way, resumed by the next build
 *   release/          the last verified InRelease of each mirror and suite
 *   images/           finished images; NAME.json names the file that is current
 *   building/         the image that is being made
 *   lock              the builder that is at work
 *
 * Everything appears by rename when it is whole, so a kill at any moment
 * leaves nothing half-made under a final name.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isMissing } from "./error.ts";
import { imagesOf } from "./manifest.ts";

export class Cache {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where finished content with this hash lives. */
  object(sha256: string): string {
    return join(this.root, "sha256", sha256.slice(0, 2), sha256);
  }

  partial(sha256: string): string {
    return join(this.root, "partial", sha256);
  }

  release(key: string): string {
    return join(this.root, "release", key);
  }

  get images(): string {
    return imagesOf(this.root);
  }

  get building(): string {
    return join(this.root, "building");
  }

  get lock(): string {
    return join(this.root, "lock");
  }

  /** Whether content of this hash and size is there; the hash itself is checked by who reads it. */
  async has(sha256: string, size: number): Promise<boolean> {
    try {
      return (await stat(this.object(sha256))).size === size;
    } catch {
      return false;
    }
  }

  /** Moves the verified file `from` to its place. */
  async adopt(from: string, sha256: string): Promise<void> {
    const to = this.object(sha256);
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }

  /** Every object: its hash and path. */
  async objects(): Promise<{ sha256: string; path: string }[]> {
    const out: { sha256: string; path: string }[] = [];
    for (const prefix of await names(join(this.root, "sha256"))) {
      for (const sha256 of await names(join(this.root, "sha256", prefix))) {
        out.push({ sha256, path: this.object(sha256) });
      }
    }
    return out;
  }
}

/** The SHA-256 of a file, in hexadecimal. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest("hex");
}

/** Writes a small file whole or not at all. */
export async function writeAtomically(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, "w");
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (e) {
    await rm(temporary, { force: true });
    throw e;
  }
}

/** What is in a directory, sorted; nothing if it is not there. */
export async function names(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (e) {
    if (!isMissing(e)) throw e;
    return [];
  }
}
