/** /proc/net/tcp and /proc/net/tcp6. See proc(5), tcp4_seq_show in Linux. */
import { AF_INET, AF_INET6 } from "../../abi/socket.ts";
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { InetAddr } from "../address.ts";
import type { Network } from "../network.ts";
import { hexAddress, hexUpper } from "../report/format.ts";
import { type TcpEntry, tcpEntries } from "./entries.ts";
import { tcpOf } from "./maker.ts";
import { TCPS_LISTEN, TCPS_SYN_RECV, TCPS_TIME_WAIT } from "./states.ts";

const HEADER4 =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const HEADER6 =
  "  sl  local_address                         remote_address                        " +
  "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
/** Lines of IPv4 are as long as this. */
const WIDTH4 = 149;
const NS_PER_TICK = 1e7;

export class TcpReport implements NetText {
  readonly name: string;
  readonly #network: Network;
  readonly #family: number;

  constructor(network: Network, family: number) {
    this.name = family === AF_INET6 ? "tcp6" : "tcp";
    this.#network = network;
    this.#family = family;
  }

  text(td: Thread): string {
    const is4 = this.#family === AF_INET;
    let out = `${is4 ? HEADER4.padEnd(WIDTH4) : HEADER6}\n`;
    let n = 0;
    for (const e of tcpEntries(tcpOf(this.#network.stackOf(td)))) {
      if (e.family !== this.#family) continue;
      const line = lineOf(e, n++, td.cred.userns.shownUid(e.uid), is4);
      out += `${is4 ? line.padEnd(WIDTH4) : line}\n`;
    }
    return out;
  }
}

function lineOf(e: TcpEntry, n: number, uid: number, is4: boolean): string {
  const where = (a: InetAddr): string => hexAddress(a, is4);
  const queues = `${hexUpper(e.state === TCPS_LISTEN ? 0 : e.wqueue, 8)}:${hexUpper(e.rqueue, 8)}`;
  const timer = `${hexUpper(e.timer, 2)}:${hexUpper(Math.floor(e.timerNs / NS_PER_TICK), 8)}`;
  return (
    `${String(n).padStart(4)}: ${where(e.laddr)}:${hexUpper(e.lport, 4)} ${where(e.faddr)}:${hexUpper(e.fport, 4)} ` +
    `${hexUpper(e.state, 2)} ${queues} ${timer} ${hexUpper(e.retransmits, 8)} ${String(uid).padStart(5)} ` +
    `${String(e.probes).padStart(8)} ${e.ino} ${tail(e)}`
  );
}

/** References, where it is in memory (which nobody is told), and for connections some of their state. */
function tail(e: TcpEntry): string {
  if (e.state === TCPS_TIME_WAIT) return "3 0000000000000000";
  if (e.state === TCPS_SYN_RECV && !e.socket) return "0 0000000000000000";
  const tp = e.socket?.tp;
  if (!tp) return "1 0000000000000000 100 0 0 10 0";
  const rto = Math.floor(tp.rtt.rtoNs / NS_PER_TICK);
  const ato = Math.floor(tp.atoNs / NS_PER_TICK);
  const ssthresh = Number.isFinite(tp.ssthresh) ? Math.floor(tp.ssthresh / tp.mss) : -1;
  const quick = tp.quickAcks * 2 + (tp.isPingpong ? 1 : 0);
  const cwnd = Math.floor(tp.cwnd / tp.mss);
  return `1 0000000000000000 ${rto} ${ato} ${quick} ${cwnd} ${ssthresh}`;
}
