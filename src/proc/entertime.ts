/**
 * Entering a time name space: by a child, a new program, or setns(2). What a
 * process reads its clocks from is replaced where it is mapped.
 */
import { ENOMEM, failed } from "../abi/errno.ts";
import { MAP_FIXED, MAP_PRIVATE, PROT_READ } from "../abi/mman.ts";
import type { TimeNamespace } from "../kern/timens.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import type { Vmspace } from "../vm/vmspace.ts";
import type { Lwp } from "./lwp.ts";
import type { Vdso } from "./vdso.ts";

export const VVAR_NAME = "[vvar]";

/** A child of who unshared the time, or who does so and then runs a program, is in there from then on. */
export function enterTime(td: Lwp): void {
  const { ns } = td;
  if (ns.time === ns.timeForChildren) return;
  ns.timeForChildren.isFixed = true;
  td.enterNamespaces(ns.with({ time: ns.timeForChildren }));
}

/** Lets the programs of an address space see the time of `ns`: 0 or ENOMEM. */
export function showTime(vs: Vmspace, vdso: Vdso, ns: TimeNamespace): number {
  const page = vdso.vvarOf(ns);
  if (failed(page)) return page;
  for (const e of vs.entries) {
    if (!vdso.isVvar(e.object) || e.object === page) continue;
    const r = vs.mmap({
      addr: e.start,
      length: PAGE_SIZE,
      prot: PROT_READ,
      maxProt: PROT_READ,
      flags: MAP_PRIVATE | MAP_FIXED,
      object: page,
      name: VVAR_NAME,
    });
    return failed(r) ? ENOMEM : 0;
  }
  return 0;
}
