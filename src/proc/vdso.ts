/**
 * The vDSO of a running machine: two pages that every process maps, read-only.
 *
 * `vvar` holds the wall clock at boot and what the machine can do for the code in `text`; whoever sets the
 * wall clock calls `update`. The text page follows the vvar page. Processes of a time name space with
 * offsets have a vvar page of their own. See vdso(7), time_namespaces(7).
 */

import { type Errno, failed } from "../abi/errno.ts";
import { HWPROBE_KEYS, hwprobeValue } from "../abi/hwprobe.ts";
import type { KernelClock } from "../kern/clock.ts";
import type { TimeNamespace, TimePage } from "../kern/timens.ts";
import { AnonObject } from "../vm/object.ts";
import type { PageAllocator } from "../vm/page.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import {
  VVAR_BOOTTIME_OFFSET,
  VVAR_EPOCH_NSEC,
  VVAR_EPOCH_SEC,
  VVAR_HWPROBE,
  VVAR_MONOTONIC_OFFSET,
  VVAR_SEQUENCE,
} from "./vdsocode.ts";
import { vdsoImage } from "./vdsoimage.ts";

/** A vvar page. */
class Vvar implements TimePage {
  readonly object: AnonObject;
  readonly #vdso: Vdso;

  constructor(vdso: Vdso) {
    this.#vdso = vdso;
    this.object = new AnonObject(vdso.pages, PAGE_SIZE);
  }

  /** Where it is in guest RAM; it stays there. */
  get address(): number | Errno {
    return this.object.getPage(0, true);
  }

  /** Its time name space ended; who maps it still, keeps the page. */
  release(): void {
    this.#vdso.forget(this);
  }
}

export class Vdso {
  readonly pages: PageAllocator;
  readonly text: AnonObject;
  /** Where signal handlers return to, from the start of the text page. */
  readonly sigreturn: number;
  readonly #clock: KernelClock;
  readonly #initial: Vvar;
  readonly #vvars = new Set<Vvar>();
  #sequence = 1;

  private constructor(
    pages: PageAllocator,
    text: AnonObject,
    sigreturn: number,
    clock: KernelClock,
  ) {
    this.pages = pages;
    this.text = text;
    this.sigreturn = sigreturn;
    this.#clock = clock;
    this.#initial = new Vvar(this);
  }

  static make(pages: PageAllocator, clock: KernelClock): Vdso | Errno {
    const image = vdsoImage();
    const text = new AnonObject(pages, PAGE_SIZE);
    const pa = text.getPage(0, true);
    if (failed(pa)) return pa;
    pages.mem.u8.set(image.bytes, pa);
    const vdso = new Vdso(pages, text, image.sigreturn, clock);
    const r = vdso.#fill(vdso.#initial, 0, 0);
    return failed(r) ? r : vdso;
  }

  /** The vvar page of those in `ns`: ENOMEM. */
  vvarOf(ns: TimeNamespace): AnonObject | Errno {
    const { monotonicOffsetNs, boottimeOffsetNs } = ns;
    if (monotonicOffsetNs === 0 && boottimeOffsetNs === 0) return this.#initial.object;
    if (ns.page instanceof Vvar) return ns.page.object;
    const vvar = new Vvar(this);
    const r = this.#fill(vvar, monotonicOffsetNs, boottimeOffsetNs);
    if (failed(r)) {
      vvar.object.release();
      return r;
    }
    ns.page = vvar;
    return vvar.object;
  }

  /** True for a page that shows the time. */
  isVvar(object: unknown): boolean {
    for (const vvar of this.#vvars) if (vvar.object === object) return true;
    return false;
  }

  forget(vvar: Vvar): void {
    this.#vvars.delete(vvar);
    vvar.object.release();
  }

  /** The wall clock was set. */
  update(clock: KernelClock): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    for (const vvar of this.#vvars) {
      const pa = vvar.address;
      if (failed(pa)) return pa;
      this.#setEpoch(pa, clock);
    }
    return 0;
  }

  #fill(vvar: Vvar, monotonicOffsetNs: number, boottimeOffsetNs: number): number {
    const pa = vvar.address;
    if (failed(pa)) return pa;
    for (let key = 0; key < HWPROBE_KEYS; key++) {
      this.#set(pa + VVAR_HWPROBE + 8 * key, hwprobeValue(key, 0)!);
    }
    this.#set(pa + VVAR_MONOTONIC_OFFSET, monotonicOffsetNs);
    this.#set(pa + VVAR_BOOTTIME_OFFSET, boottimeOffsetNs);
    this.#setEpoch(pa, this.#clock);
    this.#vvars.add(vvar);
    return 0;
  }

  #setEpoch(pa: number, clock: KernelClock): void {
    const epoch = clock.realtimeAt(0);
    this.#set(pa + VVAR_EPOCH_SEC, epoch.sec);
    this.#set(pa + VVAR_EPOCH_NSEC, epoch.nsec);
    this.#set(pa + VVAR_SEQUENCE, this.#sequence);
  }

  /** 64 bits at an address that is a multiple of 8. */
  #set(pa: number, value: number): void {
    const { u32 } = this.pages.mem;
    u32[pa >>> 2] = value;
    u32[(pa >>> 2) + 1] = Math.floor(value / 2 ** 32);
  }
}
