/**
 * Open files on their way from one process to another: SCM_RIGHTS of unix(7).
 *
 * A file in flight is held by the message that carries it. A user may have no
 * more of them under way than a process of his may have open. Files of messages
 * that nobody will read are closed one after the other, however many sockets
 * full of messages with sockets that closes: never one inside another.
 */
import { ETOOMANYREFS } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../kern/cred.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { RLIMIT_NOFILE } from "../../proc/rlimit.ts";
import type { File } from "../../vfs/file.ts";
import { SocketFile } from "../socketfile.ts";
import type { GarbageCollector } from "./garbage.ts";
import { UnixSocket } from "./unixsocket.ts";

/** What one message's files take, and each of them, about. */
const RIGHTS_BYTES = 128;
const FILE_SLOT_BYTES = 16;

/** The files of one message. */
export class Rights {
  readonly files: readonly File[];
  readonly uid: number;

  constructor(files: readonly File[], uid: number) {
    this.files = files;
    this.uid = uid;
  }

  /** The UNIX sockets among them. */
  *sockets(): Generator<UnixSocket> {
    for (const fp of this.files) {
      if (fp instanceof SocketFile && fp.socket instanceof UnixSocket) yield fp.socket;
    }
  }
}

export class InFlight {
  readonly #kmem: KernelMemory;
  readonly #perUser = new Map<number, number>();
  readonly #dying: File[] = [];
  #isDropping = false;
  /** UNIX sockets under way, each as often as it is. */
  sockets = 0;
  collector: GarbageCollector | null = null;

  constructor(kmem: KernelMemory) {
    this.#kmem = kmem;
  }

  /** Puts held `files` on their way for `td`; ETOOMANYREFS. */
  depart(td: Lwp, files: readonly File[]): Rights | typeof ETOOMANYREFS {
    const { uid } = td.cred;
    const count = this.#perUser.get(uid) ?? 0;
    if (count > td.proc.rlimits.soft(RLIMIT_NOFILE)) {
      const isFree = td.cred.hasCap(CAP_SYS_RESOURCE) || td.cred.hasCap(CAP_SYS_ADMIN);
      if (!isFree) return ETOOMANYREFS;
    }
    if (!this.#kmem.take(sizeOf(files))) return ETOOMANYREFS;
    this.#perUser.set(uid, count + files.length);
    const rights = new Rights(files, uid);
    for (const s of rights.sockets()) {
      s.inFlight++;
      this.sockets++;
    }
    return rights;
  }

  /** They are where they were sent to: the caller has the references now. */
  arrive(rights: Rights): readonly File[] {
    const left = (this.#perUser.get(rights.uid) ?? 0) - rights.files.length;
    if (left > 0) this.#perUser.set(rights.uid, left);
    else this.#perUser.delete(rights.uid);
    this.#kmem.give(sizeOf(rights.files));
    for (const s of rights.sockets()) {
      s.inFlight--;
      this.sockets--;
    }
    return rights.files;
  }

  /** Nobody will read the message. */
  drop(rights: Rights): void {
    this.#dying.push(...this.arrive(rights));
    if (this.#isDropping) return;
    this.#isDropping = true;
    for (let fp = this.#dying.pop(); fp; fp = this.#dying.pop()) fp.release();
    this.#isDropping = false;
  }
}

function sizeOf(files: readonly File[]): number {
  return RIGHTS_BYTES + files.length * FILE_SLOT_BYTES;
}
