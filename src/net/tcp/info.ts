/** TCP_INFO: all that a connection knows of itself, for programs. See tcp(7), ss(8). */
import { TCPI_OPT_SACK, TCPI_OPT_TIMESTAMPS, TCPI_OPT_WSCALE, TcpInfo } from "../../abi/tcp.ts";
import { TCP_HEADER_BYTES } from "./header.ts";
import { sendMss } from "./output.ts";
import { DUP_THRESHOLD } from "./rack.ts";
import { TCPS_LISTEN } from "./states.ts";
import type { Tcb } from "./tcb.ts";
import type { TcpSocket } from "./tcpsocket.ts";

const US = 1000;
const MS = 1e6;
const INFINITE_SSTHRESH = 0x7fffffff;

export function tcpInfo(s: TcpSocket): Uint8Array {
  const out = new Uint8Array(TcpInfo.sizeof);
  const view = new DataView(out.buffer);
  const t = TcpInfo;
  t.tcpi_state.set(view, 0, s.state);
  const { tp, listener } = s;
  if (listener) {
    // As ss shows them: what waits to be accepted, and how much may.
    t.tcpi_state.set(view, 0, TCPS_LISTEN);
    t.tcpi_unacked.set(view, 0, listener.queue.length);
    t.tcpi_sacked.set(view, 0, listener.backlog);
    return out;
  }
  if (tp) fill(tp, view, s.tcp.tick());
  return out;
}

function fill(tp: Tcb, view: DataView, nowNs: number): void {
  const t = TcpInfo;
  const { board, rtt } = tp;
  const ago = (ns: number): number => (ns > 0 ? Math.floor((nowNs - ns) / MS) : 0);
  t.tcpi_ca_state.set(view, 0, tp.caState);
  t.tcpi_retransmits.set(view, 0, Math.min(tp.backoff, 255));
  t.tcpi_probes.set(view, 0, Math.min(tp.probes, 255));
  t.tcpi_backoff.set(view, 0, Math.min(tp.backoff, 255));
  let options = 0;
  if (tp.hasTimestamps) options |= TCPI_OPT_TIMESTAMPS;
  if (tp.hasSack) options |= TCPI_OPT_SACK;
  if (tp.hasWscale) options |= TCPI_OPT_WSCALE;
  t.tcpi_options.set(view, 0, options);
  t.tcpi_wscale.set(view, 0, tp.sndWscale | (tp.rcvWscale << 4));
  t.tcpi_rto.set(view, 0, Math.floor(rtt.rtoNs / US));
  t.tcpi_ato.set(view, 0, Math.floor(tp.atoNs / US));
  t.tcpi_snd_mss.set(view, 0, sendMss(tp));
  t.tcpi_rcv_mss.set(view, 0, tp.rcvMss);
  t.tcpi_unacked.set(view, 0, board.count);
  t.tcpi_sacked.set(view, 0, board.sackedCount);
  t.tcpi_lost.set(view, 0, board.lostCount);
  t.tcpi_retrans.set(view, 0, board.retransCount);
  t.tcpi_last_data_sent.set(view, 0, ago(tp.lastSentNs));
  t.tcpi_last_data_recv.set(view, 0, ago(tp.lastRcvNs));
  t.tcpi_last_ack_recv.set(view, 0, ago(tp.lastAckRcvNs));
  t.tcpi_pmtu.set(view, 0, tp.pathMss + TCP_HEADER_BYTES + (tp.flow.faddr.length === 16 ? 40 : 20));
  t.tcpi_rcv_ssthresh.set(view, 0, Math.floor(tp.buffers.rcvbuf / 2));
  t.tcpi_rtt.set(view, 0, Math.floor(rtt.srttNs / US));
  t.tcpi_rttvar.set(view, 0, Math.floor(rtt.rttvarNs / US));
  const ssthresh = Number.isFinite(tp.ssthresh)
    ? Math.floor(tp.ssthresh / tp.mss)
    : INFINITE_SSTHRESH;
  t.tcpi_snd_ssthresh.set(view, 0, ssthresh);
  t.tcpi_snd_cwnd.set(view, 0, Math.max(1, Math.floor(tp.cwnd / tp.mss)));
  t.tcpi_advmss.set(view, 0, tp.pathMss - (tp.hasTimestamps ? 12 : 0));
  t.tcpi_reordering.set(view, 0, DUP_THRESHOLD);
  t.tcpi_rcv_rtt.set(view, 0, Math.floor(tp.rcvRttNs / US));
  t.tcpi_rcv_space.set(view, 0, Math.floor(tp.rcvSpace));
  t.tcpi_total_retrans.set(view, 0, tp.totalRetrans);
  t.tcpi_pacing_rate.set(view, 0, -1);
  t.tcpi_max_pacing_rate.set(view, 0, -1);
  t.tcpi_bytes_acked.set(view, 0, tp.bytesAcked);
  t.tcpi_bytes_received.set(view, 0, tp.bytesReceived);
  t.tcpi_segs_out.set(view, 0, tp.segsOut);
  t.tcpi_segs_in.set(view, 0, tp.segsIn);
  t.tcpi_notsent_bytes.set(view, 0, Math.max(0, tp.sendbuf.end - tp.sndNxt));
  const min = Number.isFinite(rtt.minNs) ? Math.floor(rtt.minNs / US) : 0xffffffff;
  t.tcpi_min_rtt.set(view, 0, min);
  t.tcpi_data_segs_in.set(view, 0, tp.dataSegsIn);
  t.tcpi_data_segs_out.set(view, 0, tp.dataSegsOut);
  t.tcpi_delivered.set(view, 0, Math.ceil(tp.delivered / tp.mss));
  t.tcpi_bytes_sent.set(view, 0, tp.bytesSent);
  t.tcpi_bytes_retrans.set(view, 0, tp.bytesRetrans);
  t.tcpi_dsack_dups.set(view, 0, tp.dsackDups);
  t.tcpi_reord_seen.set(view, 0, tp.reordSeen);
  t.tcpi_snd_wnd.set(view, 0, tp.sndWnd);
  t.tcpi_rcv_wnd.set(view, 0, Math.max(0, tp.rcvEdge - tp.rcvNxt));
}
