/**
 * Control messages of a recvmsg(2), laid out in user memory. See cmsg(3).
 *
 * What does not fit is cut, as in Linux: of bytes the end, of open files those
 * without room, which are closed; msg_flags says so.
 */
import { failed } from "../abi/errno.ts";
import {
  CmsgHdr,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  SCM_CREDENTIALS,
  SCM_RIGHTS,
  SO_TIMESTAMP,
  SO_TIMESTAMP_NEW,
  SO_TIMESTAMPNS,
  SO_TIMESTAMPNS_NEW,
  SOL_SOCKET,
  Ucred,
} from "../abi/socket.ts";
import type { Timespec } from "../kern/clock.ts";
import type { PeerCred, Receiving } from "../net/message.ts";
import type { Lwp } from "../proc/lwp.ts";

const ALIGN = 8;

/** Writes what came with a message to [at, at + room): how many bytes it took, and MSG_CTRUNC if that was not all. */
export class ControlWriter {
  readonly #td: Lwp;
  #at: number;
  #left: number;
  used = 0;
  outFlags = 0;

  constructor(td: Lwp, at: number, room: number) {
    this.#td = td;
    this.#at = at;
    this.#left = at === 0 ? 0 : room;
  }

  write(receiving: Receiving, timestamp: number): void {
    if (receiving.time) this.#time(receiving.time, timestamp);
    for (const { level, type, data } of receiving.control) this.#put(level, type, data);
    if (receiving.creds)
      this.#put(SOL_SOCKET, SCM_CREDENTIALS, credsBytes(this.#td, receiving.creds));
    if (receiving.files) this.#files(receiving);
  }

  #time(t: Timespec, option: number): void {
    const isNs = option === SO_TIMESTAMPNS || option === SO_TIMESTAMPNS_NEW;
    const bytes = new Uint8Array(16);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, BigInt(t.sec), true);
    view.setBigInt64(8, BigInt(isNs ? t.nsec : Math.floor(t.nsec / 1000)), true);
    const isOld = option === SO_TIMESTAMP || option === SO_TIMESTAMPNS;
    this.#put(SOL_SOCKET, isOld || isNs ? option : SO_TIMESTAMP_NEW, bytes);
  }

  #put(level: number, type: number, data: Uint8Array): void {
    const { sizeof } = CmsgHdr;
    if (this.#left < sizeof) {
      this.outFlags |= MSG_CTRUNC;
      return;
    }
    let length = sizeof + data.length;
    if (this.#left < length) {
      this.outFlags |= MSG_CTRUNC;
      length = this.#left;
    }
    const bytes = new Uint8Array(length);
    setHeader(bytes, length, level, type);
    bytes.set(data.subarray(0, length - sizeof), sizeof);
    if (failed(this.#td.proc.vmspace.copyout(this.#at, bytes))) return;
    this.#advance(length);
  }

  #files(receiving: Receiving): void {
    const { sizeof } = CmsgHdr;
    const td = this.#td;
    const files = receiving.files!;
    receiving.files = null;
    const room = this.#left <= sizeof ? 0 : Math.floor((this.#left - sizeof) / 4);
    const isCloexec = (receiving.flags & MSG_CMSG_CLOEXEC) !== 0;
    const bytes = new Uint8Array(4);
    let taken = 0;
    while (taken < files.length && taken < room) {
      const fd = td.fdtable.alloc(files[taken]!, isCloexec);
      if (fd < 0) break;
      new DataView(bytes.buffer).setInt32(0, fd, true);
      if (failed(td.proc.vmspace.copyout(this.#at + sizeof + taken * 4, bytes))) {
        td.fdtable.close(fd);
        taken++;
        for (const fp of files.slice(taken)) fp.release();
        this.outFlags |= MSG_CTRUNC;
        this.#finishFiles(taken - 1);
        return;
      }
      taken++;
    }
    for (const fp of files.slice(taken)) fp.release();
    if (taken < files.length) this.outFlags |= MSG_CTRUNC;
    this.#finishFiles(taken);
  }

  #finishFiles(count: number): void {
    if (count === 0) return;
    const header = new Uint8Array(CmsgHdr.sizeof);
    const length = CmsgHdr.sizeof + count * 4;
    setHeader(header, length, SOL_SOCKET, SCM_RIGHTS);
    if (failed(this.#td.proc.vmspace.copyout(this.#at, header))) return;
    this.#advance(length);
  }

  #advance(length: number): void {
    const step = Math.min(Math.ceil(length / ALIGN) * ALIGN, this.#left);
    this.#at += step;
    this.#left -= step;
    this.used += step;
  }
}

function setHeader(bytes: Uint8Array, length: number, level: number, type: number): void {
  const view = new DataView(bytes.buffer);
  CmsgHdr.cmsg_len.set(view, 0, length);
  CmsgHdr.cmsg_level.set(view, 0, level);
  CmsgHdr.cmsg_type.set(view, 0, type);
}

/** As the receiver knows the sender. */
function credsBytes(td: Lwp, { pid, uid, gid }: PeerCred): Uint8Array {
  const { userns } = td.cred;
  const bytes = new Uint8Array(Ucred.sizeof);
  const view = new DataView(bytes.buffer);
  Ucred.pid.set(view, 0, pid ? td.numberOf(pid) : 0);
  Ucred.uid.set(view, 0, userns.shownUid(uid));
  Ucred.gid.set(view, 0, userns.shownGid(gid));
  return bytes;
}
