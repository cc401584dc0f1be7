/**
 * What a sendmsg(2) passes along over a UNIX socket: SCM_RIGHTS and SCM_CREDENTIALS. See unix(7), cmsg(3).
 */
import { EBADF, EINVAL, EPERM, type Errno, ESRCH } from "../../abi/errno.ts";
import {
  CmsgHdr,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SOL_SOCKET,
  Ucred,
} from "../../abi/socket.ts";
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from "../../kern/cred.ts";
import { NO_ID } from "../../kern/idmap.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { File } from "../../vfs/file.ts";
import type { PeerCred, SentControl } from "../message.ts";
import { viewOf } from "../sockopt.ts";

const ALIGN = 8;

export class Scm implements SentControl {
  creds: PeerCred | null = null;
  /** Held, until a message takes them over. */
  files: File[] = [];

  /** Understands `bytes`, a list of struct cmsghdr: EINVAL, EBADF, EPERM, ESRCH. */
  static parse(td: Lwp, bytes: Uint8Array): Scm | Errno {
    const scm = new Scm();
    const r = scm.#parse(td, bytes);
    if (r === 0) return scm;
    scm.release();
    return r;
  }

  release(): void {
    for (const fp of this.files.splice(0)) fp.release();
  }

  #parse(td: Lwp, bytes: Uint8Array): 0 | Errno {
    const view = viewOf(bytes);
    const { sizeof } = CmsgHdr;
    for (let at = 0; at + sizeof <= bytes.length; ) {
      const length = CmsgHdr.cmsg_len.get(view, at);
      if (length < sizeof || length > bytes.length - at) return EINVAL;
      if (CmsgHdr.cmsg_level.get(view, at) === SOL_SOCKET) {
        const type = CmsgHdr.cmsg_type.get(view, at);
        const from = at + sizeof;
        const to = at + length;
        let r: 0 | Errno = EINVAL;
        if (type === SCM_RIGHTS) r = this.#takeFiles(td, view, from, to);
        else if (type === SCM_CREDENTIALS) r = this.#takeCreds(td, view, from, to);
        if (r !== 0) return r;
      }
      at += Math.ceil(length / ALIGN) * ALIGN;
    }
    return 0;
  }

  #takeFiles(td: Lwp, view: DataView, from: number, to: number): 0 | Errno {
    const count = Math.floor((to - from) / 4);
    if (count > SCM_MAX_FD || this.files.length + count > SCM_MAX_FD) return EINVAL;
    for (let i = 0; i < count; i++) {
      const fd = view.getInt32(from + i * 4, true);
      const fp = fd < 0 ? null : td.fdtable.getAny(fd);
      if (!fp) return EBADF;
      this.files.push(fp.hold());
    }
    return 0;
  }

  /** One may tell another's ids only with the right to be him. */
  #takeCreds(td: Lwp, view: DataView, from: number, to: number): 0 | Errno {
    if (to - from !== Ucred.sizeof) return EINVAL;
    const pid = Ucred.pid.get(view, from);
    const c = td.cred;
    const uid = c.userns.kuid(Ucred.uid.get(view, from));
    const gid = c.userns.kgid(Ucred.gid.get(view, from));
    if (uid === NO_ID || gid === NO_ID) return EINVAL;
    const isOwn = pid === td.proc.ownPid;
    if (!isOwn && !c.hasCapIn(td.pidns.owner, CAP_SYS_ADMIN)) return EPERM;
    const isOwnUid = uid === c.uid || uid === c.euid || uid === c.suid;
    if (!isOwnUid && !c.hasOwnCap(CAP_SETUID)) return EPERM;
    const isOwnGid = gid === c.gid || gid === c.egid || gid === c.sgid;
    if (!isOwnGid && !c.hasOwnCap(CAP_SETGID)) return EPERM;
    const sender = isOwn ? td.proc : td.findProc(pid);
    if (!sender) return ESRCH;
    this.creds = { pid: sender.id, uid, gid };
    return 0;
  }
}
