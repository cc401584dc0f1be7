/** epoll_create1(2), epoll_ctl(2), epoll_pwait(2). */
import { EBADF, EFAULT, EINVAL, ERESTARTNOHAND, failed } from "../abi/errno.ts";
import { O_CLOEXEC } from "../abi/fcntl.ts";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EpollEvent } from "../abi/poll.ts";
import type { Lwp } from "../proc/lwp.ts";
import { anonAttr } from "../vfs/anon.ts";
import { EpollFile, type EventSink } from "../vfs/epoll.ts";
import type { File } from "../vfs/file.ts";
import { flags, int, fd as openFd, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";
import { applyMask, waitUntil } from "./poll.ts";

const EVENT_SIZE = EpollEvent.sizeof;
const MAX_EVENTS = 0x7fffffff / EVENT_SIZE;

export const sys_epoll_create1 = syscall("epoll_create1", [flags], (td, how) => {
  if ((how & ~O_CLOEXEC) !== 0) return EINVAL;
  const { vfs } = td.fs;
  const fp = new EpollFile(anonAttr(vfs, td.cred), vfs.kmem.ofCurrent, {
    uid: td.cred.uid,
    settings: vfs.settings,
  });
  return newFd(td, fp, (how & O_CLOEXEC) !== 0);
});

export const sys_epoll_ctl = syscall(
  "epoll_ctl",
  [int, int, int, uaddr],
  (td, epfd, op, fd, event) => {
    const view = td.cpu.scratchView;
    if (op !== EPOLL_CTL_DEL) {
      const bytes = td.cpu.scratchPrefix(EVENT_SIZE);
      if (failed(td.proc.vmspace.copyin(event, bytes))) return EFAULT;
    }
    const table = td.fdtable;
    const epoll = table.get(epfd);
    const file = table.get(fd);
    if (!epoll || !file) return EBADF;
    if (!(epoll instanceof EpollFile)) return EINVAL;
    if (op === EPOLL_CTL_DEL) return epoll.remove(fd, file);
    const events = EpollEvent.events.get(view, 0) | 0;
    const lo = EpollEvent.data_lo.get(view, 0);
    const hi = EpollEvent.data_hi.get(view, 0);
    if (op === EPOLL_CTL_ADD) return epoll.add(td, fd, file, events, lo, hi);
    return op === EPOLL_CTL_MOD ? epoll.modify(td, fd, file, events, lo, hi) : EINVAL;
  },
);

export const sys_epoll_pwait = syscall(
  "epoll_pwait",
  [openFd, uaddr, int, int, uaddr, size],
  (td, epoll, out, room, timeoutMs, mask, maskSize) => {
    let deadline = Number.POSITIVE_INFINITY;
    if (timeoutMs >= 0) {
      if (td.restart.deadlineNs < 0) {
        td.restart.deadlineNs = td.cpu.clock.monotonicNs() + timeoutMs * 1e6;
      }
      deadline = td.restart.deadlineNs;
    }
    return wait(td, epoll, out, room, timeoutMs === 0 ? 0 : deadline, mask, maskSize);
  },
);

export const sys_epoll_pwait2 = syscall(
  "epoll_pwait2",
  [openFd, uaddr, int, uaddr, uaddr, size],
  (td, epoll, out, room, timeout, mask, maskSize) => {
    const deadline = waitUntil(td, timeout);
    return failed(deadline) ? deadline : wait(td, epoll, out, room, deadline, mask, maskSize);
  },
);

function wait(
  td: Lwp,
  epoll: File,
  out: number,
  room: number,
  deadline: number,
  mask: number,
  maskSize: number,
): number {
  if (room <= 0 || room > MAX_EVENTS) return EINVAL;
  if (!(epoll instanceof EpollFile)) return EINVAL;
  const masked = applyMask(td, mask, maskSize);
  if (masked < 0) return masked;
  const { scratch, scratchView } = td.cpu;
  const sink = new EventWriter(scratchView, Math.min(room, scratch.length / EVENT_SIZE));
  const n = epoll.collect(td, sink);
  if (n > 0) {
    const r = td.proc.vmspace.copyout(out, scratch.subarray(0, n * EVENT_SIZE));
    return r < 0 ? r : n;
  }
  if (td.cpu.clock.isPast(deadline)) return 0;
  td.sleepUntil(epoll.waiting, "ep_poll", deadline);
  return ERESTARTNOHAND;
}

class EventWriter implements EventSink {
  readonly #view: DataView;
  readonly #room: number;
  #used = 0;

  constructor(view: DataView, room: number) {
    this.#view = view;
    this.#room = room;
  }

  event(events: number, dataLo: number, dataHi: number): boolean {
    if (this.#used === this.#room) return false;
    const at = this.#used++ * EVENT_SIZE;
    EpollEvent.events.set(this.#view, at, events);
    EpollEvent.__pad.set(this.#view, at, 0);
    EpollEvent.data_lo.set(this.#view, at, dataLo);
    EpollEvent.data_hi.set(this.#view, at, dataHi);
    return true;
  }
}

export const epollSyscalls: readonly (readonly [number, Syscall])[] = [
  [20, sys_epoll_create1],
  [21, sys_epoll_ctl],
  [22, sys_epoll_pwait],
  [441, sys_epoll_pwait2],
];
