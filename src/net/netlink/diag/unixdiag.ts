/** unix_diag: the UNIX sockets of a network name space, all or one. See sock_diag(7). */
import { EINVAL, ENOENT, ESTALE } from "../../../abi/errno.ts";
import * as d from "../../../abi/sockdiag.ts";
import { AF_UNIX } from "../../../abi/socket.ts";
import { PATH_OFFSET } from "../../unix/address.ts";
import { UnixConnection } from "../../unix/connection.ts";
import type { UnixDomain } from "../../unix/domain.ts";
import type { UnixSocket } from "../../unix/unixsocket.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";
import { memInfo } from "./sockdiag.ts";

const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
const NO_COOKIE = 0xffffffff;

interface Wish {
  readonly states: number;
  readonly ino: number;
  readonly show: number;
  readonly cookie: number;
}

function parse(request: Request): Wish | number {
  const at = request.fixed(d.UnixDiagReq.sizeof);
  if (at < 0) return EINVAL;
  const { view } = request;
  return {
    states: d.UnixDiagReq.udiag_states.get(view, at),
    ino: d.UnixDiagReq.udiag_ino.get(view, at),
    show: d.UnixDiagReq.udiag_show.get(view, at),
    cookie: d.UnixDiagReq.udiag_cookie0.get(view, at),
  };
}

export function dumpUnix(request: Request, domain: UnixDomain): number {
  const wish = parse(request);
  return typeof wish === "number" ? wish : request.dump(new UnixDump(request, domain, wish));
}

export function getUnix(request: Request, domain: UnixDomain): number {
  const wish = parse(request);
  if (typeof wish === "number") return wish;
  if (wish.ino === 0) return EINVAL;
  for (const s of domain.sockets) {
    if (!s.file || s.ino !== wish.ino || !isOfNetwork(request, s)) continue;
    if (wish.cookie !== NO_COOKIE && wish.cookie !== s.ino) return ESTALE;
    const w = request.answer(d.SOCK_DIAG_BY_FAMILY);
    writeBody(w, s, wish.show, uidOf(request, s));
    return request.reply(w);
  }
  return ENOENT;
}

class UnixDump extends ListDump<UnixSocket> {
  readonly #domain: UnixDomain;
  readonly #wish: Wish;
  readonly #request: Request;

  constructor(request: Request, domain: UnixDomain, wish: Wish) {
    super(request);
    this.#domain = domain;
    this.#wish = wish;
    this.#request = request;
  }

  protected *items(): Generator<UnixSocket> {
    for (const s of this.#domain.sockets) {
      if (!isOfNetwork(this.#request, s)) continue;
      if ((this.#wish.states & (1 << stateOf(s))) !== 0) yield s;
    }
  }

  protected write(w: NetlinkWriter, s: UnixSocket): boolean {
    this.begin(w, d.SOCK_DIAG_BY_FAMILY);
    writeBody(w, s, this.#wish.show, uidOf(this.#request, s));
    return w.end();
  }
}

const isOfNetwork = (request: Request, s: UnixSocket): boolean => s.net === request.socket.stack.ns;

function stateOf(s: UnixSocket): number {
  if (s.isListening) return TCP_LISTEN;
  return s.state === "established" ? TCP_ESTABLISHED : TCP_CLOSE;
}

function uidOf(request: Request, s: UnixSocket): number {
  return request.td.cred.userns.shownUid(s.file?.stat().uid ?? 0);
}

/** The number of its file; a connection that was not accepted has none. */
function inoOf(s: UnixSocket): number {
  return s.file ? s.ino : 0;
}

function writeBody(w: NetlinkWriter, s: UnixSocket, show: number, uid: number): void {
  const { view, at } = w.fixed(d.UnixDiagMsg.sizeof);
  d.UnixDiagMsg.udiag_family.set(view, at, AF_UNIX);
  d.UnixDiagMsg.udiag_type.set(view, at, s.type);
  d.UnixDiagMsg.udiag_state.set(view, at, stateOf(s));
  d.UnixDiagMsg.udiag_ino.set(view, at, inoOf(s));
  d.UnixDiagMsg.udiag_cookie0.set(view, at, s.ino);
  const name = s.name();
  if ((show & d.UDIAG_SHOW_NAME) !== 0 && name.length > PATH_OFFSET) {
    w.attr(d.UNIX_DIAG_NAME, name.subarray(PATH_OFFSET));
  }
  if ((show & d.UDIAG_SHOW_PEER) !== 0 && s.peer && !s.peer.isDead) {
    w.u32(d.UNIX_DIAG_PEER, inoOf(s.peer));
  }
  if ((show & d.UDIAG_SHOW_ICONS) !== 0 && s.isListening) {
    const inos = Uint32Array.from([...s.embryos()].map((e) => (e.peer ? inoOf(e.peer) : 0)));
    w.attr(d.UNIX_DIAG_ICONS, new Uint8Array(inos.buffer));
  }
  if ((show & d.UDIAG_SHOW_RQLEN) !== 0) {
    w.attr(d.UNIX_DIAG_RQLEN, new Uint8Array(Uint32Array.from(queues(s)).buffer));
  }
  const wmem = Math.max(0, s.bytesUnsent());
  if ((show & d.UDIAG_SHOW_MEMINFO) !== 0) w.attr(d.UNIX_DIAG_MEMINFO, memInfo(s, 0, wmem, 0));
  w.u8(d.UNIX_DIAG_SHUTDOWN, s.closed);
  if ((show & d.UDIAG_SHOW_UID) !== 0) w.u32(d.UNIX_DIAG_UID, uid);
}

/** What waits to be read and to be taken; of a listener connections, and how many may wait. */
function queues(s: UnixSocket): readonly [number, number] {
  if (s.isListening && s instanceof UnixConnection) return [s.backlogLength, s.maxBacklog];
  return [Math.max(0, s.bytesReadable()), Math.max(0, s.bytesUnsent())];
}
