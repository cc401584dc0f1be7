/** /proc/pressure: how much the machine is held up, by resource. See psi.rst in Linux. */
import { ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import {
  CPU_PRESSURE,
  IO_PRESSURE,
  MEMORY_PRESSURE,
  type PressureKind,
} from "../../kern/pressure.ts";
import type { Thread } from "../../kern/thread.ts";
import type { File } from "../../vfs/file.ts";
import { PressureFile } from "../../vfs/pressurefile.ts";
import { ProcDir, type ProcEntry, ProcNode } from "./node.ts";
import type { ProcFs } from "./procfs.ts";

const KINDS: ReadonlyMap<string, PressureKind> = new Map([
  ["cpu", CPU_PRESSURE],
  ["io", IO_PRESSURE],
  ["memory", MEMORY_PRESSURE],
]);

export class PressureDir extends ProcDir {
  child(name: string): ProcNode | Errno {
    const kind = KINDS.get(name);
    if (kind === undefined) return ENOENT;
    return this.fs.node(`${this.key}/${name}`, (key) => new PressureNode(this.fs, key, kind));
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const name of KINDS.keys()) {
      yield { name, key: `${this.key}/${name}`, type: S_IFREG, position: position++ };
    }
  }
}

class PressureNode extends ProcNode {
  readonly #kind: PressureKind;

  constructor(fs: ProcFs, key: string, kind: PressureKind) {
    super(fs, key, S_IFREG | 0o666);
    this.#kind = kind;
  }

  override open(td: Thread, flags: number): File {
    const { cpu } = this.fs.table;
    return new PressureFile(cpu, cpu.cgroups.root, this.#kind, td.cred, flags);
  }
}
