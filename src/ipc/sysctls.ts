/** The limits of System V IPC as kernel.*. See proc_sys_kernel(5). */
import { EINVAL } from "../abi/errno.ts";
import type { Cred } from "../kern/cred.ts";
import { SysctlConst, type SysctlDir, SysctlInt, SysctlLeaf } from "../kern/sysctl.ts";
import { IPCMNI } from "./ids.ts";
import type { IpcNamespace } from "./ipcnamespace.ts";
import { SHM_UNLIMITED } from "./shm.ts";

/** What Linux has as no limit: ULONG_MAX - (1 << 24). */
const UNLIMITED_TEXT = "18446744073692774399";

export function addIpcSysctls(tree: SysctlDir, ns: IpcNamespace): void {
  tree.add("kernel.shmmax", new ShmLimit(ns, "maxBytes"));
  tree.add("kernel.shmall", new ShmLimit(ns, "maxPages"));
  tree.add("kernel.shmmni", new IdLimit(ns.shm.ids));
  tree.add("kernel.sem", new SemLimits(ns));
  tree.add("kernel.msgmax", new MsgLimit(ns, "maxMessage"));
  tree.add("kernel.msgmnb", new MsgLimit(ns, "maxQueue"));
  tree.add("kernel.msgmni", new IdLimit(ns.msg.ids));
  tree.add("kernel.shm_rmid_forced", new SysctlConst(0));
}

/** An unsigned long; what a number cannot say exactly is no limit. */
class ShmLimit extends SysctlLeaf {
  readonly #ns: IpcNamespace;
  readonly #which: "maxBytes" | "maxPages";

  constructor(ns: IpcNamespace, which: "maxBytes" | "maxPages") {
    super(0o644);
    this.#ns = ns;
    this.#which = which;
  }

  read(): string {
    const value = this.#ns.shm[this.#which];
    return value >= Number.MAX_SAFE_INTEGER ? UNLIMITED_TEXT : String(value);
  }

  override write(text: string, _cred: Cred): number {
    if (!/^\d{1,20}$/.test(text)) return EINVAL;
    const value = Number(text);
    this.#ns.shm[this.#which] = value >= Number.MAX_SAFE_INTEGER ? SHM_UNLIMITED : value;
    return 0;
  }
}

/** Semaphores of a set, of all sets, operations of a call, sets. */
class SemLimits extends SysctlLeaf {
  readonly #ns: IpcNamespace;

  constructor(ns: IpcNamespace) {
    super(0o644);
    this.#ns = ns;
  }

  read(): string {
    const { sem } = this.#ns;
    return [sem.maxPerSet, sem.maxInAll, sem.maxOps, sem.ids.limit].join("\t");
  }

  /** Of up to four numbers; those that are not given stay. */
  override write(text: string, _cred: Cred): number {
    const { sem } = this.#ns;
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
  readonly #ns: IpcNamespace;
  readonly #which: "maxMessage" | "maxQueue";

  constructor(ns: IpcNamespace, which: "maxMessage" | "maxQueue") {
    super(0, INT_MAX);
    this.#ns = ns;
    this.#which = which;
  }

  get(): number {
    return this.#ns.msg[this.#which];
  }

  set(value: number): number {
    this.#ns.msg[this.#which] = value;
    return 0;
  }
}

/** How many objects of a kind there may be. */
export class IdLimit extends SysctlInt {
  readonly #ids: { limit: number };

  constructor(ids: { limit: number }) {
    super(0, IPCMNI);
    this.#ids = ids;
  }

  get(): number {
    return this.#ids.limit;
  }

  set(value: number): number {
    this.#ids.limit = value;
    return 0;
  }
}
