/** The limits of System V IPC as kernel.*. See proc_sys_kernel(5). */
import { EINVAL } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import { type SysctlDir, SysctlInt, SysctlLeaf } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import { IPCMNI } from "./ids.ts";
import type { IpcNamespace } from "./ipcnamespace.ts";
import { SHM_UNLIMITED } from "./shm.ts";

/** What Linux has as no limit: ULONG_MAX - (1 << 24). */
const UNLIMITED_TEXT = "18446744073692774399";

export function addIpcSysctls(tree: SysctlDir): void {
  tree.add("kernel.shmmax", new ShmLimit("maxBytes"));
  tree.add("kernel.shmall", new ShmLimit("maxPages"));
  tree.add("kernel.shmmni", new IdLimit("shm"));
  tree.add("kernel.sem", new SemLimits());
  tree.add("kernel.msgmax", new MsgLimit("maxMessage"));
  tree.add("kernel.msgmnb", new MsgLimit("maxQueue"));
  tree.add("kernel.msgmni", new IdLimit("msg"));
  tree.add("kernel.shm_rmid_forced", new RemovalForced());
}

/** A limit of the name space that its reader or writer is in. */
abstract class IpcLeaf extends SysctlLeaf {
  constructor() {
    super(0o644);
  }

  override userns(td: Thread): UserNamespace {
    return (td as InIpcNamespace).ipc.owner;
  }

  protected ns(td: Thread): IpcNamespace {
    return (td as InIpcNamespace).ipc;
  }
}

/** What a thread of a process knows. */
interface InIpcNamespace extends Thread {
  readonly ipc: IpcNamespace;
}

/** Whether segments go with their makers and users. */
class RemovalForced extends SysctlInt {
  constructor() {
    super(0, 1);
  }

  override userns(td: Thread): UserNamespace {
    return (td as InIpcNamespace).ipc.owner;
  }

  get(td: Thread): number {
    return Number((td as InIpcNamespace).ipc.shm.isRemovalForced);
  }

  set(value: number, td: Thread): number {
    const { shm } = (td as InIpcNamespace).ipc;
    if (value === 1) shm.forceRemoval();
    else shm.isRemovalForced = false;
    return 0;
  }
}

/** An unsigned long; what a number cannot say exactly is no limit. */
class ShmLimit extends IpcLeaf {
  readonly #which: "maxBytes" | "maxPages";

  constructor(which: "maxBytes" | "maxPages") {
    super();
    this.#which = which;
  }

  read(td: Thread): string {
    const value = this.ns(td).shm[this.#which];
    return value >= Number.MAX_SAFE_INTEGER ? UNLIMITED_TEXT : String(value);
  }

  override write(text: string, _cred: Cred, td: Thread): number {
    if (!/^\d{1,20}$/.test(text)) return EINVAL;
    const value = Number(text);
    this.ns(td).shm[this.#which] = value >= Number.MAX_SAFE_INTEGER ? SHM_UNLIMITED : value;
    return 0;
  }
}

/** Semaphores of a set, of all sets, operations of a call, sets. */
class SemLimits extends IpcLeaf {
  read(td: Thread): string {
    const { sem } = this.ns(td);
    return [sem.maxPerSet, sem.maxInAll, sem.maxOps, sem.ids.limit].join("\t");
  }

  /** Of up to four numbers; those that are not given stay. */
  override write(text: string, _cred: Cred, td: Thread): number {
    const { sem } = this.ns(td);
    const words = text.trim().split(/\s+/);
    if (words.length > 4 || words.some((w) => !/^\d{1,10}$/.test(w))) return EINVAL;
    const [perSet, inAll = sem.maxInAll, ops = sem.maxOps, sets = sem.ids.limit] =
      words.map(Number);
    const isValid = perSet! <= SEMMSL_MAX && inAll <= INT_MAX && ops <= SEMOPM_MAX;
    if (!isValid || sets > IPCMNI) return EINVAL;
    sem.maxPerSet = perSet!;
    sem.maxInAll = inAll;
    sem.maxOps = ops;
    sem.ids.limit = sets;
    return 0;
  }
}

const INT_MAX = 2 ** 31 - 1;
/** More would take the kernel too long at a time; semaphores of a set have 16-bit numbers anyway. */
const SEMMSL_MAX = 65536;
const SEMOPM_MAX = 4096;

/** Bytes of a message, or of a queue that is made. */
class MsgLimit extends SysctlInt {
  readonly #which: "maxMessage" | "maxQueue";

  constructor(which: "maxMessage" | "maxQueue") {
    super(0, INT_MAX);
    this.#which = which;
  }

  override userns(td: Thread): UserNamespace {
    return (td as InIpcNamespace).ipc.owner;
  }

  get(td: Thread): number {
    return (td as InIpcNamespace).ipc.msg[this.#which];
  }

  set(value: number, td: Thread): number {
    (td as InIpcNamespace).ipc.msg[this.#which] = value;
    return 0;
  }
}

/** How many objects of a kind there may be. */
class IdLimit extends SysctlInt {
  readonly #kind: "shm" | "msg";

  constructor(kind: "shm" | "msg") {
    super(0, IPCMNI);
    this.#kind = kind;
  }

  override userns(td: Thread): UserNamespace {
    return (td as InIpcNamespace).ipc.owner;
  }

  get(td: Thread): number {
    return (td as InIpcNamespace).ipc[this.#kind].ids.limit;
  }

  set(value: number, td: Thread): number {
    (td as InIpcNamespace).ipc[this.#kind].ids.limit = value;
    return 0;
  }
}
