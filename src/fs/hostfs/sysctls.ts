/**
 * vfs.hostfs.TAG.*: what a share holds of the host, by sysctl(8).
 */
import { SysctlConst, type SysctlDir, SysctlLeaf } from "../../kern/sysctl.ts";
import type { Hostfs, HostfsType } from "./hostfs.ts";

export function addHostfsSysctls(tree: SysctlDir, type: HostfsType): void {
  for (const [tag, { share }] of type.shared) {
    const at = `vfs.hostfs.${tag}`;
    tree.add(`${at}.readonly`, new SysctlConst(share.isReadOnly ? 1 : 0));
    const count = (name: string, of: (fs: Hostfs) => number): void => {
      tree.add(`${at}.${name}`, new Count(type, tag, of));
    };
    // Files that programs have open; others whose handles are open still; how many of those had to go.
    count("open_files", (fs) => fs.handles.pinned);
    count("idle_handles", (fs) => fs.handles.idle);
    count("evicted_handles", (fs) => fs.handles.evicted);
    count("vnodes", (fs) => fs.nodes);
  }
}

class Count extends SysctlLeaf {
  readonly #type: HostfsType;
  readonly #tag: string;
  readonly #of: (fs: Hostfs) => number;

  constructor(type: HostfsType, tag: string, of: (fs: Hostfs) => number) {
    super(0o444);
    this.#type = type;
    this.#tag = tag;
    this.#of = of;
  }

  read(): string {
    const fs = this.#type.mounted(this.#tag);
    return String(fs ? this.#of(fs) : 0);
  }
}
