/**
 * The one reader of the message buffer that takes lines away as it reads them:
 * syslog(2) SYSLOG_ACTION_READ, and /proc/kmsg, which share it.
 */
import { formatMessage, type Message, type MsgBuf } from "./msgbuf.ts";

export function syslogLine(m: Message): string {
  return `<${m.level}>${formatMessage(m)}\n`;
}

export function hasUnread(msgbuf: MsgBuf): boolean {
  return msgbuf.at(msgbuf.syslog.readSeq) !== null;
}

/** What nobody has taken yet, up to `length` bytes, and how to take it: a long line may go in pieces. */
export function unreadLines(msgbuf: MsgBuf, length: number): { text: string; take: Taken } {
  let { readSeq, readBytes } = msgbuf.syslog;
  let text = "";
  for (let m = msgbuf.at(readSeq); m && text.length < length; m = msgbuf.at(readSeq)) {
    // Of a line that was pushed out while in pieces the rest is gone.
    if (m.seq !== readSeq) readBytes = 0;
    const rest = syslogLine(m).slice(readBytes);
    const room = length - text.length;
    text += rest.slice(0, room);
    const isWhole = rest.length <= room;
    readSeq = isWhole ? m.seq + 1 : m.seq;
    readBytes = isWhole ? 0 : readBytes + room;
  }
  return { text, take: { readSeq, readBytes } };
}

/** How far the reader is then: into `MsgBuf.syslog` once the text has reached its reader. */
export interface Taken {
  readonly readSeq: number;
  readonly readBytes: number;
}
