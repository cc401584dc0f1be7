/** /proc/kmsg: the kernel's messages, each to one reader alone, as syslogd(8) takes them. See proc_kmsg(5). */
import { EAGAIN, EPERM, type Errno, failed } from "../../abi/errno.ts";
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../../abi/poll.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { CAP_SYS_ADMIN, CAP_SYSLOG } from "../../kern/cred.ts";
import type { MsgBuf } from "../../kern/msgbuf.ts";
import { hasUnread, unreadLines } from "../../kern/syslogreader.ts";
import type { Thread } from "../../kern/thread.ts";
import { bytesOf } from "../../lib/bytes.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import { ProcNode } from "./node.ts";
import type { ProcFs } from "./procfs.ts";

/** What one read is given at most. */
const READ_MAX = 65536;

export class KmsgNode extends ProcNode {
  constructor(fs: ProcFs, key: string) {
    super(fs, key, S_IFREG | 0o400);
  }

  override open(td: Thread, flags: number): File | Errno {
    if (!td.cred.hasCap(CAP_SYSLOG) && !td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
    return new KmsgFile(this.fs.table.msgbuf, flags);
  }
}

class KmsgFile extends File {
  readonly #msgbuf: MsgBuf;

  constructor(msgbuf: MsgBuf, flags: number) {
    super(flags);
    this.#msgbuf = msgbuf;
  }

  describe(): string {
    return "/proc/kmsg";
  }

  override read(td: Thread, uio: Uio): number {
    if (!hasUnread(this.#msgbuf)) {
      if ((this.flags & O_NONBLOCK) !== 0) return EAGAIN;
      return td.sleep(this.#msgbuf.arrived, "syslog");
    }
    const { text, take } = unreadLines(this.#msgbuf, Math.min(uio.resid, READ_MAX));
    const n = uio.copyout(bytesOf(text));
    if (!failed(n)) Object.assign(this.#msgbuf.syslog, take);
    return n;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#msgbuf.arrived, POLLIN | POLLRDNORM);
    return hasUnread(this.#msgbuf) ? POLLIN | POLLRDNORM : 0;
  }
}
