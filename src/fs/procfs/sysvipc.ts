/** /proc/sysvipc/shm: the shared memory segments, of which ipcs(1) tells. See proc_sysvipc(5). */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { PAGE_SIZE } from "../../vm/param.ts";
import { ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";

export class SysvipcDir extends ProcDir {
  child(name: string): ProcNode | Errno {
    if (name !== "shm") return ENOENT;
    return this.fs.node(`${this.key}/shm`, (key) => new ShmText(this.fs, key));
  }

  *entries(): Iterable<ProcEntry> {
    yield { name: "shm", key: `${this.key}/shm`, type: S_IFREG, position: 2 };
  }
}

class ShmText extends ProcText {
  text(): string {
    let text =
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid" +
      "      atime      dtime      ctime                   rss                  swap\n";
    for (const s of this.fs.table.shm.all) {
      const cells: readonly (readonly [number | string, number])[] = [
        [s.key, 10],
        [s.id, 10],
        [s.mode.toString(8), 5],
        [s.sizeBytes, 21],
        [s.cpid, 5],
        [s.lpid, 5],
        [s.attachments, 6],
        [s.uid, 5],
        [s.gid, 5],
        [s.cuid, 5],
        [s.cgid, 5],
        [s.atimeSec, 10],
        [s.dtimeSec, 10],
        [s.ctimeSec, 10],
        [s.object.residentPages * PAGE_SIZE, 21],
        [0, 21],
      ];
      text += `${cells.map(([value, width]) => String(value).padStart(width)).join(" ")}\n`;
    }
    return text;
  }
}
