/**
 * What all UNIX sockets share: a name, a peer, whom the peer was, and the
 * files that wait in it. See unix(7).
 *
 * A peer may be dead: a datagram socket keeps it until it is told so by a send.
 */
import {
  EACCES,
  ECONNREFUSED,
  EINVAL,
  ENODATA,
  ENOPROTOOPT,
  ENOTCONN,
  EPROTOTYPE,
  ERANGE,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import {
  AF_UNIX,
  SO_PASSCRED,
  SO_PEEK_OFF,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERPIDFD,
  Ucred,
} from "../../abi/socket.ts";
import { S_IFSOCK } from "../../abi/stat.ts";
import type { Cred } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { Pid } from "../../proc/pid.ts";
import { PidFile } from "../../proc/pidfd.ts";
import { access, MAY_WRITE } from "../../vfs/access.ts";
import { namei, WALK_FOLLOW } from "../../vfs/namei.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import { type Path, releasePath } from "../../vfs/path.ts";
import { unlink } from "../../vfs/remove.ts";
import type { PeerCred, SentControl } from "../message.ts";
import { RCV_SHUTDOWN, SEND_SHUTDOWN, Socket } from "../socket.ts";
import type { SocketFile } from "../socketfile.ts";
import { intOf, intValue, setPeekOff, viewOf } from "../sockopt.ts";
import { checkAddress, isAbstract, isUnnamed, noAddress, pathAddress, pathOf } from "./address.ts";
import type { UnixDomain } from "./domain.ts";
import type { Rights } from "./rights.ts";
import { Scm } from "./scm.ts";

export type UnixState = "closed" | "established" | "listening" | "dead";

/** What a socket takes, about, beside what waits in it. */
export const SOCKET_BYTES = 1536;

/** Who made a connection, as the other side may ask. */
export interface PeerIdentity {
  readonly id: Pid;
  readonly cred: Cred;
}

export abstract class UnixSocket extends Socket {
  readonly domain: UnixDomain;
  /** Abstract names are its network's. */
  readonly net: NetNamespace;
  state: UnixState = "closed";
  /** Its name, once it has one. */
  address: Uint8Array | null = null;
  /** Where its name is a path: that place, held. */
  #place: Path | null = null;
  peer: UnixSocket | null = null;
  peerIdentity: PeerIdentity | null = null;
  /** How many messages have its file. */
  inFlight = 0;

  constructor(domain: UnixDomain, net: NetNamespace, type: number, protocol: number) {
    super(AF_UNIX, type, protocol, domain.vfs.anonymousIno(), domain.tunables);
    this.domain = domain;
    this.net = net.hold();
    domain.sockets.add(this);
  }

  override get netns(): NetNamespace {
    return this.net;
  }

  get isDead(): boolean {
    return this.state === "dead";
  }

  /** The files that wait in it, in messages. */
  abstract rights(): Iterable<Rights>;
  /** Takes them out of their messages, which stay. */
  abstract takeRights(): Rights[];

  /** Connections that wait in it to be accepted. */
  embryos(): Iterable<UnixSocket> {
    return [];
  }

  override bind(td: Thread, address: Uint8Array): number {
    if (isUnnamed(address)) return this.autobind();
    const bad = checkAddress(address);
    if (bad !== 0) return bad;
    if (isAbstract(address)) {
      if (this.address) return EINVAL;
      const r = this.domain.names.bindAbstract(this, address);
      if (r === 0) this.address = address;
      return r;
    }
    const path = pathOf(address);
    const place = this.domain.names.bindPath(td as Lwp, this, path);
    if (failed(place)) return place;
    if (this.address) {
      // As in Linux the file is made first: an existing one is the first complaint.
      this.domain.names.unbindPath(place);
      releasePath(place);
      unlink(td, (td as Lwp).fs, path, null);
      return EINVAL;
    }
    this.#place = place;
    this.address = pathAddress(path);
    return 0;
  }

  /** Gives it an abstract name if it has none. */
  autobind(): number {
    if (this.address) return 0;
    const address = this.domain.names.autobind(this);
    if (failed(address)) return address;
    this.address = address;
    return 0;
  }

  /** The socket at an address that was checked: ECONNREFUSED, EPROTOTYPE, EACCES, or of the walk. */
  protected find(td: Thread, address: Uint8Array): UnixSocket | Errno {
    const { names } = this.domain;
    if (isAbstract(address)) return names.named(this, address) ?? ECONNREFUSED;
    const at = namei((td as Lwp).fs, td, pathOf(address), WALK_FOLLOW);
    if (failed(at)) return at;
    const vp = at.entry.vnode!;
    const denied = access(vp, td.cred, MAY_WRITE);
    if (failed(denied)) return denied === EACCES ? EACCES : denied;
    const found = vp.type === S_IFSOCK ? names.at(vp) : null;
    if (!found) return ECONNREFUSED;
    return found.type === this.type ? found : EPROTOTYPE;
  }

  name(): Uint8Array {
    return this.address ?? noAddress();
  }

  peerName(): Uint8Array | Errno {
    return this.peer ? this.peer.name() : ENOTCONN;
  }

  override control(td: Thread, bytes: Uint8Array): SentControl | Errno {
    return Scm.parse(td as Lwp, bytes);
  }

  /** Connects two new sockets of the same making: socketpair(2). */
  join(td: Thread, other: UnixSocket): void {
    const identity = identityOf(td);
    for (const [a, b] of [
      [this, other],
      [other, this],
    ] as const) {
      a.peer = b;
      a.peerIdentity = identity;
      a.state = "established";
    }
  }

  /** The other side of a connection, which hears of a shutdown; null for who has none. */
  protected connected(): UnixSocket | null {
    return this.peer;
  }

  shutdown(how: number): number {
    const bits = this.shutdownBits(how);
    if (bits < 0) return bits;
    this.closed |= bits;
    const peer = this.connected();
    if (peer && !peer.isDead) {
      if ((bits & RCV_SHUTDOWN) !== 0) peer.closed |= SEND_SHUTDOWN;
      if ((bits & SEND_SHUTDOWN) !== 0) peer.closed |= RCV_SHUTDOWN;
      peer.changed();
    }
    this.changed();
    return 0;
  }

  /** Whoever waits for it looks again. */
  changed(): void {
    this.readable.wakeup();
    this.writable.wakeup();
  }

  override setOwnOption(_td: Thread, name: number, value: Uint8Array): number {
    if (name === SO_PASSCRED) {
      this.options.passcred = intOf(value) !== 0;
      return 0;
    }
    return name === SO_PEEK_OFF ? setPeekOff(this, value) : ENOPROTOOPT;
  }

  override getOwnOption(td: Thread, name: number, room: number): Uint8Array | Errno {
    switch (name) {
      case SO_PASSCRED:
        return intValue(this.options.passcred ? 1 : 0);
      case SO_PEEK_OFF:
        return intValue(this.options.peekOff);
      case SO_PEERCRED:
        return credsBytes(td as Lwp, credsOf(this.peerIdentity));
      case SO_PEERGROUPS:
        return this.#peerGroups(td, room);
      case SO_PEERPIDFD:
        return this.#peerPidfd(td as Lwp);
      default:
        return ENOPROTOOPT;
    }
  }

  #peerGroups(td: Thread, room: number): Uint8Array | Errno {
    if (!this.peerIdentity) return ENODATA;
    const { groups } = this.peerIdentity.cred;
    if (room < groups.length * 4) return ERANGE;
    return new Uint8Array(Uint32Array.from(groups, (gid) => td.cred.userns.shownGid(gid)).buffer);
  }

  #peerPidfd(td: Lwp): Uint8Array | Errno {
    if (!this.peerIdentity) return ENODATA;
    const { proc } = this.peerIdentity.id;
    if (!proc) return EINVAL;
    const fp = new PidFile(proc);
    const fd = td.fdtable.alloc(fp, true);
    if (fd < 0) fp.release();
    return fd < 0 ? (fd as Errno) : intValue(fd);
  }

  override fileReleased(fp: SocketFile): void {
    if (this.inFlight > 0 && fp.refs <= this.inFlight) this.domain.suspect();
  }

  /** The name is free again; the file of a path stays. */
  protected forget(): void {
    const { names, sockets, kmem } = this.domain;
    this.state = "dead";
    this.closed = RCV_SHUTDOWN | SEND_SHUTDOWN;
    if (this.#place) {
      names.unbindPath(this.#place);
      releasePath(this.#place);
      this.#place = null;
    } else if (this.address && isAbstract(this.address)) names.unbindAbstract(this, this.address);
    if (sockets.delete(this)) {
      kmem.give(SOCKET_BYTES);
      this.net.release();
    }
  }
}

export function identityOf(td: Thread): PeerIdentity {
  return { id: (td as Lwp).proc.id, cred: td.cred };
}

/** The ids that go with a message of `td` if it names no others. */
export function senderCreds(td: Thread): PeerCred {
  return { pid: (td as Lwp).proc.id, uid: td.cred.uid, gid: td.cred.gid };
}

const NOBODY: PeerCred = { pid: null, uid: -1, gid: -1 };

function credsOf(identity: PeerIdentity | null): PeerCred {
  if (!identity) return NOBODY;
  const { id, cred } = identity;
  return { pid: id, uid: cred.euid, gid: cred.egid };
}

function credsBytes(td: Lwp, { pid, uid, gid }: PeerCred): Uint8Array {
  const { userns } = td.cred;
  const bytes = new Uint8Array(Ucred.sizeof);
  const view = viewOf(bytes);
  Ucred.pid.set(view, 0, pid ? td.numberOf(pid) : 0);
  Ucred.uid.set(view, 0, uid === -1 ? uid : userns.shownUid(uid));
  Ucred.gid.set(view, 0, gid === -1 ? gid : userns.shownGid(gid));
  return bytes;
}
