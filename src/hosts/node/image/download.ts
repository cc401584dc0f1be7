/**
 * Getting files from a mirror: in parallel, resumable, verified.
 *
 * A file is known by its SHA-256 before it is asked for. It grows under
 * `partial/<sha256>`; whatever cut it short, the next attempt continues with a
 * Range request. Only a file of the right hash moves into the cache; a wrong
 * one is thrown away, so bad bytes never stay.
 */
import { mkdir, open, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cache, sha256File } from "./cache.ts";
import { hostErrorLine, ImageError } from "./error.ts";
import type { Progress } from "./progress.ts";

export interface Wanted {
  /** Addresses that serve the same content; the later ones are tried when the earlier have not. */
  readonly urls: readonly string[];
  readonly size: number;
  readonly sha256: string;
  /** What messages call it. */
  readonly name: string;
}

const PARALLEL = 6;
const ATTEMPTS = 4;
/** For the first answer of a mirror: a mirror that is down should be known soon. */
const TEXT_ATTEMPTS = 2;
const BACKOFF_MS = 300;
const STALL_MS = 30_000;

/** Brings everything in `list` into the cache. */
export async function download(
  cache: Cache,
  list: readonly Wanted[],
  progress: Progress,
  label: string,
): Promise<void> {
  const missing: Wanted[] = [];
  const seen = new Set<string>();
  for (const item of list) {
    if (seen.has(item.sha256) || (await cache.has(item.sha256, item.size))) continue;
    seen.add(item.sha256);
    missing.push(item);
  }
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, item) => sum + item.size, 0);
  progress.start(label, bytes, "bytes");
  const abort = new AbortController();
  const queue = missing.slice();
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      await fetchOne(cache, item, progress, abort.signal);
    }
  };
  const workers = Array.from({ length: Math.min(PARALLEL, missing.length) }, worker);
  try {
    await Promise.all(workers);
  } catch (e) {
    abort.abort();
    await Promise.allSettled(workers);
    throw e;
  }
  progress.finish();
}

/** A small document of unknown hash (InRelease); undefined when the mirror does not have it. */
export async function fetchText(url: string, limit: number): Promise<string | undefined> {
  let last: unknown;
  for (let attempt = 0; attempt < TEXT_ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(BACKOFF_MS * 2 ** attempt);
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(STALL_MS) });
      if (response.status === 404) return undefined;
      if (!response.ok) throw new ImageError(`${url}: HTTP status ${response.status}`);
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of response.body ?? []) {
        length += chunk.length;
        if (length > limit) throw new ImageError(`${url}: larger than expected`);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString("utf8");
    } catch (e) {
      if (e instanceof ImageError && !/HTTP status 5/.test(e.message)) throw e;
      last = e;
    }
  }
  throw networkError(url, last);
}

async function fetchOne(
  cache: Cache,
  item: Wanted,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const partial = cache.partial(item.sha256);
  await mkdir(dirname(partial), { recursive: true });
  let last: unknown;
  let urlAt = 0;
  let counted = 0;
  const count = (total: number) => {
    progress.advance(total - counted);
    counted = total;
  };
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (signal.aborted) throw new ImageError("stopped");
    if (attempt > 0) await sleep(BACKOFF_MS * 2 ** attempt);
    const url = item.urls[urlAt]!;
    try {
      const had = await sizeOf(partial);
      if (had < item.size) await transfer(url, partial, had, item, count, signal);
      if ((await sha256File(partial)) === item.sha256) {
        count(item.size);
        await cache.adopt(partial, item.sha256);
        return;
      }
      await rm(partial, { force: true });
      count(0);
      last = new ImageError(`${item.name}: wrong SHA-256 from ${url}`);
      if (had === 0 && urlAt === item.urls.length - 1) throw last;
    } catch (e) {
      // fetch wraps its errors, so an errno on the error itself is one of our files
      if (hostErrorLine(e) !== undefined) throw e;
      if (e === last || signal.aborted) throw e;
      last = e;
      if (e instanceof MissingError) {
        if (++urlAt === item.urls.length) throw e;
        attempt--;
      }
    }
  }
  if (last instanceof ImageError) throw last;
  throw networkError(item.urls[urlAt]!, last);
}

class MissingError extends ImageError {}

/** Appends to `partial` from byte `had`; starts over when the server ignores the range. */
async function transfer(
  url: string,
  partial: string,
  had: number,
  item: Wanted,
  count: (total: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(new Error("no data for 30 s")), STALL_MS);
  const response = await fetch(url, {
    headers: had > 0 ? { range: `bytes=${had}-` } : {},
    signal: AbortSignal.any([signal, stall.signal]),
  }).catch((e: unknown) => {
    clearTimeout(timer);
    throw e;
  });
  timer.refresh();
  if (!response.ok) clearTimeout(timer);
  if (response.status === 404) throw new MissingError(`${item.name}: ${url} is not there`);
  if (!response.ok)
    throw new ImageError(`${item.name}: HTTP status ${response.status} from ${url}`);
  let at = response.status === 206 ? had : 0;
  const file = await open(partial, at > 0 ? "r+" : "w");
  try {
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      if (at + chunk.length > item.size) {
        await file.truncate(0);
        throw new ImageError(`${item.name}: larger than the index says, from ${url}`);
      }
      let done = 0;
      while (done < chunk.length) {
        const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done);
        done += bytesWritten;
      }
      at += chunk.length;
      count(at);
    }
  } finally {
    clearTimeout(timer);
    await file.close();
  }
  if (at < item.size) throw new Error("the connection ended early");
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function networkError(url: string, e: unknown): ImageError {
  const cause = e instanceof Error ? (e.cause ?? e) : e;
  const { code, message } = cause as NodeJS.ErrnoException;
  return new ImageError(`cannot reach ${url}: ${code ?? message ?? "network error"}`);
}
