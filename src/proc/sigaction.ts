/**
 * What a process does on each signal: the table of sigaction(2).
 * Shared between processes only by clone(2) with CLONE_SIGHAND.
 */
import {
  defaultAction,
  NSIG,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
} from "../abi/signal.ts";
import { SigSet } from "./sigset.ts";

export class SigAction {
  /** SIG_DFL, SIG_IGN, or the user address of the handler. */
  handler = SIG_DFL;
  flags = 0;
  readonly mask = new SigSet();

  assign(other: SigAction): void {
    this.handler = other.handler;
    this.flags = other.flags;
    this.mask.assign(other.mask);
  }

  clone(): SigAction {
    const copy = new SigAction();
    copy.assign(this);
    return copy;
  }
}

export class SigActions {
  readonly #actions: SigAction[] = [];
  /** Processes that use this table. */
  refs = 1;

  constructor() {
    for (let sig = 0; sig <= NSIG; sig++) this.#actions.push(new SigAction());
  }

  get(sig: number): SigAction {
    return this.#actions[sig]!;
  }

  /** True if `sig` would have no effect at all, so that it need not become pending. */
  isIgnored(sig: number): boolean {
    const { handler } = this.get(sig);
    return handler === SIG_IGN || (handler === SIG_DFL && defaultAction(sig) === "ignore");
  }

  /** True if children leave no zombie. */
  get isNoChildWait(): boolean {
    const a = this.get(SIGCHLD);
    return a.handler === SIG_IGN || (a.flags & SA_NOCLDWAIT) !== 0;
  }

  get isNoChildStop(): boolean {
    return (this.get(SIGCHLD).flags & SA_NOCLDSTOP) !== 0;
  }

  clone(): SigActions {
    const copy = new SigActions();
    for (let sig = 1; sig <= NSIG; sig++) copy.get(sig).assign(this.get(sig));
    return copy;
  }

  /** execve(2): handlers become SIG_DFL, ignored signals stay ignored. */
  resetHandlers(): void {
    for (let sig = 1; sig <= NSIG; sig++) {
      const a = this.get(sig);
      if (a.handler !== SIG_IGN) a.handler = SIG_DFL;
      a.flags = 0;
      a.mask.clear();
    }
  }

  /** CLONE_CLEAR_SIGHAND: everything but SIG_IGN back to SIG_DFL. */
  clearHandlers(): void {
    this.resetHandlers();
  }
}
