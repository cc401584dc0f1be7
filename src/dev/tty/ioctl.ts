/**
 * The requests of ioctl_tty(2) that terminals of every kind answer.
 *
 * A pty's master answers them for its slave; what differs then is in `how`.
 */
import { EFAULT, EINVAL, EIO, ENOTTY, EPERM, failed } from "../../abi/errno.ts";
import { SIGTTOU } from "../../abi/signal.ts";
import { TermioAbi, Termios2Abi, TermiosAbi, VSTART, VSTOP, Winsize } from "../../abi/termios.ts";
import {
  FIONREAD,
  N_TTY,
  TCFLSH,
  TCGETA,
  TCGETS,
  TCGETS2,
  TCIFLUSH,
  TCIOFF,
  TCIOFLUSH,
  TCION,
  TCOFLUSH,
  TCOOFF,
  TCOON,
  TCSBRK,
  TCSBRKP,
  TCSETA,
  TCSETAF,
  TCSETAW,
  TCSETS,
  TCSETS2,
  TCSETSF,
  TCSETSF2,
  TCSETSW,
  TCSETSW2,
  TCXONC,
  TIOCCBRK,
  TIOCCONS,
  TIOCEXCL,
  TIOCGDEV,
  TIOCGETD,
  TIOCGEXCL,
  TIOCGLCKTRMIOS,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCNXCL,
  TIOCOUTQ,
  TIOCSBRK,
  TIOCSCTTY,
  TIOCSETD,
  TIOCSLCKTRMIOS,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
  TIOCVHANGUP,
} from "../../abi/ttyioctl.ts";
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import type { File } from "../../vfs/file.ts";
import type { UserMemory } from "../../vm/usermem.ts";
import { vhangup } from "./hangup.ts";
import {
  checkForeground,
  getForeground,
  getSession,
  giveUpControlling,
  setControlling,
  setForeground,
} from "./jobcontrol.ts";
import { Termios } from "./termios.ts";
import type { Tty } from "./tty.ts";

/** Through what kind of file the request came. */
export interface TtyAccess {
  readonly file: File;
  readonly isMaster: boolean;
  readonly isConsole: boolean;
  readonly isReadable: boolean;
}

/** `request` is unsigned; `arg` is a number or a user address, as the request says. */
export function ttyIoctl(
  td: Thread,
  tty: Tty,
  how: TtyAccess,
  request: number,
  arg: number,
  mem: UserMemory,
): number {
  switch (request) {
    case TCGETS:
      return mem.copyout(arg, tty.termios.encode());
    case TCGETS2:
      return mem.copyout(arg, tty.termios.encode2());
    case TCGETA:
      return mem.copyout(arg, tty.termios.encodeTermio());
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
      return setTermios(td, tty, TermiosAbi.sizeof, request === TCSETSF, arg, mem);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
      return setTermios(td, tty, Termios2Abi.sizeof, request === TCSETSF2, arg, mem);
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
      return setTermios(td, tty, TermioAbi.sizeof, request === TCSETAF, arg, mem);
    case TIOCGLCKTRMIOS:
      return mem.copyout(arg, tty.locked?.encode() ?? new Uint8Array(TermiosAbi.sizeof));
    case TIOCSLCKTRMIOS:
      return lockTermios(td, tty, arg, mem);
    case TIOCGWINSZ:
      return getWindowSize(tty, arg, mem);
    case TIOCSWINSZ:
      return setWindowSize(tty, arg, mem);
    case TIOCGPGRP:
      return storeResult(getForeground(td, tty, how.isMaster), arg, mem);
    case TIOCSPGRP:
      return setForeground(td, tty, arg, mem);
    case TIOCGSID:
      return storeResult(getSession(td, tty, how.isMaster), arg, mem);
    case TIOCSCTTY:
      return setControlling(td, tty, how.isReadable, arg);
    case TIOCNOTTY:
      return giveUpControlling(td, tty);
    case FIONREAD:
      return storeInt(bytesWaiting(tty), arg, mem);
    case TIOCOUTQ:
      return storeInt(0, arg, mem);
    case TCFLSH:
      return flush(td, tty, arg);
    case TCXONC:
      return flowControl(td, tty, arg);
    case TCSBRK:
    case TCSBRKP:
    case TIOCSBRK:
    case TIOCCBRK:
      return checkForeground(td, tty, SIGTTOU);
    case TIOCSTI:
      return simulateInput(td, tty, arg, mem);
    case TIOCEXCL:
      tty.isExclusive = true;
      return 0;
    case TIOCNXCL:
      tty.isExclusive = false;
      return 0;
    case TIOCGEXCL:
      return storeInt(tty.isExclusive ? 1 : 0, arg, mem);
    case TIOCGETD:
      return storeInt(N_TTY, arg, mem);
    case TIOCSETD:
      return setDiscipline(td, tty, arg, mem);
    case TIOCGDEV:
      return storeInt(tty.rdev, arg, mem);
    case TIOCVHANGUP:
      if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
      vhangup(tty);
      return 0;
    case TIOCCONS:
      return tty.redirect.set(td, how.file, how.isConsole);
  }
  return ENOTTY;
}

