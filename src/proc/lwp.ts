/**
 * A thread of a process: registers, signal mask, and its place in the family. See clone(2).
 */
import type { Cpu } from "../kern/cpu.ts";
import type { Cred } from "../kern/cred.ts";
import { Thread } from "../kern/thread.ts";
import type { Context } from "../machine/context.ts";
import type { Proc } from "./proc.ts";
import { PendingSignals } from "./sigqueue.ts";
import { SigSet } from "./sigset.ts";

export class Lwp extends Thread {
  readonly proc: Proc;
  readonly context: Context;
  /** Blocked signals, and the mask that a temporary one (sigsuspend, ppoll) displaced. */
  readonly sigmask = new SigSet();
  savedSigmask: SigSet | null = null;
  /** Signals for this thread alone. */
  readonly pending = new PendingSignals();
  /** sigaltstack(2): base, size and flags. */
  altStackBase = 0;
  altStackSize = 0;
  altStackFlags = 2;
  /** Cleared and woken as a futex when the thread ends; see set_tid_address(2). */
  clearTidAddr = 0;
  robustListHead = 0;
  comm = "";

  constructor(tid: number, proc: Proc, cpu: Cpu, cred: Cred, context: Context) {
    super(tid, cpu, cred);
    this.proc = proc;
    this.context = context;
  }
}
