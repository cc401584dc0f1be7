/**
 * A suite of a Debian archive, seen through a mirror and the cache.
 *
 * The chain is InRelease (signature) → Packages (hash) → .deb (hash). Without
 * a network the last verified InRelease of that mirror stands in, and is
 * verified again.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Cache, sha256File, writeAtomically } from "./cache.ts";
import { decompress } from "./decompress.ts";
import { download, fetchText, type Wanted } from "./download.ts";
import { ImageError } from "./error.ts";
import { type Package, PackageIndex } from "./packages.ts";
import type { Progress } from "./progress.ts";
import { parseRelease, type Release, verifySignature } from "./release.ts";

export const ARCHITECTURE = "riscv64";
const COMPONENT = "main";
const MAX_INRELEASE_BYTES = 4 << 20;

export interface ArchiveOptions {
  readonly mirrors: readonly string[];
  readonly suite: string;
  readonly keyring: string;
  readonly cache: Cache;
  readonly progress: Progress;
}

export class Archive {
  readonly #options: ArchiveOptions;
  readonly mirror: string;
  readonly release: Release;

  private constructor(options: ArchiveOptions, mirror: string, release: Release) {
    this.#options = options;
    this.mirror = mirror;
    this.release = release;
  }

  /** Opens the suite on the first mirror that has it. */
  static async open(options: ArchiveOptions): Promise<Archive> {
    const { suite } = options;
    if (!/^[a-z0-9][a-z0-9.+-]*$/.test(suite)) throw new ImageError(`${suite}: not a suite's name`);
    let first: ImageError | undefined;
    for (const mirror of options.mirrors) {
      try {
        const text = await inRelease(options, mirror);
        if (text === undefined) {
          first ??= new ImageError(`${mirror} has no suite "${suite}"`);
          continue;
        }
        return new Archive(options, mirror, parseRelease(text, suite));
      } catch (e) {
        if (!(e instanceof ImageError)) throw e;
        first ??= e;
      }
    }
    throw first ?? new ImageError("no Debian mirror known");
  }

  /** The suite's packages. */
  async packages(): Promise<PackageIndex> {
    const { cache, progress, suite } = this.#options;
    const base = `${COMPONENT}/binary-${ARCHITECTURE}`;
    const plain = this.release.files.get(`${base}/Packages`);
    const packed =
      this.release.files.get(`${base}/Packages.xz`) ??
      this.release.files.get(`${base}/Packages.gz`);
    if (plain === undefined || packed === undefined) {
      throw new ImageError(`${this.mirror}: suite "${suite}" has no ${base}/Packages`);
    }
    if (!(await cache.has(plain.sha256, plain.size))) {
      const dists = `${this.mirror}/dists/${suite}`;
      const byHash = `${dists}/${base}/by-hash/SHA256/${packed.sha256}`;
      const urls = [...(this.release.hasByHash ? [byHash] : []), `${dists}/${packed.path}`];
      const name = `${suite} package index`;
      await download(cache, [{ ...packed, urls, name }], progress, "fetching the package index");
      await verified(cache, packed.sha256, packed.path);
      await this.#unpackIndex(packed.sha256, packed.path, plain.sha256, plain.size);
    }
    await verified(cache, plain.sha256, plain.path);
    return new PackageIndex(await readFile(cache.object(plain.sha256), "utf8"));
  }

  /** Brings the .debs of `packages` into the cache. */
  async fetch(packages: readonly Package[]): Promise<void> {
    const wanted = packages.map(
      (p): Wanted => ({
        urls: [`${this.mirror}/${encodeURI(p.filename)}`],
        size: p.size,
        sha256: p.sha256,
        name: p.name,
      }),
    );
    await download(this.#options.cache, wanted, this.#options.progress, "fetching packages");
  }

  async #unpackIndex(packed: string, path: string, sha256: string, size: number): Promise<void> {
    const { cache } = this.#options;
    const partial = cache.partial(sha256);
    await mkdir(dirname(partial), { recursive: true });
    const file = await open(partial, "w");
    const hash = createHash("sha256");
    let length = 0;
    try {
      const source = createReadStream(cache.object(packed), { highWaterMark: 1 << 18 });
      for await (const chunk of decompress(source, path)) {
        length += chunk.length;
        if (length > size) break;
        hash.update(chunk);
        await file.write(chunk);
      }
    } finally {
      await file.close();
    }
    if (length !== size || hash.digest("hex") !== sha256) {
      await rm(partial, { force: true });
      throw new ImageError(`${path}: its contents do not have the hash that the release names`);
    }
    await cache.adopt(partial, sha256);
    await rm(cache.object(packed), { force: true });
  }
}

/** Checks what is in the cache once more before it is used; a damaged object is dropped. */
export async function verified(cache: Cache, sha256: string, name: string): Promise<void> {
  if ((await sha256File(cache.object(sha256))) === sha256) return;
  await rm(cache.object(sha256), { force: true });
  throw new ImageError(`${name}: damaged in the cache and removed; build again to fetch it anew`);
}

async function inRelease(options: ArchiveOptions, mirror: string): Promise<string | undefined> {
  const { cache, suite, keyring, progress } = options;
  const url = `${mirror}/dists/${suite}/InRelease`;
  const stored = cache.release(
    createHash("sha256").update(`${mirror} ${suite}`).digest("hex").slice(0, 32),
  );
  let text: string | undefined;
  try {
    text = await fetchText(url, MAX_INRELEASE_BYTES);
  } catch (e) {
    text = await readFile(stored, "utf8").catch(() => undefined);
    if (text === undefined) throw e;
    progress.note(`${(e as Error).message}; using the package lists of the last build`);
  }
  if (text === undefined) return undefined;
  const signed = await verifySignature(text, keyring, url);
  await writeAtomically(stored, text);
  return signed;
}
