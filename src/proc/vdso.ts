/**
 * The vDSO of a running machine: two pages that every process maps, read-only.
 *
 * `vvar` holds the wall clock at boot and what the machine can do for the code in `text`; whoever sets the
 * wall clock calls `update`. The text page follows the vvar page. See vdso(7).
 */

import { type Errno, failed } from "../abi/errno.ts";
import { HWPROBE_KEYS, hwprobeValue } from "../abi/hwprobe.ts";
import type { KernelClock } from "../kern/clock.ts";
import { AnonObject } from "../vm/object.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { VVAR_EPOCH_NSEC, VVAR_EPOCH_SEC, VVAR_HWPROBE, VVAR_SEQUENCE } from "./vdsocode.ts";
import { vdsoImage } from "./vdsoimage.ts";

export class Vdso {
  readonly vvar: AnonObject;
  readonly text: AnonObject;
  /** Where signal handlers return to, from the start of the text page. */
  readonly sigreturn: number;
  #sequence = 0;

  private constructor(vvar: AnonObject, text: AnonObject, sigreturn: number) {
    this.vvar = vvar;
    this.text = text;
    this.sigreturn = sigreturn;
  }

  static make(pages: PageAllocator, clock: KernelClock): Vdso | Errno {
    const image = vdsoImage();
    const text = new AnonObject(pages, PAGE_SIZE);
    const pa = text.getPage(0, true);
    if (failed(pa)) return pa;
    pages.mem.u8.set(image.bytes, pa);
    const vdso = new Vdso(new AnonObject(pages, PAGE_SIZE), text, image.sigreturn);
    const vvar = vdso.vvar.getPage(0, true);
    if (failed(vvar)) return vvar;
    for (let key = 0; key < HWPROBE_KEYS; key++) {
      const value = hwprobeValue(key, 0)!;
      const at = (vvar + VVAR_HWPROBE + 8 * key) >>> 2;
      pages.mem.u32[at] = value;
      pages.mem.u32[at + 1] = Math.floor(value / 2 ** 32);
    }
    const r = vdso.update(clock);
    return failed(r) ? r : vdso;
  }

  /** The wall clock was set. */
  update(clock: KernelClock): number {
    const pa = this.vvar.getPage(0, true);
    if (failed(pa)) return pa;
    const epoch = clock.realtimeAt(0);
    const { u32 } = this.vvar.frames.mem;
    const low = (at: number): number => (pa + at) >>> 2;
    u32[low(VVAR_EPOCH_SEC)] = epoch.sec;
    u32[low(VVAR_EPOCH_SEC) + 1] = Math.floor(epoch.sec / 2 ** 32);
    u32[low(VVAR_EPOCH_NSEC)] = epoch.nsec;
    this.#sequence = (this.#sequence + 1) >>> 0;
    u32[low(VVAR_SEQUENCE)] = this.#sequence;
    return 0;
  }
}
