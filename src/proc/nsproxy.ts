/**
 * The name spaces that a thread is in, but for those of mounts (its FsContext),
 * users (its credentials) and pids (its id). See namespaces(7).
 *
 * Shared by all threads that are in the same ones, and never changed: whoever
 * goes elsewhere gets another. It holds each of them.
 */
import type { IpcNamespace } from "../ipc/ipcnamespace.ts";
import type { CgroupNamespace } from "../kern/cgroupns.ts";
import type { TimeNamespace } from "../kern/timens.ts";
import type { UtsNamespace } from "../kern/utsns.ts";
import type { NetNamespace } from "../vfs/netns.ts";
import type { PidNamespace } from "./pidns.ts";

export interface NamespaceSet {
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly net: NetNamespace;
  readonly cgroup: CgroupNamespace;
  readonly time: TimeNamespace;
  /** That children will be in. */
  readonly pidForChildren: PidNamespace;
  readonly timeForChildren: TimeNamespace;
}

export class Nsproxy implements NamespaceSet {
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly net: NetNamespace;
  readonly cgroup: CgroupNamespace;
  readonly time: TimeNamespace;
  readonly pidForChildren: PidNamespace;
  readonly timeForChildren: TimeNamespace;
  refs = 1;

  constructor(set: NamespaceSet) {
    this.uts = set.uts.hold();
    this.ipc = set.ipc.hold();
    this.net = set.net.hold();
    this.cgroup = set.cgroup.hold();
    this.time = set.time.hold();
    this.pidForChildren = set.pidForChildren.hold();
    this.timeForChildren = set.timeForChildren.hold();
  }

  /** The same but for `change`. */
  with(change: Partial<NamespaceSet>): Nsproxy {
    return new Nsproxy({ ...this.#set(), ...change });
  }

  hold(): this {
    this.refs++;
    return this;
  }

  release(): void {
    if (--this.refs > 0) return;
    for (const ns of Object.values(this.#set())) ns.release();
  }

  #set(): NamespaceSet {
    const { uts, ipc, net, cgroup, time, pidForChildren, timeForChildren } = this;
    return { uts, ipc, net, cgroup, time, pidForChildren, timeForChildren };
  }
}
