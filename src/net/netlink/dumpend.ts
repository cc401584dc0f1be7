/** The last message of a dump: NLMSG_DONE with its result. See netlink(7). */
import * as nl from "../../abi/netlink.ts";
import { Dump } from "./dump.ts";
import type { ExtAck } from "./extack.ts";
import type { NetlinkWriter } from "./writer.ts";

/** Room that it takes at least. */
export const DONE_BYTES = 20;

/** What is left of a dump whose end found no room behind its last piece. */
export class DoneDump extends Dump {
  readonly #result: number;

  constructor(of: Dump, result: number) {
    super(of);
    this.flags = of.flags;
    this.#result = result;
  }

  fill(): number {
    return this.#result;
  }
}

/** `ack`: what is told besides to who wants to know. */
export function writeDone(w: NetlinkWriter, dump: Dump, result: number, ack: ExtAck | null): void {
  const isTold = ack?.isTold(result) === true;
  const flags = dump.flags | (isTold ? nl.NLM_F_ACK_TLVS : 0);
  w.begin(nl.NLMSG_DONE, flags, dump.seq, dump.pid);
  const { view, at } = w.fixed(nl.NlMsgErr.sizeof);
  nl.NlMsgErr.error.set(view, at, result);
  if (isTold) ack!.write(w, result);
  w.end();
}
