/** /proc/net/unix: a line per UNIX socket. See proc_net(5). */
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { NetNamespace } from "../../vfs/netns.ts";
import { shownAddress } from "./address.ts";
import type { UnixDomain } from "./domain.ts";
import type { UnixSocket } from "./unixsocket.ts";

/** Flag of a socket that listens. */
const SO_ACCEPTCON = 0x10000;
const SS_UNCONNECTED = 1;
const SS_CONNECTING = 2;
const SS_CONNECTED = 3;

export class UnixReport implements NetText {
  readonly name = "unix";
  readonly #domain: UnixDomain;

  constructor(domain: UnixDomain) {
    this.#domain = domain;
  }

  text(_td: Thread, ns: NetNamespace): string {
    let s = "Num       RefCount Protocol Flags    Type St Inode Path\n";
    for (const socket of this.#domain.sockets) if (socket.net === ns) s += line(socket);
    return s;
  }
}

function line(s: UnixSocket): string {
  const flags = hex(s.isListening ? SO_ACCEPTCON : 0, 8);
  const isConnected = s.state === "established";
  const refs = hex(isConnected ? 3 : 2, 8);
  const state = isConnected ? (s.file ? SS_CONNECTED : SS_CONNECTING) : SS_UNCONNECTED;
  const ino = String(s.file ? s.ino : 0).padStart(5);
  const name = s.name();
  const path = name.length > 2 ? ` ${shownAddress(name)}` : "";
  // Where it lies in the kernel's memory is nobody's business.
  return `0000000000000000: ${refs} 00000000 ${flags} ${hex(s.type, 4)} ${hex(state, 2)} ${ino}${path}\n`;
}

function hex(n: number, digits: number): string {
  return n.toString(16).toUpperCase().padStart(digits, "0");
}
