/**
 * The timers of a connection, all on one callout.
 *
 * Three run independently: one for what is to be sent (again), as only one such
 * thing is waited for at a time; one for acknowledgements that are delayed; one
 * for keepalives and ends. The callout is armed for the earliest that ever was
 * set, and when it comes too early it just looks again: so the common case,
 * a timer that is set and cleared with every packet, does not touch the heap.
 */
import { Callout } from "../../kern/callout.ts";
import { IS_OPENING, isIn, TCPS_CLOSE } from "./states.ts";
import type { Tcb } from "./tcb.ts";
import {
  delackExpired,
  keepExpired,
  probe0Expired,
  reoExpired,
  rtoExpired,
  tlpExpired,
} from "./timeouts.ts";

export const XMIT_NONE = 0;
export const XMIT_RTO = 1;
/** Tail loss probe: RFC 8985 section 7. */
export const XMIT_TLP = 2;
/** Reordering was waited for: RFC 8985 section 6. */
export const XMIT_REO = 3;
/** The window is shut. */
export const XMIT_PROBE0 = 4;

const NEVER = Number.POSITIVE_INFINITY;

export class TcbTimer extends Callout {
  xmitKind = XMIT_NONE;
  xmitNs = NEVER;
  delackNs = NEVER;
  keepNs = NEVER;
  readonly #tp: Tcb;

  constructor(tp: Tcb) {
    super();
    this.#tp = tp;
  }

  setXmit(kind: number, ns: number): void {
    this.xmitKind = kind;
    this.xmitNs = ns;
    this.#arm(ns);
  }

  clearXmit(): void {
    this.xmitKind = XMIT_NONE;
    this.xmitNs = NEVER;
  }

  setDelack(ns: number): void {
    this.delackNs = ns;
    this.#arm(ns);
  }

  clearDelack(): void {
    this.delackNs = NEVER;
  }

  setKeep(ns: number): void {
    this.keepNs = ns;
    this.#arm(ns);
  }

  clearKeep(): void {
    this.keepNs = NEVER;
  }

  /** Nothing more, for good. */
  cancel(): void {
    this.clearXmit();
    this.clearDelack();
    this.clearKeep();
    this.#tp.stack.callouts.disarm(this);
  }

  fire(): void {
    const tp = this.#tp;
    const { stack } = tp;
    const nowNs = stack.tick();
    if (this.delackNs <= nowNs) {
      this.clearDelack();
      delackExpired(tp);
    }
    if (this.xmitNs <= nowNs) this.#fireXmit();
    if (this.keepNs <= nowNs) {
      this.clearKeep();
      keepExpired(tp);
    }
    const next = Math.min(this.delackNs, this.xmitNs, this.keepNs);
    if (next < NEVER && tp.state !== TCPS_CLOSE) this.#arm(next);
    stack.drain();
  }

  #fireXmit(): void {
    const tp = this.#tp;
    const kind = this.xmitKind;
    this.clearXmit();
    if (kind === XMIT_RTO) rtoExpired(tp);
    else if (kind === XMIT_TLP) tlpExpired(tp);
    else if (kind === XMIT_REO) reoExpired(tp);
    else if (kind === XMIT_PROBE0) probe0Expired(tp);
  }

  #arm(ns: number): void {
    if (this.index >= 0 && this.deadlineNs <= ns) return;
    this.#tp.stack.callouts.arm(this, ns);
  }
}

/** After something was sent: waits for its acknowledgement, or for the moment to probe. */
export function armRto(tp: Tcb): void {
  const { timer, stack } = tp;
  // What is waited for from the time of the oldest segment is not put off by newer ones.
  if (timer.xmitKind === XMIT_REO) return;
  const pto = probeTimeout(tp);
  const rtoNs = rtoDeadline(tp);
  if (pto > 0 && stack.nowNs + pto < rtoNs) timer.setXmit(XMIT_TLP, stack.nowNs + pto);
  else timer.setXmit(XMIT_RTO, rtoNs);
}

/** When the first segment that is under way times out. */
export function rtoDeadline(tp: Tcb): number {
  const { stack, board, rtt } = tp;
  const first = board.head;
  if (!first) return stack.nowNs + rtt.rtoNs;
  return Math.max(first.sentNs + rtt.rtoNs, stack.nowNs + MIN_DELAY_NS);
}

const MIN_DELAY_NS = 1e6;
const MIN_PTO_NS = 2e6;
/** How long the other side may keep an acknowledgement back. */
const MAX_DELACK_NS = 200e6;

/** The probe timeout of RFC 8985 7.2; 0 if no probe is due. */
function probeTimeout(tp: Tcb): number {
  if (!tp.hasSack || tp.caState !== 0 || tp.tlpHigh > 0 || tp.rtt.srttNs === 0) return 0;
  if (isIn(tp.state, IS_OPENING)) return 0;
  if (tp.stack.tunables.earlyRetrans.get() < 3) return 0;
  if (tp.board.sackedCount > 0 || tp.board.count === 0) return 0;
  let pto = 2 * tp.rtt.srttNs + MIN_PTO_NS;
  if (tp.board.count === 1) pto += MAX_DELACK_NS;
  return pto;
}
