/** signalfd4(2): signals read from a file instead of handled. */
import { EAGAIN, EBADF, EFAULT, EINVAL, type Errno, failed } from "../abi/errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../abi/poll.ts";
import { SignalfdSiginfo } from "../abi/signalfd.ts";
import type { Thread } from "../kern/thread.ts";
import { Lwp } from "../proc/lwp.ts";
import { isAboutFile, type SigInfo } from "../proc/siginfo.ts";
import { takeWanted } from "../proc/signal.ts";
import { SigSet } from "../proc/sigset.ts";
import { anonAttr } from "../vfs/anon.ts";
import type { Attr } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { Uio } from "../vm/uio.ts";
import { flags, int, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

/** Reads the signals of whoever reads it: thread and process, as Linux has it. */
class SignalFile extends File {
  /** Signals that it takes. */
  readonly mask: SigSet;
  readonly #attr: Attr;

  constructor(mask: SigSet, status: number, attr: Attr) {
    super(O_RDWR | status);
    this.mask = mask;
    this.#attr = attr;
  }

  describe(): string {
    return "anon_inode:[signalfd]";
  }

  override stat(): Attr | Errno {
    return this.#attr;
  }

  override read(td: Thread, uio: Uio): number {
    if (!(td instanceof Lwp) || uio.resid < SignalfdSiginfo.sizeof) return EINVAL;
    if (this.#next(td) === 0) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(td.proc.signalQueue, "signalfd");
    }
    let done = 0;
    while (uio.resid >= SignalfdSiginfo.sizeof) {
      const info = takeWanted(td, this.mask);
      if (!info) break;
      const n = uio.copyout(encode(info));
      if (n < 0) return done > 0 ? done : n;
      done += n;
    }
    return done;
  }

  override poll(td: Thread, table: PollTable | null): number {
    if (!(td instanceof Lwp)) return 0;
    table?.watch(td.proc.signalQueue, POLLIN | POLLRDNORM);
    return this.#next(td) !== 0 ? POLLIN | POLLRDNORM : 0;
  }

  #next(td: Lwp): number {
    const others = new SigSet();
    others.setWords(~this.mask.lo, ~this.mask.hi);
    return td.pending.nextOutside(others) || td.proc.pending.nextOutside(others);
  }
}

function encode(info: SigInfo): Uint8Array {
  const out = new Uint8Array(SignalfdSiginfo.sizeof);
  const v = new DataView(out.buffer);
  SignalfdSiginfo.ssi_signo.set(v, 0, info.signo);
  SignalfdSiginfo.ssi_errno.set(v, 0, info.errno ?? 0);
  SignalfdSiginfo.ssi_code.set(v, 0, info.code);
  SignalfdSiginfo.ssi_pid.set(v, 0, info.pid ?? 0);
  SignalfdSiginfo.ssi_uid.set(v, 0, info.uid ?? 0);
  SignalfdSiginfo.ssi_int.set(v, 0, info.valueLo ?? 0);
  SignalfdSiginfo.ssi_ptr.set(
    v,
    0,
    (info.valueHi ?? 0) * 0x100000000 + ((info.valueLo ?? 0) >>> 0),
  );
  SignalfdSiginfo.ssi_utime.set(v, 0, info.utimeTicks ?? 0);
  SignalfdSiginfo.ssi_stime.set(v, 0, info.stimeTicks ?? 0);
  if (isAboutFile(info)) {
    SignalfdSiginfo.ssi_fd.set(v, 0, info.status ?? 0);
    SignalfdSiginfo.ssi_band.set(v, 0, info.addr ?? 0);
  } else {
    SignalfdSiginfo.ssi_status.set(v, 0, info.status ?? 0);
    SignalfdSiginfo.ssi_addr.set(v, 0, info.addr ?? 0);
  }
  return out;
}

export const sys_signalfd4 = syscall(
  "signalfd4",
  [int, uaddr, size, flags],
  (td, fd, mask, maskSize, how) => {
    if (maskSize !== 8 || (how & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
    const lo = td.proc.vmspace.loadU32(mask);
    const hi = td.proc.vmspace.loadU32(mask + 4);
    if (failed(lo) || failed(hi)) return EFAULT;
    const set = new SigSet();
    set.setWords(lo, hi);
    set.dropUnblockable();
    if (fd === -1) {
      const fp = new SignalFile(set, how & O_NONBLOCK, anonAttr(td.fs.vfs, td.cred));
      return newFd(td, fp, (how & O_CLOEXEC) !== 0);
    }
    const fp = td.fdtable.get(fd);
    if (!fp) return EBADF;
    if (!(fp instanceof SignalFile)) return EINVAL;
    fp.mask.assign(set);
    td.proc.signalQueue.wakeup();
    return fd;
  },
);

export const signalfdSyscalls: readonly (readonly [number, Syscall])[] = [[74, sys_signalfd4]];
