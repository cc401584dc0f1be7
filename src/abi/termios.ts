/**
 * Terminal attributes of Linux (asm-generic) as data: flags, control characters, layouts.
 * Source: termios(3), include/uapi/asm-generic/termbits.h.
 */
import { bytes, struct, u8, u16, u32 } from "../lib/struct.ts";

export const NCCS = 19;

export const TermiosAbi = struct({
  c_iflag: u32,
  c_oflag: u32,
  c_cflag: u32,
  c_lflag: u32,
  c_line: u8,
  c_cc: bytes(NCCS),
});

export const Termios2Abi = struct({
  c_iflag: u32,
  c_oflag: u32,
  c_cflag: u32,
  c_lflag: u32,
  c_line: u8,
  c_cc: bytes(NCCS),
  c_ispeed: u32,
  c_ospeed: u32,
});

/** The System V struct of TCGETA: 16-bit flags and 8 characters. */
export const TermioAbi = struct({
  c_iflag: u16,
  c_oflag: u16,
  c_cflag: u16,
  c_lflag: u16,
  c_line: u8,
  c_cc: bytes(8),
});

export const Winsize = struct({ ws_row: u16, ws_col: u16, ws_xpixel: u16, ws_ypixel: u16 });

export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSWTC = 7;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VDISCARD = 13;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
/** The value of a control character that is switched off. */
export const POSIX_VDISABLE = 0;

export const IGNBRK = 0x0001;
export const BRKINT = 0x0002;
export const IGNPAR = 0x0004;
export const PARMRK = 0x0008;
export const INPCK = 0x0010;
export const ISTRIP = 0x0020;
export const INLCR = 0x0040;
export const IGNCR = 0x0080;
export const ICRNL = 0x0100;
export const IUCLC = 0x0200;
export const IXON = 0x0400;
export const IXANY = 0x0800;
export const IXOFF = 0x1000;
export const IMAXBEL = 0x2000;
export const IUTF8 = 0x4000;

export const OPOST = 0x0001;
export const OLCUC = 0x0002;
export const ONLCR = 0x0004;
export const OCRNL = 0x0008;
export const ONOCR = 0x0010;
export const ONLRET = 0x0020;
export const TABDLY = 0x1800;
export const XTABS = 0x1800;

export const CBAUD = 0x100f;
export const CSIZE = 0x0030;
export const CS8 = 0x0030;
export const CREAD = 0x0080;
export const PARENB = 0x0100;
export const HUPCL = 0x0400;
export const CLOCAL = 0x0800;
export const BOTHER = 0x1000;
export const CIBAUD = 0x100f_0000;
/** From CBAUD to CIBAUD. */
export const IBSHIFT = 16;
export const B38400 = 0x000f;

export const ISIG = 0x0_0001;
export const ICANON = 0x0_0002;
export const XCASE = 0x0_0004;
export const ECHO = 0x0_0008;
export const ECHOE = 0x0_0010;
export const ECHOK = 0x0_0020;
export const ECHONL = 0x0_0040;
export const NOFLSH = 0x0_0080;
export const TOSTOP = 0x0_0100;
export const ECHOCTL = 0x0_0200;
export const ECHOPRT = 0x0_0400;
export const ECHOKE = 0x0_0800;
export const FLUSHO = 0x0_1000;
export const PENDIN = 0x0_4000;
export const IEXTEN = 0x0_8000;
export const EXTPROC = 0x1_0000;

/** Bits per second by the code in CBAUD without CBAUDEX, then with it (from B57600). */
export const BAUD_RATES: readonly number[] = [
  0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
];
export const BAUD_RATES_EXTENDED: readonly number[] = [
  0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
  2500000, 3000000, 3500000, 4000000,
];
