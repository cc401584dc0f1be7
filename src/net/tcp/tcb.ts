/**
 * The control block of a connection: all that it knows, and nothing that it does.
 *
 * Sequence numbers count on (seq.ts). Always: sndUna <= sndNxt, the scoreboard
 * covers exactly [sndUna, sndNxt), and the send buffer has all bytes from sndUna
 * on. rcvNxt is the next byte that is missing; what is before it is in the
 * receive buffer or was read. See RFC 9293 3.3.1, struct tcpcb.
 */
import { type CongestionControl, congestionControl } from "./congestion.ts";
import { Cubic } from "./cubic.ts";
import { Reassembly } from "./reassembly.ts";
import { RecvBuffer } from "./recvbuf.ts";
import { RttEstimator } from "./rtt.ts";
import { Scoreboard } from "./scoreboard.ts";
import { SendBuffer } from "./sendbuf.ts";
import type { TcpSettings } from "./settings.ts";
import type { TcpStack } from "./stack.ts";
import { TCPS_CLOSE } from "./states.ts";
import { TcbTimer } from "./timers.ts";

/** From where to where. */
export interface Flow {
  readonly laddr: string;
  readonly lport: number;
  readonly faddr: string;
  readonly fport: number;
  /** The interface that it is bound to, or that link-local addresses belong to; 0: any. */
  readonly ifindex: number;
}

/** How much a connection may keep: the socket's options have these two. */
export interface BufferSizes {
  sndbuf: number;
  rcvbuf: number;
}

/** Who hears of a connection: its socket. Called in the middle of things: it only wakes. */
export interface TcpOwner {
  /** Bytes to read, the end of them, an error. */
  tcpReadable(): void;
  /** Room to write, connected, an error. */
  tcpWritable(): void;
  /** Urgent data is announced. */
  tcpUrgent(): void;
  /** The connection is over, for good: the block may be forgotten. */
  tcpClosed(): void;
}

/** tcpi_ca_state. */
export const CA_OPEN = 0;
export const CA_DISORDER = 1;
export const CA_RECOVERY = 3;
export const CA_LOSS = 4;

/** State of the urgent byte. */
export const URG_NONE = 0;
export const URG_NOTYET = 1;
export const URG_VALID = 2;
export const URG_READ = 3;

/** What a control block takes, about, beside its buffers. */
export const TCB_BYTES = 3072;
const INITIAL_MSS = 536;

export class Tcb {
  readonly stack: TcpStack;
  readonly settings: TcpSettings;
  readonly buffers: BufferSizes;
  flow: Flow;
  /** Null once nobody has the socket any more. */
  owner: TcpOwner | null = null;
  /** close(2) was called: what arrives from now on nobody reads. */
  isOrphan = false;
  state = TCPS_CLOSE;
  /** Why it ended, as a negative errno; told by `takeError`. */
  error = 0;
  softError = 0;
  /** shutdown(2) for reading, or the other side's FIN was taken in. */
  isRcvShutdown = false;
  /** No more is taken from the program. */
  isSndShutdown = false;

  // Sending.
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  /** What the other side allows, scaled; the segment that said so; the most it ever allowed. */
  sndWnd = 0;
  sndWl1 = 0;
  sndMaxWnd = 0;
  /** End of the last segment that was not full, for Nagle's algorithm. */
  sndSml = 0;
  /** After the last urgent byte. */
  sndUp = 0;
  isUrgent = false;
  /** The FIN is behind the last byte of the send buffer. */
  isFinQueued = false;
  readonly sendbuf: SendBuffer;
  readonly board = new Scoreboard();
  /** Scale of the windows that come in, and that go out. */
  sndWscale = 0;
  rcvWscale = 0;
  /** What a segment may carry, options taken off; what the other side takes, what the path takes. */
  mss = INITIAL_MSS;
  peerMss = INITIAL_MSS;
  pathMss = INITIAL_MSS;
  hasTimestamps = false;
  hasSack = false;
  hasWscale = false;

