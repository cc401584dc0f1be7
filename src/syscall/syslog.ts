/**
 * syslog(2), which the C library calls klogctl(3): the kernel's messages for
 * dmesg(1), taken one reader after the other for klogd(8), and the level up to
 * which the console shows them.
 */
import { EFAULT, EINVAL, EPERM, failed } from "../abi/errno.ts";
import { CAP_SYS_ADMIN, CAP_SYSLOG } from "../kern/cred.ts";
import { MSGBUF_BYTES } from "../kern/msgbuf.ts";
import { hasUnread, syslogLine, unreadLines } from "../kern/syslogreader.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { int, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const CLOSE = 0;
const OPEN = 1;
const READ = 2;
const READ_ALL = 3;
const READ_CLEAR = 4;
const CLEAR = 5;
const CONSOLE_OFF = 6;
const CONSOLE_ON = 7;
const CONSOLE_LEVEL = 8;
const SIZE_UNREAD = 9;
const SIZE_BUFFER = 10;

export const sys_syslog = syscall("syslog", [int, uaddr, int], (td, action, buf, length) => {
  const { msgbuf } = td.proc.table;
  const { levels, syslog } = msgbuf;
  const isRestricted = td.proc.table.settings.dmesgRestrict;
  const isOpenToAll = !isRestricted && (action === READ_ALL || action === SIZE_BUFFER);
  if (!isOpenToAll && !td.cred.hasCap(CAP_SYSLOG) && !td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  switch (action) {
    case CLOSE:
    case OPEN:
      return 0;
    case READ:
      return buf === 0 || length < 0 ? EINVAL : readNext(td, buf, length);
    case READ_ALL:
    case READ_CLEAR: {
      if (buf === 0 || length < 0) return EINVAL;
      const n = readLast(td, buf, length);
      if (action === READ_CLEAR && !failed(n)) syslog.clearedSeq = msgbuf.nextSeq;
      return n;
    }
    case CLEAR:
      syslog.clearedSeq = msgbuf.nextSeq;
      return 0;
    case CONSOLE_OFF:
      levels.silence();
      return 0;
    case CONSOLE_ON:
      levels.unsilence();
      return 0;
    case CONSOLE_LEVEL:
      if (length < 1 || length > 8) return EINVAL;
      levels.setConsole(Math.max(levels.minimum, length));
      return 0;
    case SIZE_UNREAD:
      return unread(td);
    case SIZE_BUFFER:
      return MSGBUF_BYTES;
    default:
      return EINVAL;
  }
});

export const syslogSyscalls: readonly (readonly [number, Syscall])[] = [[116, sys_syslog]];

/** What no reader has taken yet, as much as fits; a long line may go in pieces. */
function readNext(td: Lwp, buf: number, length: number): number {
  const { msgbuf } = td.proc.table;
  if (length === 0) return 0;
  if (!hasUnread(msgbuf)) return td.sleep(msgbuf.arrived, "syslog");
  const { text, take } = unreadLines(msgbuf, length);
  if (failed(td.proc.vmspace.copyout(buf, bytesOf(text)))) return EFAULT;
  Object.assign(msgbuf.syslog, take);
  return text.length;
}

/** The last whole lines that fit, but none from before the last clearing. */
function readLast(td: Lwp, buf: number, length: number): number {
  const { msgbuf } = td.proc.table;
  const kept = msgbuf.all().filter((m) => m.seq >= msgbuf.syslog.clearedSeq);
  let from = kept.length;
  let text = "";
  while (from > 0) {
    const next = syslogLine(kept[from - 1]!);
    if (next.length + text.length > length) break;
    text = next + text;
    from--;
  }
  return failed(td.proc.vmspace.copyout(buf, bytesOf(text))) ? EFAULT : text.length;
}

function unread(td: Lwp): number {
  const { msgbuf } = td.proc.table;
  const { readSeq, readBytes } = msgbuf.syslog;
  let bytes = 0;
  for (const m of msgbuf.all()) {
    if (m.seq >= readSeq) bytes += syslogLine(m).length - (m.seq === readSeq ? readBytes : 0);
  }
  return bytes;
}
