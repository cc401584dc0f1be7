/** States of a connection, numbered as TCP_INFO and /proc/net/tcp show them. See RFC 9293 3.3.2. */
export const TCPS_ESTABLISHED = 1;
export const TCPS_SYN_SENT = 2;
export const TCPS_SYN_RECV = 3;
export const TCPS_FIN_WAIT1 = 4;
export const TCPS_FIN_WAIT2 = 5;
export const TCPS_TIME_WAIT = 6;
export const TCPS_CLOSE = 7;
export const TCPS_CLOSE_WAIT = 8;
export const TCPS_LAST_ACK = 9;
export const TCPS_LISTEN = 10;
export const TCPS_CLOSING = 11;
export const TCPS_NEW_SYN_RECV = 12;

/** Sets of states, as bits. */
const bit = (...states: number[]): number => states.reduce((set, s) => set | (1 << s), 0);
/** Who may still send data of the program. */
export const CAN_SEND = bit(TCPS_ESTABLISHED, TCPS_CLOSE_WAIT);
/** Who may still get data. */
export const CAN_RECEIVE = bit(TCPS_ESTABLISHED, TCPS_FIN_WAIT1, TCPS_FIN_WAIT2);
/** Who has yet to see its own FIN acknowledged, or sent none. */
export const HAS_UNACKED = bit(
  TCPS_ESTABLISHED,
  TCPS_CLOSE_WAIT,
  TCPS_FIN_WAIT1,
  TCPS_LAST_ACK,
  TCPS_CLOSING,
);
/** Who got the other side's FIN. */
export const HAS_FIN = bit(TCPS_CLOSE_WAIT, TCPS_LAST_ACK, TCPS_CLOSING, TCPS_TIME_WAIT);
/** Before the handshake is over. */
export const IS_OPENING = bit(TCPS_SYN_SENT, TCPS_SYN_RECV);

export function isIn(state: number, set: number): boolean {
  return ((1 << state) & set) !== 0;
}
