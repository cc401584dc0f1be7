/**
 * The kernel as the build bundles it, one script, and V8's compiled form of that kept from run to run.
 *
 * Some 300 modules take 50 ms longer to load one by one. And Node's own cache of compiled modules has only what V8
 * compiles at once, which is the outermost level: some 2,400 functions were compiled at each start, for 25 ms. Ours is
 * made when a machine has ended, of all that ran. V8 checks that it was made of this source, with these settings,
 * by this V8, but not that it is whole: its last four bytes are a checksum. Nobody else can write there (builddir.ts).
 */
import { renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Script } from "node:vm";
import { type KernelFiles, SUM_BYTES, zlibOf } from "./kernelfiles.ts";
import type { runMachine } from "./runmachine.ts";

/** What CommonJS gives a module: the build makes the bundle one of these. */
type ModuleFunction = (require: NodeJS.Require, module: { exports: unknown }) => void;

/** A form that knows this much more than the last is worth writing. */
const WORTHWHILE = 1.1;
/** A run that took so long does not feel what it takes to find out. */
const SETTLED_MS = 1000;
/** How long it is not asked again after it was in vain: asking takes 15 ms. */
const AGAIN_MS = 600_000;

/** What was asked for in vain a while ago. */
const isRecent = (asked: string): boolean => {
  const st = statSync(asked, { throwIfNoEntry: false });
  return st !== undefined && Math.abs(Date.now() - st.mtimeMs) < AGAIN_MS;
};

export class BundledKernel {
  readonly file: string;
  readonly #keptAt: string | null;
  readonly #script: Script;
  readonly #keptBytes: number;

  constructor({ file, source, keptAt, compiled }: KernelFiles) {
    this.file = file;
    this.#keptAt = keptAt;
    const filename = file;
    const cachedData = compiled ? Buffer.from(compiled, 0, compiled.byteLength - SUM_BYTES) : null;
    const text = Buffer.from(source).toString("latin1");
    this.#script = new Script(text, cachedData ? { filename, cachedData } : { filename });
    const isTaken = cachedData !== null && !this.#script.cachedDataRejected;
    this.#keptBytes = isTaken ? cachedData.length : 0;
  }

  load(): { runMachine: typeof runMachine } {
    const module = { exports: {} };
    (this.#script.runInThisContext() as ModuleFunction)(createRequire(this.file), module);
    return module.exports as { runMachine: typeof runMachine };
  }

  /** Keeps what was compiled for the next run, if that is much more than it found. */
  keep(): void {
    if (this.#keptAt === null) return;
    // Asking takes as long as writing: runs that only repeat others should not.
    if (this.#keptBytes > 0 && performance.now() < SETTLED_MS) return;
    const asked = `${this.#keptAt}.asked`;
    try {
      if (this.#keptBytes > 0 && isRecent(asked)) return;
      const data = this.#script.createCachedData();
      if (data.length < this.#keptBytes * WORTHWHILE) {
        writeFileSync(asked, "");
        return;
      }
      const aside = `${this.#keptAt}.${process.pid}.tmp`;
      const sum = Buffer.alloc(SUM_BYTES);
      sum.writeUInt32LE(zlibOf(this.file).crc32(data));
      writeFileSync(aside, Buffer.concat([data, sum]), { mode: 0o600 });
      renameSync(aside, this.#keptAt);
    } catch {
      // The next start takes longer, that is all.
    }
  }
}
