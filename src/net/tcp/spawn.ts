/** The socket of a connection that comes out of a listener: with its options, and the ends of its flow. */
import type { Flow, Tcb } from "./tcb.ts";
import type { TcpSocket } from "./tcpsocket.ts";

/** Makes `child` the socket of a connection of the listener `s`: its block; null if there is no memory, and no child. */
export function spawnFrom(s: TcpSocket, child: TcpSocket, flow: Flow): Tcb | null {
  const { tcp, pcb } = s;
  const other = child.pcb;
  other.laddr = flow.laddr;
  other.lport = flow.lport;
  other.faddr = flow.faddr;
  other.fport = flow.fport;
  other.ifindex = pcb.ifindex || flow.ifindex;
  other.isV6Only = pcb.isV6Only;
  other.reuseAddr = pcb.reuseAddr;
  other.reusePort = pcb.reusePort;
  other.uid = pcb.uid;
  other.isAddrLocked = other.isPortLocked = true;
  inherit(child, s);
  const tp = child.newBlock();
  if (!tp) {
    child.close();
    return null;
  }
  child.connecting = "done";
  tcp.table.bind(other);
  tcp.table.connect(other);
  return tp;
}

/** Options, of a listener. */
function inherit(to: TcpSocket, from: TcpSocket): void {
  to.settings.copyFrom(from.settings);
  const { options } = from;
  const own = to.options;
  own.sndbuf = options.sndbuf;
  own.rcvbuf = options.rcvbuf;
  own.rcvlowat = options.rcvlowat;
  own.rcvTimeoutNs = options.rcvTimeoutNs;
  own.sndTimeoutNs = options.sndTimeoutNs;
  own.lingerSec = options.lingerSec;
  own.timestamp = options.timestamp;
  for (const [name, value] of options.kept) own.kept.set(name, value);
  Object.assign(to.ip, from.ip);
}
