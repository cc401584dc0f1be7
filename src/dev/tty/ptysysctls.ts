/** kernel.pty.*: how many pseudoterminals there may be, and are. See proc_sys_kernel(5). */
import { type SysctlDir, SysctlField, SysctlInt } from "../../kern/sysctl.ts";
import type { PtyDriver } from "./ptmx.ts";

/** Minor numbers of slaves. */
const PTYS_LIMIT = 2 ** 20;

export function addPtySysctls(tree: SysctlDir, ptys: PtyDriver): void {
  tree.add("kernel.pty.max", new SysctlField(ptys, "max", 0, PTYS_LIMIT));
  tree.add("kernel.pty.reserve", new SysctlField(ptys, "reserve", 0, PTYS_LIMIT));
  tree.add("kernel.pty.nr", new PtyCount(ptys));
}

class PtyCount extends SysctlInt {
  readonly #ptys: PtyDriver;

  constructor(ptys: PtyDriver) {
    super(0, 0, 0o444);
    this.#ptys = ptys;
  }

  get(): number {
    return this.#ptys.count;
  }

  set(): number {
    return 0;
  }
}
