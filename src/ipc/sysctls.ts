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
