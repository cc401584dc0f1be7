/**
 * Sockets that only messages hold, which only such sockets hold: nobody can
 * ever receive them, so they are found and their messages thrown away.
 *
 * A UNIX socket can be reached if something else than messages refers to its
 * file, or if a message with it waits in a socket that can be reached; a
 * connection that waits to be accepted, if its listener can. The rest is
 * garbage. The search is made as soon as a reference to a socket in flight goes,
 * unless there are many and the last one was just now: then it is put off, so
 * that it takes a small part of the time. Compare net/unix/garbage.c in Linux,
 * unp_gc in the BSDs.
 */
import { Callout } from "../../kern/callout.ts";
import type { Cpu } from "../../kern/cpu.ts";
import type { InFlight, Rights } from "./rights.ts";
import type { UnixSocket } from "./unixsocket.ts";

/** Up to so many sockets a search costs nothing to speak of. */
const FEW = 64;
/** How long there is none after one, for each socket that it looks at: some twenty times what that takes. */
const PAUSE_PER_SOCKET_NS = 20e3;

export class GarbageCollector extends Callout {
  readonly #sockets: ReadonlySet<UnixSocket>;
  readonly #inFlight: InFlight;
  /** When the next search may be made. */
  #pauseEndNs = 0;

  constructor(sockets: ReadonlySet<UnixSocket>, inFlight: InFlight) {
    super();
    this.#sockets = sockets;
    this.#inFlight = inFlight;
  }

  /** Some socket may have become garbage. */
  suspect(cpu: Cpu): void {
    if (this.#inFlight.sockets === 0) return;
    const count = this.#sockets.size + this.#inFlight.sockets;
    if (count <= FEW) {
      this.collect();
      return;
    }
    const now = cpu.clock.monotonicNs();
    if (now < this.#pauseEndNs) {
      if (this.index < 0) cpu.callouts.arm(this, this.#pauseEndNs);
      return;
    }
    this.#pauseEndNs = now + count * PAUSE_PER_SOCKET_NS;
    this.collect();
  }

  fire(nowNs: number): void {
    const count = this.#sockets.size + this.#inFlight.sockets;
    this.#pauseEndNs = nowNs + count * PAUSE_PER_SOCKET_NS;
    this.collect();
  }

  collect(): void {
    const reached = this.#reachable();
    const lost: Rights[] = [];
    for (const s of this.#sockets) {
      if (s.inFlight === 0 || reached.has(s)) continue;
      for (const holder of [s, ...s.embryos()]) lost.push(...holder.takeRights());
    }
    for (const rights of lost) this.#inFlight.drop(rights);
  }

  #reachable(): Set<UnixSocket> {
    const reached = new Set<UnixSocket>();
    for (const s of this.#sockets) {
      if (s.file && s.file.refs > s.inFlight) reached.add(s);
    }
    // What is added on the way is visited too.
    for (const s of reached) {
      for (const embryo of s.embryos()) reached.add(embryo);
      for (const rights of s.rights()) for (const held of rights.sockets()) reached.add(held);
    }
    return reached;
  }
}
