/** /proc/sysvipc: what there is of System V IPC, as ipcs(1) reads it. See proc_sysvipc(5). */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import type { IpcObject } from "../../ipc/ipcobject.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";

const TEXTS: ReadonlyMap<string, (td: Lwp) => string> = new Map([
  ["msg", msgText],
  ["sem", semText],
  ["shm", shmText],
]);

export class SysvipcDir extends ProcDir {
  child(name: string): ProcNode | Errno {
    if (!TEXTS.has(name)) return ENOENT;
    return this.fs.node(`${this.key}/${name}`, (key) => new SysvipcText(this, key, name));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const name of TEXTS.keys()) {
      yield { name, key: `${this.key}/${name}`, type: S_IFREG, position: position++ };
    }
  }
}

/** Of the name space of who reads it. */
class SysvipcText extends ProcText {
  readonly #name: string;

  constructor(dir: SysvipcDir, key: string, name: string) {
    super(dir.fs, key);
    this.#name = name;
  }

  text(td: Thread): string {
    return TEXTS.get(this.#name)!(td as Lwp);
  }
}

const right = (value: number, width: number): string => String(value).padStart(width);

function head(o: IpcObject): string {
  return `${right(o.key, 10)} ${right(o.id, 10)}  ${o.mode.toString(8).padStart(4)}`;
}

function owners(td: Lwp, o: IpcObject): string {
  const { userns } = td.cred;
  const ids = [
    userns.shownUid(o.uid),
    userns.shownGid(o.gid),
    userns.shownUid(o.cuid),
    userns.shownGid(o.cgid),
  ];
  return ids.map((id) => right(id, 5)).join(" ");
}

function pid(td: Lwp, number: number): number {
  return td.proc.table.numberIn(td.pidns, number);
}

function times(...seconds: readonly number[]): string {
  return seconds.map((s) => right(s, 10)).join(" ");
}

function shmText(td: Lwp): string {
  const ns = td.ipc;
  let s =
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n";
  for (const o of ns.shm.ids.all()) {
    s +=
      `${head(o)} ${right(o.sizeBytes, 21)} ${right(pid(td, o.cpid), 5)} ${right(pid(td, o.lpid), 5)}  ` +
      `${right(o.attachCount, 5)} ${owners(td, o)} ${times(o.atimeSec, o.dtimeSec, o.ctimeSec)} ` +
      `${right(o.object.residentPages * PAGE_SIZE, 21)} ${right(0, 21)}\n`;
  }
  return s;
}

function semText(td: Lwp): string {
  const ns = td.ipc;
  let s = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n";
  for (const o of ns.sem.ids.all()) {
    s += `${head(o)} ${right(o.count, 10)} ${owners(td, o)} ${times(o.otimeSec, o.ctimeSec)}\n`;
  }
  return s;
}

function msgText(td: Lwp): string {
  const ns = td.ipc;
  let s =
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n";
  for (const o of ns.msg.ids.all()) {
    s +=
      `${head(o)}  ${right(o.bytes, 10)} ${right(o.messages.length, 10)} ` +
      `${right(pid(td, o.lspid), 5)} ${right(pid(td, o.lrpid), 5)} ${owners(td, o)} ` +
      `${times(o.stimeSec, o.rtimeSec, o.ctimeSec)}\n`;
  }
  return s;
}
