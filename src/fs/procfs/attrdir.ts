/**
 * /proc/PID/attr: what security modules say of a process. There are none, so
 * that each answers EINVAL, as on a Linux whose modules have nothing to say.
 * See proc_pid_attr(5).
 */
import { EINVAL, ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import type { TaskRef } from "./task.ts";

const MODES: ReadonlyMap<string, number> = new Map([
  ["current", 0o666],
  ["prev", 0o444],
  ["exec", 0o666],
  ["fscreate", 0o666],
  ["keycreate", 0o666],
  ["sockcreate", 0o666],
]);

export class AttrDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  child(name: string): ProcNode | Errno {
    const mode = MODES.get(name);
    if (mode === undefined) return ENOENT;
    const key = `${this.key}/${name}`;
    return this.fs.node(key, (k) => new AttrText(this.fs, k, mode, this.#ref));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const name of MODES.keys()) {
      yield { name, type: S_IFREG, key: `${this.key}/${name}`, position: position++ };
    }
  }
}

class AttrText extends ProcText {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, mode: number, ref: TaskRef) {
    super(fs, key, mode);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  text(): Errno {
    return EINVAL;
  }

  override writeText(): number {
    return EINVAL;
  }
}