  // Congestion.
  cwnd = 0;
  ssthresh = Number.POSITIVE_INFINITY;
  cc: CongestionControl;
  caState = CA_OPEN;
  readonly rtt = new RttEstimator();
  /** Everything before this was sent when the loss was noticed. */
  recoveryPoint = 0;
  dupAcks = 0;
  /** Proportional rate reduction: window at the loss, what was delivered and sent since. */
  prrStart = 0;
  prrDelivered = 0;
  prrOut = 0;
  /** For taking a reduction back: window and threshold before; when the first retransmission went. */
  undoCwnd = 0;
  undoSsthresh = 0;
  undoTsval = -1;
  undoRetrans = 0;
  isCwndLimited = false;
  /** RACK: newest delivered transmission, its round trip. */
  rackSentNs = 0;
  rackEnd = 0;
  rackRttNs = 0;
  /** Least round trips that reordering is waited for, as in RFC 8985. */
  reoWndSteps = 1;
  isReorderingSeen = false;
  reoPersist = 0;
  reoDsackRound = 0;
  /** Highest byte that the other side has, as far as is known. */
  fack = 0;
  /** Tail loss probe: what is the next byte after it; 0 if none is under way. */
  tlpHigh = 0;
  isTlpRetransmission = false;
  backoff = 0;
  /** When the oldest thing that times out was first sent again; 0 if all goes well. */
  retransStartNs = 0;
  probes = 0;
  lastSentNs = 0;

  // Receiving.
  irs = 0;
  rcvNxt = 0;
  /** rcvNxt and the window as the other side was told last. */
  rcvWup = 0;
  rcvWnd = 0;
  readonly recvbuf: RecvBuffer;
  readonly reasm: Reassembly;
  isFinReceived = false;
  tsRecent = 0;
  /** When tsRecent was set, ns; -1: never. */
  tsRecentNs = -1;
  lastAckSent = 0;
  tsOffset = 0;
  urgSeq = 0;
  urgState = URG_NONE;
  urgByte = 0;
  /** Edges of what arrived twice, for the next acknowledgement; none if equal. */
  dsackFrom = 0;
  dsackTo = 0;
  /** Estimate of the other side's segments. */
  rcvMss = INITIAL_MSS;
  lastRcvNs = 0;
  lastAckRcvNs = 0;
  /** Delayed acknowledgements: one is owed, at once; so many go out without delay. */
  isAckOwed = false;
  isAckNow = false;
  quickAcks = 0;
  isPingpong = false;
  atoNs = 0;
  lastChallengeNs = -1e18;
  /** Growth of the receive buffer: what was read up to here, since when. */
  rcvSpace = 0;
  rcvSpaceCopied = 0;
  rcvSpaceNs = 0;
  rcvRttNs = 0;
  copied = 0;

  readonly timer: TcbTimer;

  // What TCP_INFO tells.
  bytesAcked = 0;
  bytesReceived = 0;
  bytesSent = 0;
  bytesRetrans = 0;
  segsIn = 0;
  segsOut = 0;
  dataSegsIn = 0;
  dataSegsOut = 0;
  totalRetrans = 0;
  reordSeen = 0;
  dsackDups = 0;
  delivered = 0;
  isPassive = false;
  readonly startedNs: number;

  constructor(stack: TcpStack, flow: Flow, settings: TcpSettings, buffers: BufferSizes) {
    this.stack = stack;
    this.flow = flow;
    this.settings = settings;
    this.buffers = buffers;
    this.sendbuf = new SendBuffer(stack.kmem, stack.chunks);
    this.recvbuf = new RecvBuffer(stack.kmem);
    this.reasm = new Reassembly(stack.kmem);
    this.cc = congestionControl(settings.congestion) ?? new Cubic();
    this.timer = new TcbTimer(this);
    this.isPingpong = !settings.isQuickack;
    this.startedNs = stack.nowNs;
  }

  /** TCP_CONGESTION: false for a name that nobody knows. */
  setCongestion(name: string): boolean {
    const cc = congestionControl(name);
    if (!cc) return false;
    this.settings.congestion = name;
    this.cc = cc;
    return true;
  }

  get srttNs(): number {
    return this.rtt.srttNs;
  }

  get minRttNs(): number {
    return this.rtt.minNs;
  }

  /** Bytes under way, as far as is known. */
  get inFlight(): number {
    const b = this.board;
    return this.sndNxt - this.sndUna - b.sackedBytes - b.lostBytes + b.retransBytes;
  }

  /** After the last thing that is to be sent. */
  get sndEnd(): number {
    return this.sendbuf.end + (this.isFinQueued ? 1 : 0);
  }

  /** Its FIN was sent and acknowledged. */
  get isFinAcked(): boolean {
    return this.isFinQueued && this.sndUna > this.sendbuf.end;
  }

  /** Bytes that were acknowledged by nobody and what it costs to remember them. */
  get sndUsed(): number {
    return this.sendbuf.length + this.board.count * SEGMENT_COST;
  }

  /** Right edge of what the other side was told that it may send. */
  get rcvEdge(): number {
    return this.rcvWup + this.rcvWnd;
  }
}

/** What a segment that is under way counts for beside its bytes. */
const SEGMENT_COST = 256;
