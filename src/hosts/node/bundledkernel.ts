/**
 * The kernel as the build bundles it, one script, and V8's compiled form of that kept from run to run.
 *
 * Some 300 modules take 50 ms longer to load one by one. And Node's own cache of compiled modules has only what V8
 * compiles at once, which is the outermost level: some 2,400 functions were compiled at each start, for 25 ms. Ours is
 * made when a machine has ended, of all that ran. V8 checks that it was made of this source, with these settings,
 * by this V8, but not that it is whole: its last four bytes are a checksum. Nobody else can write there (builddir.ts).
 */
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import zlib from "node:zlib";
import { buildDirectory } from "./builddir.ts";
import type { runMachine } from "./runmachine.ts";

/** What CommonJS gives a module. */
type ModuleFunction = (require: NodeJS.Require, module: { exports: unknown }) => void;

/** A form that knows this much more than the last is worth writing. */
const WORTHWHILE = 1.1;
/** A run that took so long does not feel what it takes to find out. */
const SETTLED_MS = 1000;
const SUM_BYTES = 4;
/** How long it is not asked again after it was in vain: asking takes 15 ms. */
const AGAIN_MS = 600_000;

/** What was asked for in vain a while ago. */
const isRecent = (asked: string): boolean => {
  const st = statSync(asked, { throwIfNoEntry: false });
  return st !== undefined && Math.abs(Date.now() - st.mtimeMs) < AGAIN_MS;
};

export class BundledKernel {
  readonly file: string;
  readonly #compiled: string | null;
  #script: Script | null = null;
  #keptBytes = 0;

  /** `url` is of a module beside the bundle. */
  constructor(url: string) {
    this.file = fileURLToPath(new URL("./kernel.cjs", url));
    const directory = buildDirectory("compiled", this.file, process.env);
    // Early releases of Node 20 cannot sum.
    this.#compiled = directory && "crc32" in zlib ? join(directory, "kernel.v8") : null;
  }

  load(): { runMachine: typeof runMachine } {
    const source = `(function (require, module) {\n${readFileSync(this.file, "utf8")}\n})`;
    const cachedData = this.#kept();
    const options = { filename: this.file, lineOffset: -1 };
    const script = new Script(source, cachedData ? { ...options, cachedData } : options);
    if (cachedData && !script.cachedDataRejected) this.#keptBytes = cachedData.length;
    this.#script = script;
    const module = { exports: {} };
    (script.runInThisContext() as ModuleFunction)(createRequire(this.file), module);
    return module.exports as { runMachine: typeof runMachine };
  }

  /** Keeps what was compiled for the next run, if that is much more than it found. */
  keep(): void {
    if (this.#compiled === null || this.#script === null) return;
    // Asking takes as long as writing: runs that only repeat others should not.
    if (this.#keptBytes > 0 && performance.now() < SETTLED_MS) return;
    const asked = `${this.#compiled}.asked`;
    try {
      if (this.#keptBytes > 0 && isRecent(asked)) return;
      const data = this.#script.createCachedData();
      if (data.length < this.#keptBytes * WORTHWHILE) {
        writeFileSync(asked, "");
        return;
      }
      const aside = `${this.#compiled}.${process.pid}.tmp`;
      const sum = Buffer.alloc(SUM_BYTES);
      sum.writeUInt32LE(zlib.crc32(data));
      writeFileSync(aside, Buffer.concat([data, sum]), { mode: 0o600 });
      renameSync(aside, this.#compiled);
    } catch {
      // The next start takes longer, that is all.
    }
  }

  #kept(): Buffer | undefined {
    if (this.#compiled === null) return undefined;
    try {
      const bytes = readFileSync(this.#compiled);
      const data = bytes.subarray(0, -SUM_BYTES);
      return bytes.readUInt32LE(data.length) === zlib.crc32(data) ? data : undefined;
    } catch {
      return undefined;
    }
  }
}
