/**
 * For programs that need an image to boot: the path of one, built if it is not there.
 */

import { stat } from "node:fs/promises";
import { cacheRoot } from "../cacheroot.ts";
import { buildImage } from "./build.ts";
import { Cache } from "./cache.ts";
import { findImage, imagePath } from "./images.ts";
import { type Progress, silent } from "./progress.ts";

const LOCK_WAIT_MS = 600_000;

export interface EnsureOptions {
  readonly progress?: Progress;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The path of the image `name`; a recipe's image is built when it is missing.
 *
 * An image that exists is taken as it is, without asking the network. Throws
 * an ImageError with one clear line when it cannot be had.
 */
export async function ensureImage(name: string, options: EnsureOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const cache = new Cache(cacheRoot(env));
  const present = await findImage(cache, name).catch(() => undefined);
  if (present !== undefined) {
    const path = imagePath(cache, present);
    if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  }
  const progress = options.progress ?? silent;
  const manifest = await buildImage({ name, env, cache, progress, lockWaitMs: LOCK_WAIT_MS });
  return imagePath(cache, manifest);
}
