/**
 * /proc/PID/net: the tables of the network that a process is in, as net/ tells
 * them. See proc_net(5).
 */
import { EINVAL, ENOENT, type Errno } from "../../abi/errno.ts";
import { S_IFREG } from "../../abi/stat.ts";
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import { type Owner, ProcDir, type ProcEntry, type ProcNode, ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";
import type { TaskRef } from "./task.ts";

export class NetDir extends ProcDir {
  readonly #ref: TaskRef;

  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key);
    this.#ref = ref;
  }

  override owner(): Owner | null {
    return this.#ref.get() ? super.owner() : null;
  }

  child(name: string): ProcNode | Errno {
    const text = this.fs.table.vfs.domains.texts.get(name);
    if (!text) return ENOENT;
    return this.fs.node(
      `${this.key}/${name}`,
      (key) => new NetTextNode(this.fs, key, this.#ref, text),
    );
  }

  *entries(): Iterable<ProcEntry> {
    let position = 2;
    for (const name of this.fs.table.vfs.domains.texts.keys()) {
      yield { name, type: S_IFREG, key: `${this.key}/${name}`, position: position++ };
    }
  }
}

class NetTextNode extends ProcText {
  readonly #ref: TaskRef;
  readonly #text: NetText;

  constructor(fs: ProcFs, key: string, ref: TaskRef, text: NetText) {
    super(fs, key);
    this.#ref = ref;
    this.#text = text;
  }

  text(td: Thread): string | Errno {
    const ns = this.#ref.get()?.td?.ns.net;
    return ns ? this.#text.text(td, ns) : EINVAL;
  }
}
