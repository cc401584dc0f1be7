/**
 * One message on its way through a socket call, beside its bytes: addresses,
 * flags and control messages. See sendmsg(2), recvmsg(2), cmsg(3).
 */
import type { Timespec } from "../kern/clock.ts";
import type { Pid } from "../proc/pid.ts";
import type { File } from "../vfs/file.ts";

/** struct ucred: who sent a message, or is at the other end; ids are the kernel's. */
export interface PeerCred {
  /** Null: nobody that has a number. */
  readonly pid: Pid | null;
  readonly uid: number;
  readonly gid: number;
}

/** What goes with the bytes of a message that is sent. */
export interface Sending {
  /** MSG_*. */
  readonly flags: number;
  /** Where to; null: where the socket is connected to. */
  readonly name: Uint8Array | null;
  /** What `Socket.control` made of the control messages; null if there are none. */
  readonly control: SentControl | null;
}

/** Control messages as a protocol understood them. Held until the call ends, unless the protocol takes them over. */
export interface SentControl {
  release(): void;
}

/** A control message of a protocol's own: struct cmsghdr's level and type, and what follows it. */
export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
}

/** What came with the bytes of a message that is received: filled in by the protocol. */
export class Receiving {
  readonly flags: number;
  /** The sender's address; null where there is none to tell. */
  name: Uint8Array | null = null;
  /** MSG_TRUNC, MSG_EOR and the like, for msg_flags. */
  outFlags = 0;
  creds: PeerCred | null = null;
  /** Open files that were passed, each with its reference. */
  files: readonly File[] | null = null;
  /** Control messages that the caller asked for by options of the protocol, in order. */
  readonly control: ControlMessage[] = [];
  /** When it arrived, for those who asked for that. */
  time: Timespec | null = null;

  constructor(flags: number) {
    this.flags = flags;
  }

  /** Closes what nobody took. */
  releaseFiles(): void {
    const { files } = this;
    this.files = null;
    if (files) for (const fp of files) fp.release();
  }
}

/** A send without an address or control messages: write(2). */
export function plainSending(flags: number): Sending {
  return { flags, name: null, control: null };
}
