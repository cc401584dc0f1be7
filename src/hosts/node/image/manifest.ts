/**
 * What the cache notes of an image: `images/NAME.json`.
 *
 * Apart from the builder, which takes 10 ms to load: who starts a machine from an image wants only its path.
 */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ImageError, isMissing, UsageError } from "./error.ts";

export interface Manifest {
  readonly name: string;
  /** File name below `images/`. */
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
  /** The file's modification time when it was finished: a later one means it was used read-write. */
  readonly mtimeMs: number;
  /** ISO 8601. */
  readonly built: string;
  readonly suite: string;
  readonly codename: string;
  readonly recipe: string;
  readonly include: readonly string[];
  /** Everything that decides the contents, hashed: the same inputs need no new build. */
  readonly inputs: string;
  readonly packages: readonly { name: string; version: string; sha256: string }[];
}

/** An image's name is also a file's name. */
export function checkName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
    throw new UsageError(`${name}: an image's name is made of letters, digits, ".", "_" and "-"`);
  }
}

export const imagesOf = (cacheRoot: string): string => join(cacheRoot, "images");

/** The path of the image `name`; null if there is none. */
export function namedImage(cacheRoot: string, name: string): string | null {
  const images = imagesOf(cacheRoot);
  try {
    checkName(name);
    const text = readFileSync(join(images, `${name}.json`), "utf8");
    const path = join(images, parseManifest(text, name).file);
    return statSync(path, { throwIfNoEntry: false }) ? path : null;
  } catch (e) {
    if (e instanceof ImageError || isMissing(e)) return null;
    throw e;
  }
}

export function parseManifest(text: string, name: string): Manifest {
  try {
    const manifest = JSON.parse(text) as Manifest;
    if (manifest.name === name && isFileOf(name, manifest.file)) return manifest;
  } catch {
    // falls to the error below: a manifest is only ever ours or damaged
  }
  throw new ImageError(`${name}: its manifest is damaged; build the image again`);
}

/** Whether `file` is the name of a file of the image `name`. */
export const isFileOf = (name: string, file: string): boolean =>
  file.startsWith(`${name}-`) && /^[0-9a-f]{12}\.img$/.test(file.slice(name.length + 1));