/** What FIONREAD tells: bytes that reads would get. */
export function bytesWaiting(tty: Tty): number {
  const { isCanonical, queue } = tty.ldisc;
  return isCanonical ? queue.canonicalCount : queue.count;
}

export function storeInt(value: number, arg: number, mem: UserMemory): number {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return mem.copyout(arg, bytes);
}

/** The int at `arg`, or null: EFAULT. */
export function loadInt(arg: number, mem: UserMemory): number | null {
  const bytes = new Uint8Array(4);
  if (failed(mem.copyin(arg, bytes))) return null;
  return new DataView(bytes.buffer).getInt32(0, true);
}

function storeResult(result: number, arg: number, mem: UserMemory): number {
  return failed(result) ? result : storeInt(result, arg, mem);
}

function setTermios(
  td: Thread,
  tty: Tty,
  size: number,
  discardsInput: boolean,
  arg: number,
  mem: UserMemory,
): number {
  const checked = checkForeground(td, tty, SIGTTOU);
  if (failed(checked)) return checked;
  const bytes = new Uint8Array(size);
  if (failed(mem.copyin(arg, bytes))) return EFAULT;
  const wanted = tty.termios.clone();
  if (size === TermioAbi.sizeof) wanted.decodeTermio(bytes);
  else wanted.decode(bytes);
  if (discardsInput) tty.discardInput();
  tty.setAttributes(wanted);
  return 0;
}

/** Which bits of the attributes nobody changes from now on; CRIU's, as it restores a terminal. */
function lockTermios(td: Thread, tty: Tty, arg: number, mem: UserMemory): number {
  const isAllowed = td.cred.hasCap(CAP_SYS_ADMIN) || td.cred.hasCap(CAP_CHECKPOINT_RESTORE);
  if (!isAllowed) return EPERM;
  const bytes = new Uint8Array(TermiosAbi.sizeof);
  if (failed(mem.copyin(arg, bytes))) return EFAULT;
  const locked = new Termios();
  locked.decode(bytes);
  tty.locked = locked;
  return 0;
}

function getWindowSize(tty: Tty, arg: number, mem: UserMemory): number {
  const bytes = new Uint8Array(Winsize.sizeof);
  const view = new DataView(bytes.buffer);
  const { rows, cols, xpixel, ypixel } = tty.windowSize;
  Winsize.ws_row.set(view, 0, rows);
  Winsize.ws_col.set(view, 0, cols);
  Winsize.ws_xpixel.set(view, 0, xpixel);
  Winsize.ws_ypixel.set(view, 0, ypixel);
  return mem.copyout(arg, bytes);
}

function setWindowSize(tty: Tty, arg: number, mem: UserMemory): number {
  const bytes = new Uint8Array(Winsize.sizeof);
  if (failed(mem.copyin(arg, bytes))) return EFAULT;
  const view = new DataView(bytes.buffer);
  tty.setWindowSize({
    rows: Winsize.ws_row.get(view, 0),
    cols: Winsize.ws_col.get(view, 0),
    xpixel: Winsize.ws_xpixel.get(view, 0),
    ypixel: Winsize.ws_ypixel.get(view, 0),
  });
  return 0;
}

function flush(td: Thread, tty: Tty, which: number): number {
  const checked = checkForeground(td, tty, SIGTTOU);
  if (failed(checked)) return checked;
  if (which !== TCIFLUSH && which !== TCOFLUSH && which !== TCIOFLUSH) return EINVAL;
  if (which !== TCOFLUSH) tty.discardAllInput();
  if (which !== TCIFLUSH) tty.discardOutput();
  return 0;
}

function flowControl(td: Thread, tty: Tty, action: number): number {
  const checked = checkForeground(td, tty, SIGTTOU);
  if (failed(checked)) return checked;
  switch (action) {
    case TCOOFF:
      tty.isHeldByProgram = true;
      tty.stop();
      return 0;
    case TCOON:
      if (!tty.isHeldByProgram) return 0;
      tty.isHeldByProgram = false;
      tty.start();
      return 0;
    case TCIOFF:
      return sendFlowCharacter(tty, tty.termios.cc[VSTOP]!);
    case TCION:
      return sendFlowCharacter(tty, tty.termios.cc[VSTART]!);
  }
  return EINVAL;
}

/** Goes out even while output is held. */
function sendFlowCharacter(tty: Tty, c: number): number {
  if (c !== 0) tty.put(Uint8Array.of(c));
  return 0;
}

/** TIOCSTI: typing for somebody else, which only the privileged may. */
function simulateInput(td: Thread, tty: Tty, arg: number, mem: UserMemory): number {
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EIO;
  const typed = new Uint8Array(1);
  if (failed(mem.copyin(arg, typed))) return EFAULT;
  if (tty.inputRoom > 0) tty.receive(typed);
  return 0;
}

function setDiscipline(td: Thread, tty: Tty, arg: number, mem: UserMemory): number {
  const wanted = loadInt(arg, mem);
  if (wanted === null) return EFAULT;
  const checked = checkForeground(td, tty, SIGTTOU);
  if (failed(checked)) return checked;
  return wanted === N_TTY ? 0 : EINVAL;
}
