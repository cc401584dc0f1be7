/**
 * Translations in files: `$XDG_CACHE_HOME/vkernel/translations/BUILD/*.seg`, a file for each machine that made some.
 *
 * BUILD is what tells one build of this program from another, since another translator's work is of no
 * use. A file appears by rename when it is whole. The directory must be ours alone:
 * what is in it becomes code. Everything here may fail without harm: then there are no
 * translations of earlier machines, or none for later ones.
 */
import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EIO, ENOSPC } from "../../abi/errno.ts";
import type { TranslationSegment, TranslationStore } from "../../platform/translations.ts";
import { cacheRoot } from "./cacheroot.ts";

/** Segments that are kept, and their bytes in all: those used longest ago go first. */
const MAX_SEGMENTS = 32;
const MAX_BYTES = 256 << 20;
const DAY_MS = 86_400_000;
const SUFFIX = ".seg";
/** Reads that it takes to know what is in a segment; more mean that something of it was wanted. */
const INDEX_READS = 2;

/** The store for the program whose Worker is the file at `url`; null where there can be none. */
export function openTranslations(url: string, env: NodeJS.ProcessEnv): TranslationStore | null {
  // Sources run as they are have no one file that tells whether they changed.
  if (env["VKERNEL_TRANSLATIONS"] === "off" || !url.endsWith(".js")) return null;
  try {
    const { size, ctimeMs, ino } = statSync(fileURLToPath(url));
    const build = [size, Math.floor(ctimeMs), ino].map((n) => n.toString(36)).join("-");
    const directory = join(cacheRoot(env), "translations", build);
    if (mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined) {
      forgetOldBuilds(dirname(directory), build);
    }
    return isOurs(directory) ? new TranslationFiles(directory) : null;
  } catch {
    return null;
  }
}

class SegmentFile implements TranslationSegment {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #fd: number;
  reads = 0;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, "r");
    this.sizeBytes = fstatSync(this.#fd).size;
  }

  read(offset: number, into: Uint8Array): number {
    try {
      for (let done = 0; done < into.length; ) {
        const n = readSync(this.#fd, into, done, into.length - done, offset + done);
        if (n === 0) return EIO;
        done += n;
      }
      this.reads++;
      return 0;
    } catch {
      return EIO;
    }
  }

  close(): void {
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
    this.#aside = join(directory, `${process.pid}-${process.hrtime.bigint()}.tmp`);
    const names = readdirSync(directory).filter((name) => name.endsWith(SUFFIX));
    this.segments = names.flatMap((name) => open(join(directory, name)));
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

  finish(isWhole: boolean): void {
    try {
      if (this.#fd >= 0) {
        closeSync(this.#fd);
        if (isWhole) renameSync(this.#aside, this.#aside.replace(/tmp$/, "seg"));
        else rmSync(this.#aside);
      }
      this.#fd = -1;
      for (const s of this.segments) s.close();
      if (isWhole) this.#prune();
    } catch {
      // The next machine finds less, that is all.
    }
  }

  /** Removes the segments used longest ago while there are too many, and what killed machines left. */
  #prune(): void {
    const now = new Date();
    for (const s of this.segments) if (s.reads > INDEX_READS) utimesSync(s.path, now, now);
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
      } else if (now.getTime() - st.mtimeMs > DAY_MS) {
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

/** Nobody else can put anything there. */
function isOurs(directory: string): boolean {
  const st = lstatSync(directory);
  return st.isDirectory() && st.uid === process.getuid?.() && (st.mode & 0o022) === 0;
}

/** What builds left that nobody started for a month. */
function forgetOldBuilds(parent: string, current: string): void {
  for (const name of readdirSync(parent)) {
    const path = join(parent, name);
    if (name !== current && Date.now() - statSync(path).mtimeMs > 30 * DAY_MS) {
      rmSync(path, { recursive: true, force: true });
    }
  }
}
