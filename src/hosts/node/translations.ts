/**
 * Translations in files: `*.seg` in this build's directory of the cache, a file for each machine that made some.
 *
 * A file appears by rename when it is whole. Everything here may fail without harm: then there are no
 * translations of earlier machines, or none for later ones.
 */
import {
  closeSync,
  fstatSync,
  futimesSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { EIO, ENOSPC } from "../../abi/errno.ts";
import type { TranslationSegment, TranslationStore } from "../../platform/translations.ts";
import { buildDirectory } from "./builddir.ts";

/** Segments that are kept, and their bytes in all: those used longest ago go first. */
const MAX_SEGMENTS = 32;
const MAX_BYTES = 256 << 20;
const DAY_MS = 86_400_000;
/** When a segment was used is known to within this. */
const HOUR_MS = 3_600_000;
const SUFFIX = ".seg";
/** Reads that it takes to know what is in a segment; more mean that something of it was wanted. */
const INDEX_READS = 2;

/** The store for the program that is in `file`; null where there can be none, or no one file tells whether that changed. */
export function openTranslations(
  file: string | null,
  env: NodeJS.ProcessEnv,
): TranslationStore | null {
  if (env["VKERNEL_TRANSLATIONS"] === "off" || file === null) return null;
  try {
    const directory = buildDirectory("translations", file, env);
    return directory === null ? null : new TranslationFiles(directory);
  } catch {
    return null;
  }
}

class SegmentFile implements TranslationSegment {
  readonly path: string;
  readonly sizeBytes: number;
  /** When it was used. */
  readonly #usedMs: number;
  readonly #fd: number;
  #reads = 0;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "r");
    const { size, mtimeMs } = fstatSync(this.#fd);
    this.sizeBytes = size;
    this.#usedMs = mtimeMs;
  }

  read(offset: number, into: Uint8Array): number {
    try {
      for (let done = 0; done < into.length; ) {
        const n = readSync(this.#fd, into, done, into.length - done, offset + done);
        if (n === 0) return EIO;
        done += n;
      }
      this.#reads++;
      return 0;
    } catch {
      return EIO;
    }
  }

  /** No more is read at the time `now`; notes for others that it was used, if it was. */
  close(now: number): void {
    const isUsed = this.#reads > INDEX_READS;
    try {
      // Seconds, and no Date: the first of a thread loads the time zones, which takes milliseconds.
      if (isUsed && now - this.#usedMs > HOUR_MS) futimesSync(this.#fd, now / 1000, now / 1000);
    } catch {
      // It may go sooner, that is all.
    }
    closeSync(this.#fd);
  }
}

class TranslationFiles implements TranslationStore {
  readonly segments: readonly SegmentFile[];
  readonly #directory: string;
  /** Where this machine's segment grows. */
  readonly #aside: string;
  #fd = -1;

  constructor(directory: string) {
    this.#directory = directory;
    // Names sort by age.
    this.#aside = join(directory, `${Date.now()}-${process.pid}-${threadId}.tmp`);
    const names = readdirSync(directory).filter((name) => name.endsWith(SUFFIX));
    names.sort().reverse();
    this.segments = names.flatMap((name) => open(join(directory, name)));
  }

  kept(name: string): Uint8Array<ArrayBuffer> | null {
    try {
      return new Uint8Array(readFileSync(join(this.#directory, name)));
    } catch {
      return null;
    }
  }

  keep(name: string, bytes: Uint8Array): void {
    const aside = `${this.#aside}-${name}`;
    try {
      writeFileSync(aside, bytes, { mode: 0o600, flag: "wx" });
      renameSync(aside, join(this.#directory, name));
    } catch {
      rmSync(aside, { force: true });
    }
  }

  append(bytes: Uint8Array): number {
    try {
      if (this.#fd < 0) this.#fd = openSync(this.#aside, "wx", 0o600);
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#fd, bytes, done, bytes.length - done);
      }
      return 0;
    } catch (e) {
      return (e as NodeJS.ErrnoException).code === "ENOSPC" ? ENOSPC : EIO;
    }
  }

  finish(isWhole: boolean, merged: readonly TranslationSegment[]): void {
    const now = Date.now();
    for (const s of this.segments) s.close(now);
    try {
      if (this.#fd >= 0) {
        closeSync(this.#fd);
        if (isWhole) renameSync(this.#aside, this.#aside.replace(/tmp$/, "seg"));
        else rmSync(this.#aside);
      }
      this.#fd = -1;
      for (const s of this.segments) if (merged.includes(s)) rmSync(s.path, { force: true });
      if (isWhole) this.#prune(now);
    } catch {
      // The next machine finds less, that is all.
    }
  }

  /** Removes the segments used longest ago while there are too many, and what killed machines left. */
  #prune(now: number): void {
    const files = readdirSync(this.#directory)
      .map((name) => join(this.#directory, name))
      .map((path) => ({ path, st: statSync(path) }))
      .sort((a, b) => b.st.mtimeMs - a.st.mtimeMs);
    let bytes = 0;
    let count = 0;
    for (const { path, st } of files) {
      if (path.endsWith(SUFFIX)) {
        bytes += st.size;
        if (++count > MAX_SEGMENTS || bytes > MAX_BYTES) rmSync(path, { force: true });
      } else if (path.endsWith(".tmp") && now - st.mtimeMs > DAY_MS) {
        rmSync(path, { force: true });
      }
    }
  }
}

/** The file, unless it went away meanwhile. */
function open(path: string): SegmentFile[] {
  try {
    return [new SegmentFile(path)];
  } catch {
    return [];
  }
}
