/**
 * Linux AIO: io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2).
 *
 * A context is known by the address of its ring, which the program maps: what is
 * mapped there says which it is, wherever mremap(2) moved it.
 */
import { KIOCB_KEY } from "../abi/aio.ts";
import { EAGAIN, EFAULT, EINPROGRESS, EINVAL, ERESTARTNOHAND, failed } from "../abi/errno.ts";
import { MAP_SHARED, PROT_READ, PROT_WRITE } from "../abi/mman.ts";
import { NS_PER_SEC } from "../kern/clock.ts";
import type { Lwp } from "../proc/lwp.ts";
import { type AioContext, AioTable } from "../vfs/aio.ts";
import { AioRing } from "../vfs/aioring.ts";
import { submitOne, Transfer } from "./aiosubmit.ts";
import { long, uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { applyMask } from "./poll.ts";

const POINTER = 8;
const TWO63 = 2 ** 63;
/** What Linux can keep: a quarter of a gigabyte of events. */
const MAX_EVENTS = 0x10000000 / 32;
/** Events that there is room for at the least: four for each CPU. */
const MIN_EVENTS = 4;

export const sys_io_setup = syscall("io_setup", [uint, uaddr], (td, count, idAddr) => {
  const { vmspace } = td.proc;
  const { aio: limits } = td.fs.vfs;
  const old = vmspace.loadU64(idAddr);
  if (failed(old)) return EFAULT;
  const room = Math.max(count, MIN_EVENTS) * 2;
  if (old !== 0 || count === 0 || room > MAX_EVENTS) return EINVAL;
  if (!limits.take(count)) return EAGAIN;
  vmspace.aio ??= new AioTable(td.cpu, limits);
  const table = vmspace.aio as AioTable;
  const ring = AioRing.make(vmspace.frames, room, table.nextId());
  if (failed(ring)) {
    limits.give(count);
    return ring;
  }
  table.add(ring, count);
  const id = vmspace.mmap({
    addr: 0,
    length: ring.sizeBytes,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_SHARED,
    object: ring,
    name: "/[aio] (deleted)",
  });
  if (!failed(id) && !failed(vmspace.storeU64(idAddr, id))) return 0;
  table.remove(table.find(ring)!);
  if (failed(id)) return id;
  vmspace.munmap(id, ring.sizeBytes);
  return EFAULT;
});

export const sys_io_destroy = syscall("io_destroy", [uaddr], (td, id) => {
  const context = contextAt(td, id);
  if (!context) return EINVAL;
  context.table.remove(context);
  td.proc.vmspace.munmap(id, context.ring.sizeBytes);
  return 0;
});

export const sys_io_submit = syscall("io_submit", [uaddr, long, uaddr], (td, id, count, list) => {
  if (count < 0) return EINVAL;
  const { restart } = td;
  let transfer = restart.data instanceof Transfer ? restart.data : null;
  const context = transfer?.context ?? contextAt(td, id);
  if (!context) return EINVAL;
  const end = Math.min(count, context.ring.slots);
  // The request that sleeps has been counted: whatever ends it, it was submitted.
  let done = transfer ? restart.done - 1 : 0;
  for (; done < end; done++) {
    const request = transfer ? 0 : td.proc.vmspace.loadU64(list + done * POINTER);
    const r = failed(request) ? EFAULT : submitOne(td, context, request, transfer);
    transfer = null;
    if (restart.data instanceof Transfer) {
      restart.done = done + 1;
      return r;
    }
    if (r < 0) return done > 0 ? done : r;
  }
  return done;
});

export const sys_io_cancel = syscall("io_cancel", [uaddr, uaddr, uaddr], (td, id, request) => {
  const key = td.proc.vmspace.loadU32(request + 8);
  if (failed(key)) return EFAULT;
  if (key !== KIOCB_KEY) return EINVAL;
  for (const pending of contextAt(td, id)?.pending ?? []) {
    if (pending.event.request !== request) continue;
    pending.cancel();
    // Its event says the rest.
    return EINPROGRESS;
  }
  return EINVAL;
});

export const sys_io_getevents = syscall(
  "io_getevents",
  [uaddr, long, long, uaddr, uaddr],
  (td, id, min, max, events, timeout) => {
    const deadline = deadlineAt(td, timeout);
    return failed(deadline) ? deadline : getEvents(td, id, min, max, events, deadline);
  },
);

export const sys_io_pgetevents = syscall(
  "io_pgetevents",
  [uaddr, long, long, uaddr, uaddr, uaddr],
  (td, id, min, max, events, timeout, maskArg) => {
    const deadline = deadlineAt(td, timeout);
    if (failed(deadline)) return deadline;
    if (maskArg !== 0) {
      const mask = td.proc.vmspace.loadU64(maskArg);
      const maskSize = td.proc.vmspace.loadU64(maskArg + POINTER);
      if (failed(mask) || failed(maskSize)) return EFAULT;
      const masked = applyMask(td, mask, maskSize);
      if (masked < 0) return masked;
    }
    return getEvents(td, id, min, max, events, deadline);
  },
);

export const aioSyscalls: readonly (readonly [number, Syscall])[] = [
  [0, sys_io_setup],
  [1, sys_io_destroy],
  [2, sys_io_submit],
  [3, sys_io_cancel],
  [4, sys_io_getevents],
  [292, sys_io_pgetevents],
];

/** The context whose ring is mapped at `id`. */
function contextAt(td: Lwp, id: number): AioContext | null {
  const { vmspace } = td.proc;
  const { aio } = vmspace;
  if (!(aio instanceof AioTable)) return null;
  const e = vmspace.entries.find(id);
  if (!e || e.start !== id || e.offset !== 0) return null;
  return e.object instanceof AioRing ? aio.find(e.object) : null;
}

function getEvents(
  td: Lwp,
  id: number,
  min: number,
  max: number,
  events: number,
  deadlineNs: number,
): number {
  const context = contextAt(td, id);
  let { done } = td.restart;
  if (!context) return done > 0 ? done : EINVAL;
  if (min < 0 || min > max) return EINVAL;
  const n = context.take(td.proc.vmspace, events + done * 32, max - done);
  if (failed(n)) return done > 0 ? done : n;
  done += n;
  if (done >= min || td.cpu.clock.isPast(deadlineNs)) return done;
  td.restart.done = done;
  td.sleepUntil(context.waiting, "aio", deadlineNs);
  return ERESTARTNOHAND;
}

/** The end of a wait by the struct timespec at `timeout`, which may say anything; found once per call. */
function deadlineAt(td: Lwp, timeout: number): number {
  if (timeout === 0) return Number.POSITIVE_INFINITY;
  const { restart } = td;
  if (restart.deadlineNs < 0) {
    const sec = td.proc.vmspace.loadU64(timeout);
    const nsec = td.proc.vmspace.loadU64(timeout + 8);
    if (failed(sec) || failed(nsec)) return EFAULT;
    const waitNs = signed(sec) * NS_PER_SEC + signed(nsec);
    restart.deadlineNs = waitNs <= 0 ? 0 : td.cpu.clock.monotonicNs() + waitNs;
  }
  return restart.deadlineNs;
}

function signed(n: number): number {
  return n >= TWO63 ? n - 2 * TWO63 : n;
}
