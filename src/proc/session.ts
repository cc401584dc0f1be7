/**
 * Sessions and process groups: who shares a terminal, and whom its keys signal.
 *
 * A process is in one group, a group in one session. A session has at most one
 * controlling terminal, a terminal at most one session; each process has its
 * session's terminal or none (TIOCNOTTY gives it up, the leader for all). The
 * terminal knows the foreground group, which may be gone: nobody is in the
 * foreground then. A group lives while it has members (zombies count), a
 * session while it has groups. See setsid(2), setpgid(2), credentials(7).
 */
import type { Pid } from "./pid.ts";
import type { Proc } from "./proc.ts";

/** What a session needs to know of its terminal; implemented by dev/tty. */
export interface ControllingTty {
  /** Device number, for stat's tty_nr and /dev/tty. */
  readonly rdev: number;
  foreground: ProcessGroup | null;
  session: Session | null;
  /** The session leader went away: SIGHUP follows, and reads see end of file. */
  hangup(): void;
  /** vhangup(2): everybody's files on the terminal are cut, and the session loses it. */
  vhangup(): void;
}

export class Session {
  readonly id: Pid;
  readonly sid: number;
  leader: Proc | null;
  /** The foreground when the terminal was cut: it hears of the leader's end. */
  oldForeground: ProcessGroup | null = null;
  readonly groups = new Set<ProcessGroup>();

  constructor(leader: Proc) {
    this.id = leader.id;
    this.sid = leader.pid;
    this.leader = leader;
  }
}

export class ProcessGroup {
  /** Of the process that led it first. */
  readonly id: Pid;
  readonly pgid: number;
  readonly session: Session;
  readonly members = new Set<Proc>();

  constructor(id: Pid, session: Session) {
    this.id = id;
    this.pgid = id.number;
    this.session = session;
  }

  /** No member has a parent in another group of the same session: job control cannot resume it. */
  get isOrphaned(): boolean {
    return this.isOrphanedWithout(null);
  }

  /** True if `leaving` is what keeps the group from being orphaned. */
  isOrphanedBy(leaving: Proc): boolean {
    return !this.isOrphaned && this.isOrphanedWithout(leaving);
  }

  /** As isOrphaned, once `leaving` is gone, be it member or parent. */
  isOrphanedWithout(leaving: Proc | null): boolean {
    for (const p of this.members) {
      if (p === leaving || p.state !== "alive") continue;
      const up = p.parent;
      // Process 1 counts as any parent: it may be a shell that does job control.
      if (up && up !== leaving && up.pgrp !== this && up.pgrp.session === this.session)
        return false;
    }
    return true;
  }

  get hasStopped(): boolean {
    for (const p of this.members) if (p.isStopped) return true;
    return false;
  }
}
