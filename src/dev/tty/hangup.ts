/**
 * The end of a terminal's session, and hanging up: whoever has the terminal
 * open keeps a dead file (reads are end of file, writes EIO), the session
 * leader gets SIGHUP. See setsid(2), vhangup(2), termios(3).
 */
import { SIGCONT, SIGHUP } from "../../abi/signal.ts";
import { psignal } from "../../proc/signal.ts";
import type { Tty } from "./tty.ts";

/** The line was cut, by vhangup(2) or because a pty's master is gone. */
export function vhangup(tty: Tty): void {
  const leader = tty.session?.leader;
  if (leader) {
    psignal(leader, SIGHUP);
    psignal(leader, SIGCONT);
    leader.pgrp.session.oldForeground = tty.foreground;
  }
  cut(tty);
}

/** The session leader ended: the foreground learns of it, and nobody has this terminal any more. */
export function endSession(tty: Tty): void {
  tty.signalForeground(SIGHUP);
  if (tty.isPty) detachSession(tty);
  else cut(tty);
}

/** The session and its terminal forget each other. */
export function detachSession(tty: Tty): void {
  for (const group of tty.session?.groups ?? []) {
    for (const p of group.members) if (p.tty === tty) p.tty = null;
  }
  tty.session = null;
  tty.foreground = null;
}

function cut(tty: Tty): void {
  detachSession(tty);
  for (const fp of tty.files) fp.hungUp();
  tty.isHeldByProgram = false;
  tty.start();
  tty.discardOutput();
  tty.setAttributes(tty.defaultTermios());
  tty.discardAllInput();
  tty.wakeAll();
}
