/**
 * /proc/PID/cwd, exe and root: links that lead to the very place, whatever its
 * name is by now. See proc(5) on magic links.
 */
import { EACCES, ENOENT, type Errno } from "../../abi/errno.ts";
import type { Thread } from "../../kern/thread.ts";
import { pathString } from "../../vfs/namei.ts";
import type { Path } from "../../vfs/path.ts";
import { type Owner, ProcLink } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type TaskRef } from "./task.ts";

export const placeNames: readonly string[] = ["cwd", "exe", "root"];

export class PlaceLink extends ProcLink {
  readonly #ref: TaskRef;
  readonly #name: string;

  constructor(fs: ProcFs, key: string, ref: TaskRef, name: string) {
    super(fs, key);
    this.#ref = ref;
    this.#name = name;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  override readlink(): string | Errno {
    const place = this.#place();
    if ("number" === typeof place) return place;
    const root = this.fs.caller?.proc.fs.root ?? place;
    return pathString(root, place);
  }

  override followLink(_td: Thread | null): Path | Errno {
    return this.#place();
  }

  #place(): Path | Errno {
    const task = this.#ref.get();
    if (!task) return ENOENT;
    if (!mayInspect(this.fs.caller, task)) return EACCES;
    const { proc } = task;
    if (proc.state !== "alive") return ENOENT;
    if (this.#name === "exe") return proc.exe ?? ENOENT;
    return this.#name === "cwd" ? proc.fs.cwd : proc.fs.root;
  }
}
