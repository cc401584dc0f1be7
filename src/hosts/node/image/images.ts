/**
 * The finished images of a cache.
 *
 * `images/NAME.json` is the manifest and names the image file, `NAME-<hash>.img`;
 * replacing the manifest by rename is the one moment in which a new image
 * takes the place of the old.
 */
import { spawn } from "node:child_process";
import { mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Cache, names, sha256File, writeAtomically } from "./cache.ts";
import { ImageError, isMissing } from "./error.ts";
import { checkName, isFileOf, type Manifest, parseManifest } from "./manifest.ts";

/** The manifest of `name`, or undefined if there is no such image. */
export async function findImage(cache: Cache, name: string): Promise<Manifest | undefined> {
  checkName(name);
  let text: string;
  try {
    text = await readFile(join(cache.images, `${name}.json`), "utf8");
  } catch (e) {
    if (!isMissing(e)) throw e;
    return undefined;
  }
  return parseManifest(text, name);
}

export function imagePath(cache: Cache, manifest: Manifest): string {
  return join(cache.images, manifest.file);
}

/** All images, sorted by name. */
export async function listImages(cache: Cache): Promise<Manifest[]> {
  const out: Manifest[] = [];
  for (const file of await names(cache.images)) {
    if (!file.endsWith(".json")) continue;
    const manifest = await findImage(cache, file.slice(0, -".json".length)).catch(() => undefined);
    if (manifest !== undefined) out.push(manifest);
  }
  return out;
}

/** Makes the image file `temporary` the image `manifest.name`; the older file goes. */
export async function publishImage(
  cache: Cache,
  temporary: string,
  manifest: Manifest,
): Promise<string> {
  await mkdir(cache.images, { recursive: true });
  const path = imagePath(cache, manifest);
  await rename(temporary, path);
  await writeAtomically(
    join(cache.images, `${manifest.name}.json`),
    `${JSON.stringify(manifest, null, 1)}\n`,
  );
  for (const file of await names(cache.images)) {
    if (isFileOf(manifest.name, file) && file !== manifest.file) {
      await rm(join(cache.images, file), { force: true });
    }
  }
  return path;
}

/** Removes an image and its manifest. */
export async function removeImage(cache: Cache, name: string): Promise<void> {
  const manifest = await findImage(cache, name);
  if (manifest === undefined) throw new ImageError(`${name}: no such image`);
  await rm(join(cache.images, `${name}.json`), { force: true });
  for (const file of await names(cache.images)) {
    if (isFileOf(name, file)) await rm(join(cache.images, file), { force: true });
  }
}

/** Whether an image's file is still as it was built, as far as its size and time tell. */
export async function imageState(
  cache: Cache,
  manifest: Manifest,
): Promise<"intact" | "changed" | "gone"> {
  const found = await stat(imagePath(cache, manifest)).catch(() => undefined);
  if (found === undefined) return "gone";
  const isSame = found.size === manifest.size && found.mtimeMs === manifest.mtimeMs;
  return isSame ? "intact" : "changed";
}

/** What is wrong with an image, a line each; empty if all is well. */
export async function verifyImage(cache: Cache, manifest: Manifest): Promise<string[]> {
  const path = imagePath(cache, manifest);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return [`${manifest.name}: ${path} is gone`];
  const problems: string[] = [];
  if (found.size !== manifest.size || (await sha256File(path)) !== manifest.sha256) {
    problems.push(`${manifest.name}: changed since it was built (used read-write?)`);
  }
  const complaint = await e2fsck(path);
  if (complaint !== undefined) problems.push(`${manifest.name}: e2fsck: ${complaint}`);
  for (const p of manifest.packages) {
    const deb = cache.object(p.sha256);
    if ((await stat(deb).catch(() => undefined)) === undefined) continue;
    if ((await sha256File(deb)) !== p.sha256)
      problems.push(`${p.name}: damaged in the cache: ${deb}`);
  }
  return problems;
}

/** The first complaint of `e2fsck -fn`; undefined if there is none, or no e2fsck. */
function e2fsck(path: string): Promise<string | undefined> {
  return new Promise((done) => {
    const env = { ...process.env, LC_ALL: "C", PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
    const child = spawn("e2fsck", ["-fn", path], { env, stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out = (out + chunk.toString("utf8")).slice(0, 4096);
    });
    child.on("error", () => done(undefined));
    child.on("close", (status) => {
      const lines = out.split("\n").filter((line) => line !== "" && !/^Pass \d/.test(line));
      done(status === 0 ? undefined : (lines[0] ?? `status ${status}`));
    });
  });
}
