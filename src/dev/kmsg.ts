/**
 * /dev/kmsg: kernel messages one record a read, and a way to add some.
 *
 * A record is "prefix,sequence,microseconds,-;text\n"; prefix is facility * 8 +
 * level. Each open file reads on its own, from the oldest message kept; one
 * that fell behind learns it once (EPIPE). See kmsg in syslog(2), dmesg(1).
 */
import { EAGAIN, EINVAL, EPERM, EPIPE, type Errno, ESPIPE } from "../abi/errno.ts";
import { O_ACCMODE, O_NONBLOCK, O_RDONLY } from "../abi/fcntl.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../abi/poll.ts";
import { CAP_SYSLOG } from "../kern/cred.ts";
import type { KernelLog } from "../kern/log.ts";
import type { Message, MsgBuf } from "../kern/msgbuf.ts";
import { RateLimit } from "../kern/ratelimit.ts";
import type { Thread } from "../kern/thread.ts";
import { byteString, bytesOf } from "../lib/bytes.ts";
import type { DeviceDriver } from "../vfs/device.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { Uio } from "../vm/uio.ts";

/** Longest message that a program may add. */
const LINE_MAX = 992;
/** Where their number is limited: lines of one open file, in so long. */
const INTERVAL_NS = 5e9;
const BURST = 10;
const SEEK_SET = 0;
const SEEK_DATA = 3;
const SEEK_END = 2;

export class KmsgDriver implements DeviceDriver {
  readonly #msgbuf: MsgBuf;
  readonly #log: KernelLog;

  constructor(msgbuf: MsgBuf, log: KernelLog) {
    this.#msgbuf = msgbuf;
    this.#log = log;
  }

  open(td: Thread, _rdev: number, flags: number): File | Errno {
    if (this.#msgbuf.fromPrograms === "off" && (flags & O_ACCMODE) !== O_RDONLY) return EPERM;
    const fp = new KmsgFile(flags, this.#msgbuf, this.#log);
    return fp.isReadable && !td.cred.hasCap(CAP_SYSLOG) ? EPERM : fp;
  }
}

class KmsgFile extends File {
  readonly #msgbuf: MsgBuf;
  readonly #log: KernelLog;
  #seq: number;
  readonly #limit = new RateLimit();

  constructor(flags: number, msgbuf: MsgBuf, log: KernelLog) {
    super(flags);
    this.#msgbuf = msgbuf;
    this.#log = log;
    this.#seq = msgbuf.at(0)?.seq ?? msgbuf.nextSeq;
  }

  describe(): string {
    return "/dev/kmsg";
  }

  override read(td: Thread, uio: Uio): number {
    const m = this.#msgbuf.at(this.#seq);
    if (!m) {
      if (this.flags & O_NONBLOCK) return EAGAIN;
      return td.sleep(this.#msgbuf.arrived, "kmsg");
    }
    if (m.seq !== this.#seq) {
      this.#seq = m.seq;
      return EPIPE;
    }
    const record = bytesOf(formatRecord(m));
    if (record.length > uio.resid) return EINVAL;
    const n = uio.copyout(record);
    if (n > 0) this.#seq++;
    return n;
  }

  override write(td: Thread, uio: Uio): number {
    const length = uio.resid;
    if (length > LINE_MAX) return EINVAL;
    const how = this.#msgbuf.fromPrograms;
    const nowNs = td.cpu.clock.monotonicNs();
    if (how === "off") return length;
    if (how === "ratelimit" && !this.#limit.allows(nowNs, INTERVAL_NS, BURST)) return length;
    const bytes = new Uint8Array(length);
    const n = uio.copyin(bytes);
    if (n < 0) return n;
    const line = byteString(bytes, 0, n);
    const prefix = /^<(\d{1,4})>/.exec(line);
    const level = prefix ? Number(prefix[1]) & 7 : this.#msgbuf.levels.message;
    this.#log.log(level, line.slice(prefix?.[0].length ?? 0).replace(/\n+$/, ""));
    return length;
  }

  override seek(offset: number, whence: number): number {
    if (offset !== 0) return ESPIPE;
    const oldest = this.#msgbuf.at(0)?.seq ?? this.#msgbuf.nextSeq;
    if (whence === SEEK_SET || whence === SEEK_DATA) this.#seq = oldest;
    else if (whence === SEEK_END) this.#seq = this.#msgbuf.nextSeq;
    else return EINVAL;
    return 0;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    table?.watch(this.#msgbuf.arrived);
    const m = this.#msgbuf.at(this.#seq);
    const writable = POLLOUT | POLLWRNORM;
    if (!m) return writable;
    const behind = m.seq === this.#seq ? 0 : POLLERR | POLLPRI;
    return writable | POLLIN | POLLRDNORM | behind;
  }
}

function formatRecord(m: Message): string {
  const text = m.text.replace(/[^\x20-\x5b\x5d-\x7e]/g, (c) => {
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
  return `${m.level},${m.seq},${Math.floor(m.timeNs / 1000)},-;${text}\n`;
}
