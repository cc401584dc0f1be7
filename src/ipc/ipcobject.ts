/**
 * What segments, semaphore sets and message queues have in common: a key, an
 * identifier, owners and permissions. See sysvipc(7), svipc(7).
 */
import { EINVAL } from "../abi/errno.ts";
import { IPC_PRIVATE } from "../abi/ipc.ts";
import { CAP_IPC_OWNER, CAP_SYS_ADMIN, type Cred } from "../kern/cred.ts";
import type { UserNamespace } from "../kern/userns.ts";

const PERMISSIONS = 0o777;
/** (uid_t)-1, or an id that its caller's user name space does not map. */
const NO_ID = -1;

export abstract class IpcObject {
  key: number;
  /** Index in its table, and how often the table had wrapped when it was made; see ids.ts. */
  id = -1;
  seq = 0;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  /** Permission bits; segments have SHM_DEST and SHM_LOCKED beside them. */
  mode: number;
  /** Its identifier names it no more: who sleeps on it gets EIDRM. */
  isRemoved = false;
  /** Seconds of the day. */
  ctimeSec: number;
  /** That owns its IPC name space. */
  readonly #userns: UserNamespace;

  constructor(key: number, flags: number, cred: Cred, nowSec: number, userns: UserNamespace) {
    this.#userns = userns;
    this.key = key;
    this.uid = this.cuid = cred.euid;
    this.gid = this.cgid = cred.egid;
    this.mode = flags & PERMISSIONS;
    this.ctimeSec = nowSec;
  }

  get isPrivate(): boolean {
    return this.key === IPC_PRIVATE;
  }

  /** Whether `cred` may do what the permission bits in `flags` say; bits of any class mean all. */
  permits(cred: Cred, flags: number): boolean {
    const wanted = (flags >> 6) | (flags >> 3) | flags;
    let granted = this.mode;
    if (cred.euid === this.cuid || cred.euid === this.uid) granted >>= 6;
    else if (cred.isMember(this.cgid) || cred.isMember(this.gid)) granted >>= 3;
    return (wanted & ~granted & 7) === 0 || cred.hasCapIn(this.#userns, CAP_IPC_OWNER);
  }

  isOwner(cred: Cred): boolean {
    return cred.euid === this.cuid || cred.euid === this.uid;
  }

  /** Whether `cred` may change or remove it. */
  mayControl(cred: Cred): boolean {
    return this.isOwner(cred) || cred.hasCapIn(this.#userns, CAP_SYS_ADMIN);
  }

  /** IPC_SET: 0 or EINVAL. */
  setOwner(uid: number, gid: number, mode: number, nowSec: number): number {
    if (uid === NO_ID || gid === NO_ID) return EINVAL;
    this.uid = uid;
    this.gid = gid;
    this.mode = (this.mode & ~PERMISSIONS) | (mode & PERMISSIONS);
    this.ctimeSec = nowSec;
    return 0;
  }
}
