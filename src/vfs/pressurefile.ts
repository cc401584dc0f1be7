/**
 * An open file of pressure: /proc/pressure/cpu, cpu.pressure of a control group, and their sisters.
 *
 * "some 150000 1000000" written to it asks to be told (POLLPRI) when stalls come to 150 ms within a
 * second; that lasts as long as the file is open. See psi.rst in Linux.
 */
import { EBUSY, EFAULT, EINVAL, EOPNOTSUPP, failed } from "../abi/errno.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import type { Cpu } from "../kern/cpu.ts";
import { CAP_SYS_RESOURCE, type Cred } from "../kern/cred.ts";
import { CPU_PRESSURE, type PressureKind, type PressureTrigger } from "../kern/pressure.ts";
import type { Thread } from "../kern/thread.ts";
import { byteString, bytesOf } from "../lib/bytes.ts";
import type { Uio } from "../vm/uio.ts";
import { File } from "./file.ts";
import type { PollTable } from "./poll.ts";
import { seekWithoutEnd } from "./seek.ts";

const WRITE_MAX = 31;
const NS_PER_US = 1000;
const MIN_WINDOW_US = 500_000;
const MAX_WINDOW_US = 10_000_000;
/** What whoever has no CAP_SYS_RESOURCE asks for must be so many of. */
const PERIOD_US = 2_000_000;

export class PressureFile extends File {
  readonly #cpu: Cpu;
  readonly #group: Cgroup;
  readonly #kind: PressureKind;
  readonly #cred: Cred;
  #trigger: PressureTrigger | null = null;
  #offset = 0;
  #text: Uint8Array | null = null;

  constructor(cpu: Cpu, group: Cgroup, kind: PressureKind, cred: Cred, flags: number) {
    super(flags);
    this.#cpu = cpu;
    this.#group = group;
    this.#kind = kind;
    this.#cred = cred;
  }

  describe(): string {
    return this.path?.entry.name ?? "";
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pread(_td: Thread, uio: Uio, offset: number): number {
    if (offset < 0) return EINVAL;
    if (this.#group.isDead) return EOPNOTSUPP;
    if (offset === 0 || !this.#text) this.#text = bytesOf(this.#textNow());
    return offset >= this.#text.length ? 0 : uio.copyout(this.#text.subarray(offset));
  }

  override write(td: Thread, uio: Uio): number {
    return this.pwrite(td, uio, 0);
  }

  override pwrite(_td: Thread, uio: Uio, _offset: number): number {
    const count = uio.resid;
    if (count === 0) return EINVAL;
    const bytes = new Uint8Array(Math.min(count, WRITE_MAX));
    const got = uio.copyin(bytes);
    if (failed(got)) return EFAULT;
    if (this.#group.isDead) return EOPNOTSUPP;
    // Linux wants a newline or a null at the end, and takes the last byte for one.
    const text = byteString(bytes, 0, count <= WRITE_MAX ? got - 1 : got);
    const m = /^(some|full) \s*(\d{1,9})\s+(\d{1,9})/.exec(text);
    if (!m) return EINVAL;
    const [thresholdUs, windowUs] = [Number(m[2]), Number(m[3])];
    if (windowUs < MIN_WINDOW_US || windowUs > MAX_WINDOW_US) return EINVAL;
    if (!this.#cred.hasCap(CAP_SYS_RESOURCE) && windowUs % PERIOD_US !== 0) return EINVAL;
    if (thresholdUs === 0 || thresholdUs > windowUs) return EINVAL;
    if (this.#trigger) return EBUSY;
    this.#cpu.stalls.settle();
    this.#trigger = this.#group.pressure[this.#kind].addTrigger(
      m[1] === "full",
      thresholdUs * NS_PER_US,
      windowUs * NS_PER_US,
      this.#cpu.clock.monotonicNs(),
    );
    return count;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const ready = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
    const t = this.#trigger;
    if (!t || this.#group.isDead) return ready | POLLERR | POLLPRI;
    table?.watch(t.woken);
    if (!t.hasHappened) return ready;
    t.hasHappened = false;
    return ready | POLLPRI;
  }

  override seek(offset: number, whence: number): number {
    const to = seekWithoutEnd(this.#offset, offset, whence);
    if (!failed(to)) this.#offset = to;
    return to;
  }

  override truncate(_sizeBytes: number): number {
    return 0;
  }

  override onLastClose(): void {
    if (this.#trigger) this.#group.pressure[this.#kind].dropTrigger(this.#trigger);
    this.#trigger = null;
  }

  #textNow(): string {
    this.#cpu.stalls.settle();
    const now = this.#cpu.clock.monotonicNs();
    const pressure = this.#group.pressure[this.#kind];
    // While one runs, not all of a machine wait for its CPU.
    const isUndefined = this.#kind === CPU_PRESSURE && !this.#group.parent;
    const line = (isFull: boolean): string => {
      const none = isFull && isUndefined;
      const [a10, a60, a300] = none ? [0, 0, 0] : pressure.averages(isFull, now);
      const us = none ? 0 : Math.floor(pressure.totalNs(isFull, now) / NS_PER_US);
      const name = isFull ? "full" : "some";
      return `${name} avg10=${shown(a10)} avg60=${shown(a60)} avg300=${shown(a300)} total=${us}\n`;
    };
    return line(false) + line(true);
  }
}

function shown(percent: number | undefined): string {
  return Math.min(100, Math.floor((percent ?? 0) * 100) / 100).toFixed(2);
}
