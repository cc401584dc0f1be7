/**
 * The line discipline does what the host's Linux does.
 *
 * Scripts of typing, printing and reading run on our ptys and, by
 * pty-oracle.py, on real ones; every observation must be the same. Chosen
 * scripts name behaviours; random ones (seeded) look for what nobody thought of.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { before, describe, test } from "node:test";
import * as T from "../../src/abi/termios.ts";
import { PtyRig, type Result, type Step } from "./pty-script.ts";

const CS8_CREAD = T.B38400 | T.CS8 | T.CREAD;
const SANE_I = T.ICRNL | T.IXON;
const SANE_O = T.OPOST | T.ONLCR;
const SANE_L = T.ISIG | T.ICANON | T.ECHO | T.ECHOE | T.ECHOK | T.ECHOCTL | T.ECHOKE | T.IEXTEN;
const SANE_CC = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0];

interface Modes {
  readonly i?: number;
  readonly o?: number;
  readonly l?: number;
  readonly cc?: Readonly<Record<number, number>>;
  readonly how?: number;
}

function modes(m: Modes = {}): Step {
  const cc = SANE_CC.map((c, i) => m.cc?.[i] ?? c);
  return ["termios", m.how ?? 0, m.i ?? SANE_I, m.o ?? SANE_O, CS8_CREAD, m.l ?? SANE_L, cc];
}

const type = (s: string): Step => ["type", Buffer.from(s, "latin1").toString("hex")];
const typeUtf8 = (s: string): Step => ["type", Buffer.from(s).toString("hex")];
const print = (s: string): Step => ["print", Buffer.from(s, "latin1").toString("hex")];
const read = (n = 4096): Step => ["read", n];
const screen: Step = ["screen"];
const waiting: Step = ["waiting"];
const poll: Step = ["poll"];

const RAW: Modes = { i: 0, o: 0, l: 0 };
const look: Step[] = [poll, waiting, screen, read(), read()];

const chosen: Record<string, Step[]> = {
  "a line is read when it is ended": [type("he"), ...look, type("llo\r"), ...look],
  "ends of line: newline, VEOF, VEOL, VEOL2": [
    modes({ cc: { [T.VEOL]: 0x65, [T.VEOL2]: 0x78 } }),
    type("one\ntwothreex\x04four\x04\x04"),
    waiting,
    ...Array.from({ length: 8 }, () => read()),
    screen,
  ],
  "a short read takes part of a line, and VEOF goes with the last part": [
    type("abcdef\x04gh\n"),
    read(3),
    read(3),
    read(9),
    read(9),
  ],
  "VEOF on an empty line is end of file once": [type("\x04"), poll, waiting, read(), read()],
  "erase, kill, word erase": [
    type("abc\x7fd\x7f\x7f\x7f\x7f\x7fxyz\x15"),
    screen,
    type("foo bar  baz_9-\x17\x17\x17q\r"),
    ...look,
  ],
  "erasing tabs and control characters": [
    type("a\tb\tc\x7f\x7f\x7f\x7f\x01\x02\tz\x7f\x7f\x7f\x7f"),
    screen,
    print("prompt> "),
    type("x\t\ty\x7f\x7f\x7f"),
    screen,
    type("\x16\t\x15\r"),
    ...look,
  ],
  "erasing UTF-8": [
    modes({ i: SANE_I | T.IUTF8 }),
    typeUtf8("aé漢😀\x7f\x7fb\tü\t\x7f\x7f\x7f\x7f\x7f\r"),
    ...look,
    type("\xe9\x80\x80\x80\x80\x7f\x80\x7f\x7f\r"),
    ...look,
  ],
  "without IUTF8 each byte is erased alone": [typeUtf8("é\x7fx\r"), ...look],
  "literal next": [type("\x16\x03\x16\x7f\x16\x16\x16\n\x16\r\x16\x04\r"), ...look],
  "literal next without ECHOCTL": [
    modes({ l: SANE_L & ~T.ECHOCTL }),
    type("\x16\x03\x01\r"),
    ...look,
  ],
  "literal next needs IEXTEN": [modes({ l: SANE_L & ~T.IEXTEN }), type("a\x16b\x17\r"), ...look],
  reprint: [type("ab\x01c\x12d\x12\r"), ...look],
  ECHOPRT: [
    modes({ l: SANE_L | T.ECHOPRT, i: SANE_I | T.IUTF8 }),
    typeUtf8("abcé\x7f\x7fxy\x7f\x7f\x7f\x7f\x7fq\x15z\r"),
    ...look,
  ],
  "no ECHOE": [modes({ l: SANE_L & ~T.ECHOE }), type("ab\x7fc\x17d\x15e\r"), ...look],
  "no ECHOK": [modes({ l: SANE_L & ~T.ECHOK }), type("ab\x7fc\x17d\x15e\r"), ...look],
  "no ECHOKE": [modes({ l: SANE_L & ~T.ECHOKE }), type("ab\x7fc\x17d\x15e\r"), ...look],
  "no ECHO, ECHONL": [
    modes({ l: (SANE_L & ~T.ECHO) | T.ECHONL }),
    type("ab\x7fc\x12\r\x15"),
    ...look,
  ],
  "signal keys flush": [type("abc\x03def\n"), ...look, type("q\x1c\x1a"), ...look],
  "NOFLSH keeps what was typed": [modes({ l: SANE_L | T.NOFLSH }), type("abc\x03def\n"), ...look],
  "signal keys without echo": [modes({ l: SANE_L & ~T.ECHO }), type("abc\x03de\n"), ...look],
  "signal keys in raw mode": [modes({ ...RAW, l: T.ISIG }), type("abc\x03de"), ...look],
  "XON and XOFF": [
    type("a\x13b"),
    screen,
    poll,
    print("held"),
    type("\x11"),
    screen,
    print("free\n"),
    screen,
    poll,
  ],
  IXANY: [modes({ i: SANE_I | T.IXANY }), type("\x13"), print("x"), type("q"), screen, ...look],
  "IXON switched off while stopped": [
    type("\x13z"),
    screen,
    modes({ i: T.ICRNL }),
    screen,
    print("x"),
    screen,
  ],
  "stopped and erased": [type("ab\x13\x7f\x7fcd\x11\r"), ...look],
  tcflow: [
    ["flow", 0],
    print("x"),
    poll,
    type("\x11y"),
    screen,
    ["flow", 1],
    screen,
    ["flow", 2],
    screen,
    ["flow", 3],
    screen,
    ["flow", 9],
  ],
  "CR and NL on input": [
    modes({ i: T.INLCR }),
    type("a\rb\nc\x04"),
    ...look,
    modes({ i: T.IGNCR | T.ICRNL }),
    type("a\rb\n"),
    ...look,
    modes({ i: T.INLCR | T.ICRNL }),
    type("a\rb\n"),
    ...look,
  ],
  "ISTRIP, IUCLC": [
    modes({ i: SANE_I | T.ISTRIP | T.IUCLC }),
    type("ABC\xc1\xe1\x8d"),
    ...look,
    modes({ i: SANE_I | T.IUCLC }),
    type("ABC\xc1\xd7\xe1\x04"),
    ...look,
  ],
  "PARMRK doubles 255": [
    modes({ i: SANE_I | T.PARMRK }),
    type("a\xffb\xff\n"),
    ...look,
    modes({ ...RAW, i: T.PARMRK }),
    type("\xff\xff"),
    ...look,
  ],
  "output processing": [
    print("a\nb\tc\rd\be\n"),
    screen,
    modes({ o: T.OPOST | T.XTABS }),
    print("a\tbc\t\n\tdefghijkl\tm\b\b\t"),
    screen,
    modes({ o: T.OPOST | T.OCRNL | T.ONOCR | T.ONLRET }),
    print("\ra\r\rb\nc\r"),
    screen,
    modes({ o: T.OPOST | T.OLCUC | T.ONOCR | T.XTABS }),
    print("ab\xe9\xff\n\r\tz\t"),
    screen,
    modes({ o: 0 }),
    print("a\nb\tc\r"),
    screen,
  ],
  "echo follows the column of output": [
    print("12345"),
    type("\t\tx\x7f\x7f\x7f"),
    screen,
    print("\n"),
    type("\tx\x7f\x7f"),
    screen,
  ],
  "echo of 255 and high bytes": [type("\xff\x80\x81\x82\xe9\x7f\x7f\x7f\x7f\x7f"), screen],
  "raw mode": [modes(RAW), type("abc\x03\r\n\x04"), ...look, type("d"), read(2), read(2)],
  "VMIN and poll": [
    modes({ ...RAW, cc: { [T.VMIN]: 4 } }),
    type("ab"),
    poll,
    waiting,
    read(),
    type("abcd"),
    poll,
    read(2),
    poll,
    read(),
  ],
  "VMIN 0": [modes({ ...RAW, cc: { [T.VMIN]: 0 } }), read(), poll, type("a"), poll, read(), read()],
  "VMIN 0 and VTIME": [
    modes({ ...RAW, cc: { [T.VMIN]: 0, [T.VTIME]: 3 } }),
    read(),
    type("a"),
    read(),
  ],
  "from canonical to raw and back": [
    type("abc"),
    read(),
    modes({ l: SANE_L & ~T.ICANON }),
    poll,
    waiting,
    type("d"),
    modes(),
    poll,
    waiting,
    read(2),
    read(),
    read(),
  ],
  "to raw with lines and VEOF pending": [
    type("ab\x04c\nd"),
    modes(RAW),
    waiting,
    read(3),
    modes(),
    waiting,
    read(),
    read(),
  ],
  "TCSAFLUSH and tcflush": [
    type("abc\nde"),
    modes({ how: 2 }),
    ...look,
    type("f\n"),
    ["flush", 0],
    ...look,
    print("out"),
    type("g\n"),
    ["flush", 2],
    ...look,
    ["flush", 1],
    ["flush", 7],
  ],
  "EXTPROC leaves editing to the master": [
    modes({ l: SANE_L | T.EXTPROC }),
    type("ab\x7f\x03\r\n"),
    ...look,
    type("\x04"),
    poll,
    read(),
    read(),
    type("a\x04"),
    read(),
    read(),
  ],
  "packet mode": [
    ["setpacket", 1],
    print("data"),
    poll,
    screen,
    type("x\x13"),
    screen,
    type("\x11"),
    screen,
    type("\x03"),
    poll,
    screen,
    ["flush", 0],
    ["flush", 1],
    screen,
    modes({ i: T.ICRNL }),
    screen,
    modes(),
    screen,
    modes({ l: SANE_L | T.EXTPROC }),
    screen,
    modes({ cc: { [T.VSTOP]: 1 } }),
    screen,
    ["setpacket", 0],
    print("plain"),
    screen,
  ],
  "closing and reopening the slave": [
    type("ab\ncd"),
    print("out"),
    ["closeslave"],
    ["outwaiting"],
    screen,
    type("e\n"),
    screen,
    ["reopen"],
    poll,
    ...look,
  ],
  "closing the master": [
    type("ab\n"),
    print("out"),
    ["closemaster"],
    read(),
    print("x"),
    ["attributes"],
    ["flush", 0],
  ],
  "attributes of a new slave, and what cannot be changed": [
    ["attributes"],
    ["termios", 0, 0, 0, 0, 0, SANE_CC],
    ["attributes"],
    ["termios", 0, 0xffff_ffff, 0xffff_ffff, 0x1002, 0, SANE_CC],
    ["attributes"],
  ],
  "a line longer than the queue loses its end": [
    modes({ l: SANE_L & ~T.ECHO }),
    ...Array.from({ length: 43 }, () => type("0123456789".repeat(10))),
    type("end\n"),
    waiting,
    read(8192),
    read(),
  ],
  "raw input beyond the queue waits": [
    modes(RAW),
    ...Array.from({ length: 5 }, (_, k) => type(String.fromCharCode(65 + k).repeat(1000))),
    waiting,
    read(1500),
    waiting,
    read(8192),
    read(),
  ],
  "a full queue of lines holds back, and flow control still works": [
    modes({ l: SANE_L & ~T.ECHO }),
    ...Array.from({ length: 45 }, () => type(`${"x".repeat(99)}\n`)),
    waiting,
    type("\x13"),
    print("held"),
    screen,
    type("\x11"),
    screen,
    ...Array.from({ length: 47 }, () => read()),
  ],
};

/** A generator with a seed: the same sequence on every machine. */
function mulberry32(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function randomScript(seed: number): Step[] {
  const random = mulberry32(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const flags = (usual: number, others: readonly number[]): number => {
    let f = random() < 0.5 ? usual : 0;
    for (const o of others) if (random() < 0.3) f ^= o;
    return f;
  };
  const randomModes = (): Step => {
    const cc: Record<number, number> = { [T.VMIN]: below(3) };
    if (random() < 0.3) cc[T.VEOL] = 0x65;
    if (random() < 0.3) cc[T.VEOL2] = [0x6f, 0xff, 9][below(3)]!;
    if (random() < 0.1) cc[T.VERASE] = 8;
    if (random() < 0.1) cc[T.VINTR] = 0;
    if (random() < 0.05) cc[T.VEOF] = 0;
    return modes({
      how: below(3),
      i: flags(SANE_I, [
        T.ICRNL,
        T.INLCR,
        T.IGNCR,
        T.IXON,
        T.IXANY,
        T.ISTRIP,
        T.IUCLC,
        T.PARMRK,
        T.IUTF8,
        T.IMAXBEL,
        T.IGNBRK,
        T.BRKINT,
        T.INPCK,
        T.IGNPAR,
      ]),
      o: flags(SANE_O, [T.OPOST, T.ONLCR, T.OCRNL, T.ONOCR, T.ONLRET, T.XTABS, T.OLCUC]),
      l: flags(SANE_L, [
        T.ISIG,
        T.ICANON,
        T.ECHO,
        T.ECHOE,
        T.ECHOK,
        T.ECHONL,
        T.NOFLSH,
        T.ECHOCTL,
        T.ECHOPRT,
        T.ECHOKE,
        T.IEXTEN,
        ...(random() < 0.1 ? [T.EXTPROC] : []),
      ]),
      cc,
    });
  };
  const keys = "\x7f\x7f\x7f\x15\x17\x16\x12\x04\r\r\n\t\t\x03\x1c\x1a\x11\x13\x08\x00\x01\x1b\xff";
  const randomText = (): string => {
    let s = "";
    for (let n = 1 + below(16); n > 0; n--) {
      const kind = random();
      if (kind < 0.45) s += "aeoxZ _-9"[below(9)];
      else if (kind < 0.85) s += keys[below(keys.length)];
      else if (kind < 0.95) s += Buffer.from("éü漢😀"[below(4)] ?? "é").toString("latin1");
      else s += String.fromCharCode(below(256));
    }
    return s;
  };
  const steps: Step[] = [randomModes()];
  for (let n = 8 + below(14); n > 0; n--) {
    const kind = random();
    if (kind < 0.5) steps.push(type(randomText()));
    else if (kind < 0.65) steps.push(print(randomText()));
    else if (kind < 0.8) steps.push(read(1 + below(12)));
    else if (kind < 0.88) steps.push(screen);
    else if (kind < 0.93) steps.push(poll);
    else if (kind < 0.96) steps.push(randomModes());
    else steps.push(waiting);
  }
  return [...steps, ...look, read()];
}

const hasPython = spawnSync("python3", ["-c", "import os; os.open('/dev/ptmx', 2)"]).status === 0;
const skip = hasPython ? false : "needs python3 and the host's /dev/ptmx";

function onLinux(cases: readonly Step[][], pauseMs: number): Result[][] {
  const oracle = new URL("pty-oracle.py", import.meta.url).pathname;
  const run = spawnSync("python3", [oracle], {
    input: JSON.stringify({ pauseMs, cases }),
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout) as Result[][];
}

/**
 * Linux passes bytes on in the background, so that a flush may or may not
 * catch bytes on their way; what differs gets further, slower runs.
 */
const PAUSES_MS = [10, 30, 60, 60];

interface Verdict {
  readonly ours: readonly Result[];
  readonly theirs: readonly Result[];
}

function verdicts(cases: readonly Step[][]): Verdict[] {
  const ours = cases.map((steps) => new PtyRig().run(steps));
  const theirs: Result[][] = [];
  let left = cases.map((_, k) => k);
  for (const pauseMs of PAUSES_MS) {
    if (left.length === 0) break;
    const seen = onLinux(
      left.map((k) => cases[k]!),
      pauseMs,
    );
    left.forEach((k, n) => {
      theirs[k] = seen[n]!;
    });
    left = left.filter((k) => JSON.stringify(ours[k]) !== JSON.stringify(theirs[k]));
  }
  return cases.map((_, k) => ({ ours: ours[k]!, theirs: theirs[k]! }));
}

function assertSame(name: string, steps: readonly Step[], v: Verdict): void {
  const shown = (r: readonly Result[]): string =>
    steps.map((s, n) => `${JSON.stringify(s)} → ${JSON.stringify(r[n])}`).join("\n");
  assert.equal(shown(v.ours), shown(v.theirs), name);
}

describe("chosen scripts behave as on Linux", { skip }, () => {
  let all: Verdict[] = [];
  before(() => {
    all = verdicts(Object.values(chosen));
  });
  Object.entries(chosen).forEach(([name, steps], k) => {
    test(name, () => assertSame(name, steps, all[k]!));
  });
});

test("random scripts behave as on Linux", { skip }, () => {
  const count = Number(process.env["NTTY_SCRIPTS"] ?? 500);
  const first = Number(process.env["NTTY_SEED"] ?? 1);
  const cases = Array.from({ length: count }, (_, k) => randomScript(first + k));
  const all = verdicts(cases);
  cases.forEach((steps, k) => {
    assertSame(`seed ${first + k}`, steps, all[k]!);
  });
});
