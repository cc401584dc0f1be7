/**
 * /proc/PID and /proc/PID/task/TID: the directory of one process or thread.
 */
import { EACCES, ENOENT, EPERM, type Errno, ESRCH } from "../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY } from "../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Proc } from "../../proc/proc.ts";
import { AttrDir } from "./attrdir.ts";
import { FdDir, FdInfoDir } from "./fddir.ts";
import { MapFilesDir } from "./mapfiles.ts";
import { MemNode } from "./memnode.ts";
import { NetDir } from "./netdir.ts";
import {
  type Announced,
  type Owner,
  ProcDir,
  type ProcEntry,
  type ProcNode,
  ProcText,
} from "./node.ts";
import { NsDir } from "./nsdir.ts";
import { HIDEPID_NO_ACCESS } from "./options.ts";
import { PagemapNode } from "./pagemap.ts";
import { PlaceLink, placeNames } from "./placelink.ts";
import type { ProcFs } from "./procfs.ts";
import { mayInspect, type TaskRef } from "./task.ts";
import { TaskDir } from "./taskdir.ts";
import { type TaskText, taskTexts } from "./tasktexts.ts";
import type { TextPiece } from "./textpiece.ts";

const MEM = "mem";
const PAGEMAP = "pagemap";

const ofProcessAlone: readonly string[] = ["map_files", "task"];

type MakeDir = (fs: ProcFs, key: string, ref: TaskRef) => ProcDir;

const directories: ReadonlyMap<string, MakeDir> = new Map<string, MakeDir>([
  ["attr", (fs, key, ref) => new AttrDir(fs, key, ref)],
  ["fd", (fs, key, ref) => new FdDir(fs, key, ref)],
  ["map_files", (fs, key, ref) => new MapFilesDir(fs, key, ref)],
  ["fdinfo", (fs, key, ref) => new FdInfoDir(fs, key, ref)],
  ["net", (fs, key, ref) => new NetDir(fs, key, ref)],
  ["ns", (fs, key, ref) => new NsDir(fs, key, ref)],
  ["task", (fs, key, ref) => new TaskDir(fs, key, ref)],
]);

export class PidDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  override mayList(): number {
    if (this.fs.shows(this.#ref, HIDEPID_NO_ACCESS)) return 0;
    return this.fs.options.hidepid === HIDEPID_NO_ACCESS ? EPERM : ENOENT;
  }

  /** The process, for pidfd_send_signal(2); null once it is gone. */
  get process(): Proc | null {
    return this.#ref.get()?.proc ?? null;
  }

  child(name: string): ProcNode | Errno {
    const key = `${this.key}/${name}`;
    const ref = this.#ref;
    const text = taskTexts.get(name);
    if (text && this.#has(text)) {
      return this.fs.node(key, (k) => new TaskTextNode(this.fs, k, ref, text));
    }
    const makeDir = this.#hasDir(name) ? directories.get(name) : undefined;
    if (makeDir) return this.fs.node(key, (k) => makeDir(this.fs, k, ref));
    if (name === MEM) return this.fs.node(key, (k) => new MemNode(this.fs, k, ref));
    if (name === PAGEMAP) return this.fs.node(key, (k) => new PagemapNode(this.fs, k, ref));
    if (!placeNames.includes(name)) return ENOENT;
    return this.fs.node(key, (k) => new PlaceLink(this.fs, k, ref, name));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    const entry = (name: string, type: number): ProcEntry => ({
      name,
      type,
      key: `${this.key}/${name}`,
      position: position++,
    });
    for (const name of directories.keys()) if (this.#hasDir(name)) yield entry(name, S_IFDIR);
    for (const name of placeNames) yield entry(name, S_IFLNK);
    yield entry(MEM, S_IFREG);
    yield entry(PAGEMAP, S_IFREG);
    for (const [name, text] of taskTexts) if (this.#has(text)) yield entry(name, S_IFREG);
  }

  #has(text: TaskText): boolean {
    return this.#ref.tid === 0 ? text.isThreadsAlone !== true : text.isPerThread;
  }

  /** Threads have no threads of their own, nor memory. */
  #hasDir(name: string): boolean {
    return !ofProcessAlone.includes(name) || this.#ref.tid === 0;
  }
}

class TaskTextNode extends ProcText {
  readonly #ref: TaskRef;
  readonly #def: TaskText;

  constructor(fs: ProcFs, key: string, ref: TaskRef, def: TaskText) {
    super(fs, key, def.mode);
    this.#ref = ref;
    this.#def = def;
  }

  override owner(): Owner | null {
    return this.#ref.owner();
  }

  override mayOpen(td: Thread, flags: number): number {
    const task = this.#ref.get();
    if (!task) return ESRCH;
    if (this.#def.isGuarded && !mayInspect(td as Lwp, task)) return EACCES;
    const isWriting = (flags & O_ACCMODE) !== O_RDONLY;
    return isWriting ? (this.#def.mayWrite?.(task, td as Lwp) ?? 0) : 0;
  }

  text(td: Thread, cursor: number): string | TextPiece | Errno {
    const task = this.#ref.get();
    return task ? this.#def.text(task, td as Lwp, cursor, this.fs.pidns) : ESRCH;
  }

  override writeText(td: Thread, text: string, opener: Cred): number {
    const task = this.#ref.get();
    if (!task) return ESRCH;
    // They read C strings: runc ends its numbers with a 0.
    const end = text.indexOf("\0");
    const words = end < 0 ? text : text.slice(0, end);
    return this.#def.write?.(task, words, td as Lwp, opener) ?? EPERM;
  }

  override announced(): Announced | null {
    return this.#def.showsMounts ? (this.#ref.get()?.td?.fs.ns ?? null) : null;
  }
}
