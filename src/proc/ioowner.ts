/**
 * The owner of a file, as F_SETOWN named it: a process, a thread or a group.
 *
 * It is held itself, not its number, which somebody else may have one day. It
 * is signalled only if whoever named it might signal it, with the ids that
 * one had then. See fcntl(2), "Managing signals".
 */
import { ESRCH, failed } from "../abi/errno.ts";
import { SI_SIGIO, SIGIO, SIGURG } from "../abi/signal.ts";
import type { Cred } from "../kern/cred.ts";
import type { File } from "../vfs/file.ts";
import type { FileOwner } from "../vfs/fileowner.ts";
import { Lwp } from "./lwp.ts";
import type { Pid } from "./pid.ts";
import { Proc } from "./proc.ts";
import { ProcessGroup } from "./session.ts";
import { hasOwnCodes, kernelSignal, type SigInfo } from "./siginfo.ts";
import { psignal, tsignal } from "./signal.ts";

export type OwnerTarget = Proc | Lwp | ProcessGroup;

export class IoOwner implements FileOwner {
  readonly #target: Pid | ProcessGroup;
  /** Of a Pid: the thread is meant, not its process. */
  readonly #isThread: boolean;
  readonly #uid: number;
  readonly #euid: number;

  constructor(target: OwnerTarget, by: Cred) {
    this.#target = target instanceof ProcessGroup ? target : target.id;
    this.#isThread = target instanceof Lwp;
    this.#uid = by.uid;
    this.#euid = by.euid;
  }

  /** Null once it is gone. */
  get target(): OwnerTarget | null {
    const target = this.#target;
    if (target instanceof ProcessGroup) return target.members.size > 0 ? target : null;
    return this.#isThread ? target.thread : target.proc;
  }

  tell(signo: number, reason: number, band: number, fd: number): void {
    if (signo === 0) {
      this.#send(kernelSignal(SIGIO));
      return;
    }
    const code = signo !== SIGIO && hasOwnCodes(signo) ? SI_SIGIO : reason;
    this.#send({ signo, code, addr: band, status: fd });
  }

  tellUrgent(): void {
    this.#send(kernelSignal(SIGURG));
  }

  #send(info: SigInfo): void {
    const { target } = this;
    if (target === null) return;
    if (target instanceof Lwp) {
      if (this.#maySignal(target.proc)) orPlainly(info, (i) => tsignal(target, i.signo, i));
      return;
    }
    for (const p of target instanceof Proc ? [target] : [...target.members]) {
      if (this.#maySignal(p)) orPlainly(info, (i) => psignal(p, i.signo, i));
    }
  }

  #maySignal({ cred }: Proc): boolean {
    const by = [this.#uid, this.#euid];
    return this.#euid === 0 || by.includes(cred.uid) || by.includes(cred.suid);
  }
}

/** A queue without room for what a signal has to say still takes a plain SIGIO. */
function orPlainly(info: SigInfo, send: (info: SigInfo) => number): void {
  if (failed(send(info))) send(kernelSignal(SIGIO));
}

/** F_SETOWN: `who` is a process, a group's negative number, or 0 for nobody. */
export function setOwner(td: Lwp, fp: File, who: number): number {
  if (who === 0) return setOwnerTo(td, fp, null);
  const target = who < 0 ? td.findGroup(-who) : td.findProc(who);
  return target ? setOwnerTo(td, fp, target) : ESRCH;
}

export function setOwnerTo(td: Lwp, fp: File, target: OwnerTarget | null): 0 {
  fp.owner = target && new IoOwner(target, td.cred);
  return 0;
}

/** Null if there is none, or none any more. */
export function ownerOf(fp: File): OwnerTarget | null {
  return fp.owner instanceof IoOwner ? fp.owner.target : null;
}

/** F_GETOWN: as `td` knows it, 0 if it does not. */
export function ownerPid(td: Lwp, fp: File): number {
  const target = ownerOf(fp);
  if (target === null) return 0;
  const number = td.numberOf(target.id);
  return target instanceof Proc || target instanceof Lwp ? number : -number;
}
