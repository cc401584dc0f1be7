/**
 * /proc/PID/map_files: the files that a process has mapped, by address range. The links lead to
 * the very files, for who may restore processes. See proc_pid_map_files(5).
 */
import { EACCES, ENOENT, EPERM, type Errno } from "../../abi/errno.ts";
import { S_IFLNK } from "../../abi/stat.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { File } from "../../vfs/file.ts";
import { pathString } from "../../vfs/namei.ts";
import type { Path } from "../../vfs/path.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { type Owner, ProcDir, type ProcEntry, ProcLink, type ProcNode } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type TaskRef } from "./task.ts";
import { vmspaceOf } from "./taskstat.ts";

/** The file that the map which is exactly [start, end) shows. */
function mappedFile(ref: TaskRef, start: number, end: number): File | null {
  const task = ref.get();
  const entry = (task && vmspaceOf(task.proc))?.entries.find(start);
  if (!entry || entry.start !== start || entry.end !== end) return null;
  return entry.file instanceof File && entry.file.path ? entry.file : null;
}

export class MapFilesDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, 0o500);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  override mayList(): number {
    const task = this.#ref.get();
    return task && mayInspect(this.fs.caller, task) ? 0 : EACCES;
  }

  child(name: string): ProcNode | Errno {
    const m = /^(0|[1-9a-f][\da-f]{0,12})-([1-9a-f][\da-f]{0,12})$/.exec(name);
    if (!m) return ENOENT;
    const [start, end] = [Number.parseInt(m[1]!, 16), Number.parseInt(m[2]!, 16)];
    if (!mappedFile(this.#ref, start, end)) return ENOENT;
    return this.fs.node(
      `${this.key}/${name}`,
      (key) => new MapLink(this.fs, key, this.#ref, start, end),
    );
  }

  *entries(): Iterable<ProcEntry> {
    const task = this.#ref.get();
    for (const e of (task && vmspaceOf(task.proc))?.entries ?? []) {
      if (!mappedFile(this.#ref, e.start, e.end)) continue;
      const name = `${e.start.toString(16)}-${e.end.toString(16)}`;
      const position = 2 + e.start / PAGE_SIZE;
      yield { name, type: S_IFLNK, key: `${this.key}/${name}`, position };
    }
  }
}

class MapLink extends ProcLink {
  readonly #ref: TaskRef;
  readonly #start: number;
  readonly #end: number;

  constructor(fs: ProcFs, key: string, ref: TaskRef, start: number, end: number) {
    super(fs, key);
    this.#ref = ref;
    this.#start = start;
    this.#end = end;
  }

  override owner(): Owner | null {
    return mappedFile(this.#ref, this.#start, this.#end) ? this.#ref.owner() : null;
  }

  /** How the file was opened, whatever the map lets be done. */
  override permissions(): number {
    const file = mappedFile(this.#ref, this.#start, this.#end);
    return (file?.isReadable ? 0o400 : 0) | (file?.isWritable ? 0o200 : 0);
  }

  override readlink(): string | Errno {
    const path = this.#place();
    if (typeof path === "number") return path;
    const root = this.fs.caller?.fs.root;
    return root ? pathString(root, path) : ENOENT;
  }

  override followLink(td: Lwp | null): Path | Errno {
    const cred = td?.cred;
    const may = cred?.hasCap(CAP_SYS_ADMIN) || cred?.hasCap(CAP_CHECKPOINT_RESTORE);
    return may ? this.#place() : EPERM;
  }

  #place(): Path | Errno {
    const task = this.#ref.get();
    if (!task) return ENOENT;
    if (!mayInspect(this.fs.caller, task)) return EACCES;
    return mappedFile(this.#ref, this.#start, this.#end)?.path ?? ENOENT;
  }
}
