/** TCP's options and what it tells of itself. Source: linux/tcp.h. */
import { struct, u8, u16, u32, u64 } from "../lib/struct.ts";

export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_CORK = 3;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_SYNCNT = 7;
export const TCP_LINGER2 = 8;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_WINDOW_CLAMP = 10;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_CONGESTION = 13;
export const TCP_THIN_LINEAR_TIMEOUTS = 16;
export const TCP_THIN_DUPACK = 17;
export const TCP_USER_TIMEOUT = 18;
export const TCP_REPAIR = 19;
export const TCP_FASTOPEN = 23;
export const TCP_TIMESTAMP = 24;
export const TCP_NOTSENT_LOWAT = 25;
export const TCP_CC_INFO = 26;
export const TCP_SAVE_SYN = 27;
export const TCP_ULP = 31;
export const TCP_INQ = 36;
export const TCP_TX_DELAY = 37;

export const TCPI_OPT_TIMESTAMPS = 1;
export const TCPI_OPT_SACK = 2;
export const TCPI_OPT_WSCALE = 4;

export const SIOCATMARK = 0x8905;
export const SIOCOUTQNSD = 0x894b;

export const TcpInfo = struct({
  tcpi_state: u8,
  tcpi_ca_state: u8,
  tcpi_retransmits: u8,
  tcpi_probes: u8,
  tcpi_backoff: u8,
  tcpi_options: u8,
  /** Send scale in the lower half, receive scale in the upper. */
  tcpi_wscale: u8,
  tcpi_delivery_rate_app_limited: u8,
  tcpi_rto: u32,
  tcpi_ato: u32,
  tcpi_snd_mss: u32,
  tcpi_rcv_mss: u32,
  tcpi_unacked: u32,
  tcpi_sacked: u32,
  tcpi_lost: u32,
  tcpi_retrans: u32,
  tcpi_fackets: u32,
  tcpi_last_data_sent: u32,
  tcpi_last_ack_sent: u32,
  tcpi_last_data_recv: u32,
  tcpi_last_ack_recv: u32,
  tcpi_pmtu: u32,
  tcpi_rcv_ssthresh: u32,
  tcpi_rtt: u32,
  tcpi_rttvar: u32,
  tcpi_snd_ssthresh: u32,
  tcpi_snd_cwnd: u32,
  tcpi_advmss: u32,
  tcpi_reordering: u32,
  tcpi_rcv_rtt: u32,
  tcpi_rcv_space: u32,
  tcpi_total_retrans: u32,
  tcpi_pacing_rate: u64,
  tcpi_max_pacing_rate: u64,
  tcpi_bytes_acked: u64,
  tcpi_bytes_received: u64,
  tcpi_segs_out: u32,
  tcpi_segs_in: u32,
  tcpi_notsent_bytes: u32,
  tcpi_min_rtt: u32,
  tcpi_data_segs_in: u32,
  tcpi_data_segs_out: u32,
  tcpi_delivery_rate: u64,
  tcpi_busy_time: u64,
  tcpi_rwnd_limited: u64,
  tcpi_sndbuf_limited: u64,
  tcpi_delivered: u32,
  tcpi_delivered_ce: u32,
  tcpi_bytes_sent: u64,
  tcpi_bytes_retrans: u64,
  tcpi_dsack_dups: u32,
  tcpi_reord_seen: u32,
  tcpi_rcv_ooopack: u32,
  tcpi_snd_wnd: u32,
  tcpi_rcv_wnd: u32,
  tcpi_rehash: u32,
  tcpi_total_rto: u16,
  tcpi_total_rto_recoveries: u16,
  tcpi_total_rto_time: u32,
});
