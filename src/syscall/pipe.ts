/** pipe2(2). */
import { EFAULT, EINVAL, failed } from "../abi/errno.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../abi/fcntl.ts";
import { Pipe, PipeFile, pipeAttr } from "../vfs/pipe.ts";
import { flags, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

export const sys_pipe2 = syscall("pipe2", [uaddr, flags], (td, out, how) => {
  // O_DIRECT's packets are not offered.
  if ((how & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return EINVAL;
  const { vfs } = td.fs;
  const ino = vfs.anonymousIno();
  const { fsuid, fsgid } = td.cred;
  const pipe = new Pipe(ino, false, vfs.kmem);
  pipe.attr = pipeAttr(ino, vfs.pipeDev, fsuid, fsgid, td.cpu.clock.realtime());
  const reserved = pipe.reserve(td, vfs.settings);
  if (failed(reserved)) return reserved;
  const status = how & O_NONBLOCK;
  const reader = new PipeFile(pipe, O_RDONLY | status);
  const writer = new PipeFile(pipe, O_WRONLY | status);
  const table = td.fdtable;
  const isCloexec = (how & O_CLOEXEC) !== 0;
  const r = table.alloc(reader, isCloexec);
  const w = r < 0 ? r : table.alloc(writer, isCloexec);
  if (w >= 0) {
    const mem = td.proc.vmspace;
    if (!failed(mem.storeU32(out, r)) && !failed(mem.storeU32(out + 4, w))) return 0;
    table.close(w);
    table.close(r);
    return EFAULT;
  }
  writer.release();
  if (r >= 0) table.close(r);
  else reader.release();
  return w;
});

export const pipeSyscalls: readonly (readonly [number, Syscall])[] = [[59, sys_pipe2]];
