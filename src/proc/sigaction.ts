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
  /** Entries that were ever changed; the others are the default. */
  readonly #actions: (SigAction | undefined)[] = new Array(NSIG + 1).fill(undefined);
  /** Processes that use this table. */
  refs = 1;

  /** To be looked at only: `edit` is for changing. */
  get(sig: number): Readonly<SigAction> {
    return this.#actions[sig] ?? DEFAULT;
  }

  edit(sig: number): SigAction {
    let action = this.#actions[sig];
    if (!action) {
      action = new SigAction();
      this.#actions[sig] = action;
    }
    return action;
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
    for (let sig = 1; sig <= NSIG; sig++) {
      const action = this.#actions[sig];
      if (action) copy.edit(sig).assign(action);
    }
    return copy;
  }

  /** execve(2) and CLONE_CLEAR_SIGHAND: handlers become SIG_DFL, ignored signals stay ignored. */
  resetHandlers(): void {
    for (let sig = 1; sig <= NSIG; sig++) {
      const a = this.#actions[sig];
      if (!a) continue;
      if (a.handler !== SIG_IGN) a.handler = SIG_DFL;
      a.flags = 0;
      a.mask.clear();
    }
  }
}

const DEFAULT = new SigAction();
