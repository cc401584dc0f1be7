/** The console: typed bytes in, output out, the host's window size. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, ERESTARTSYS } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import { POLLIN, POLLOUT } from "../../src/abi/poll.ts";
import { ConsoleTty } from "../../src/dev/tty/console.ts";
import { TtyFile } from "../../src/dev/tty/ttyfile.ts";
import { Uio } from "../../src/vm/uio.ts";
import { FakeConsole } from "./fake-host.ts";
import { testThread } from "./pty-script.ts";

const O_RDWR = 2;

function rig(flags = O_RDWR) {
  const port = new FakeConsole();
  const tty = new ConsoleTty(0xe500, "hvc0", port);
  const file = new TtyFile(tty, flags, false);
  const td = testThread();
  const read = (count: number): string | number => {
    const into = new Uint8Array(count);
    const n = file.read(td, Uio.kernel(into));
    return n < 0 ? n : Buffer.from(into.subarray(0, n)).toString("latin1");
  };
  const write = (s: string): number => file.write(td, Uio.kernel(new Uint8Array(Buffer.from(s))));
  return { port, tty, file, td, read, write };
}

test("a line typed at the host is echoed and read", () => {
  const { port, tty, read } = rig();
  port.type("echo hi\r");
  tty.consoleInput();
  assert.equal(port.shown(), "echo hi\r\n");
  assert.equal(read(100), "echo hi\n");
});

test("a reader sleeps until a line is typed, and wakes then", () => {
  const { port, tty, td, read } = rig();
  assert.equal(read(100), ERESTARTSYS);
  assert.equal(td.state, "sleeping");
  assert.equal(td.wmesg, "ttyin");
  port.type("x\r");
  tty.consoleInput();
  assert.equal(td.state, "runnable");
  assert.equal(read(100), "x\n");
});

test("output goes to the host at once, newlines translated", () => {
  const { port, write } = rig();
  assert.equal(write("a\nb\n"), 4);
  assert.equal(port.shown(), "a\r\nb\r\n");
});

test("much typed ahead is kept by the host until it is read", () => {
  const { port, tty, read } = rig(O_RDWR | O_NONBLOCK);
  const lines = Array.from({ length: 3000 }, (_, k) => `line ${k}\n`).join("");
  port.type(lines);
  tty.consoleInput();
  let got = "";
  for (let r = read(4096); typeof r === "string"; r = read(4096)) got += r;
  assert.equal(got, lines);
  assert.equal(read(1), EAGAIN);
});

test("^S holds output, ^Q lets it go on", () => {
  const { port, tty, file, td, write } = rig(O_RDWR | O_NONBLOCK);
  port.type("\x13");
  tty.consoleInput();
  assert.equal(write("held"), EAGAIN);
  assert.equal(file.poll(td, null) & POLLOUT, 0);
  port.type("\x11");
  tty.consoleInput();
  assert.equal(write("free"), 4);
  assert.equal(port.shown(), "free");
});

test("the window has the host's size, also after it changed", () => {
  const { port, tty } = rig();
  assert.deepEqual(tty.windowSize, { rows: 24, cols: 80, xpixel: 0, ypixel: 0 });
  port.rows = 50;
  tty.resized();
  assert.equal(tty.windowSize.rows, 50);
});

test("the end of the host's input is silence, not end of file", () => {
  const { port, tty, file, td, read } = rig(O_RDWR | O_NONBLOCK);
  port.end();
  tty.consoleInput();
  assert.equal(read(1), EAGAIN);
  assert.equal(file.poll(td, null) & POLLIN, 0);
});

test("attributes do not outlast the last user", () => {
  const { tty, file } = rig();
  const raw = tty.termios.clone();
  raw.lflag = 0;
  tty.setAttributes(raw);
  file.release();
  assert.equal(tty.termios.lflag, tty.defaultTermios().lflag);
});

test("a slow terminal holds up writers and echo, not the machine", () => {
  const { port, tty, td, write } = rig();
  port.limit = 8;
  assert.equal(write("0123456789"), ERESTARTSYS);
  assert.equal(td.wmesg, "ttyout");
  port.type("ab");
  tty.consoleInput();
  let got = port.shown();
  tty.outputTaken();
  assert.equal(td.state, "runnable");
  assert.equal(write("0123456789"), 10);
  got += port.shown();
  assert.equal([...got].sort().join(""), "0123456789ab");
});
