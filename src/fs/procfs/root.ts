/**
 * The top of /proc: processes by number, the kernel's texts, and a few links.
 */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFREG } from "../../abi/stat.ts";
import type { Thread } from "../../kern/thread.ts";
import { KmsgNode } from "./kmsg.ts";
import { ProcDir, type ProcEntry, ProcLink, type ProcNode, ProcText } from "./node.ts";
import { HIDEPID_INVISIBLE } from "./options.ts";
import { PidDir } from "./piddir.ts";
import { PressureDir } from "./pressuredir.ts";
import type { ProcFs } from "./procfs.ts";
import { SysctlDirNode } from "./sysctlnode.ts";
import { SysrqTrigger } from "./sysrq.ts";
import { systemTexts } from "./system.ts";
import { SysvipcDir } from "./sysvipc.ts";
import { TaskRef } from "./task.ts";
import { TtyDir } from "./ttydir.ts";

/** Processes are listed after everything else; room for more fixed entries. */
const FIRST_PID_POSITION = 256;

/** Links by name: what they lead to for the thread that asks. */
const links: ReadonlyMap<string, (pid: number, tid: number) => string> = new Map([
  ["mounts", () => "self/mounts"],
  ["net", () => "self/net"],
  ["self", (pid: number) => String(pid)],
  ["thread-self", (pid: number, tid: number) => `${pid}/task/${tid}`],
]);

/** Those that are of processes. */
const selfLinks: readonly string[] = ["self", "thread-self"];

export class RootDir extends ProcDir {
  override nlink(): number {
    return 2 + this.fs.table.procCount;
  }

  child(name: string): ProcNode | Errno {
    if (/^[1-9]\d{0,9}$/.test(name)) return this.#process(Number(name));
    if (this.fs.options.isPidOnly && !selfLinks.includes(name)) return ENOENT;
    if (links.has(name)) return this.fs.node(name, (key) => new CallerLink(this.fs, key));
    if (systemTexts.has(name)) return this.fs.node(name, (key) => new SystemText(this.fs, key));
    if (name === "kmsg") return this.fs.node(name, (key) => new KmsgNode(this.fs, key));
    if (name === "sys") {
      return this.fs.node(name, (key) => new SysctlDirNode(this.fs, key, this.fs.sysctls));
    }
    if (name === "pressure") return this.fs.node(name, (key) => new PressureDir(this.fs, key));
    if (name === "sysrq-trigger")
      return this.fs.node(name, (key) => new SysrqTrigger(this.fs, key));
    if (name === "tty") return this.fs.node(name, (key) => new TtyDir(this.fs, key));
    if (name === "sysvipc") return this.fs.node(name, (key) => new SysvipcDir(this.fs, key));
    return ENOENT;
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    const { isPidOnly } = this.fs.options;
    for (const name of isPidOnly ? selfLinks : links.keys()) {
      yield { name, key: name, type: S_IFLNK, position: position++ };
    }
    if (!isPidOnly) yield* this.#fixed(position);
    const pids = [...this.fs.table.all()]
      .map((p) => p.id.in(this.fs.pidns))
      .filter((pid) => pid !== 0)
      .sort((a, b) => a - b);
    for (const pid of pids) {
      const ref = TaskRef.of(this.fs.table, this.fs.pidns, pid);
      if (!ref || !this.fs.shows(ref, HIDEPID_INVISIBLE)) continue;
      const name = String(pid);
      yield { name, key: name, type: S_IFDIR, position: FIRST_PID_POSITION + pid };
    }
  }

  *#fixed(from: number): Iterable<ProcEntry> {
    let position = from;
    for (const name of systemTexts.keys()) {
      yield { name, key: name, type: S_IFREG, position: position++ };
    }
    yield { name: "kmsg", key: "kmsg", type: S_IFREG, position: position++ };
    yield { name: "pressure", key: "pressure", type: S_IFDIR, position: position++ };
    yield { name: "sys", key: "sys", type: S_IFDIR, position: position++ };
    yield { name: "sysrq-trigger", key: "sysrq-trigger", type: S_IFREG, position: position++ };
    yield { name: "sysvipc", key: "sysvipc", type: S_IFDIR, position: position++ };
    yield { name: "tty", key: "tty", type: S_IFDIR, position: position++ };
  }

  /** A process by its id, or a thread by its own: found, though not listed. */
  #process(pid: number): ProcNode | Errno {
    const ref = TaskRef.of(this.fs.table, this.fs.pidns, pid);
    if (!ref || !this.fs.shows(ref, HIDEPID_INVISIBLE)) return ENOENT;
    return this.fs.node(ref.key, (key) => new PidDir(this.fs, key, ref));
  }
}

class CallerLink extends ProcLink {
  readlink(): string | Errno {
    const td = this.fs.caller;
    const pid = td?.proc.id.in(this.fs.pidns) ?? 0;
    return td && pid !== 0 ? links.get(this.key)!(pid, td.id.in(this.fs.pidns)) : ENOENT;
  }
}

class SystemText extends ProcText {
  constructor(fs: ProcFs, key: string) {
    super(fs, key, systemTexts.get(key)!.mode);
  }

  text(_td: Thread): string | Errno {
    return systemTexts.get(this.key)!.text(this.fs);
  }
}
