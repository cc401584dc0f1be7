/** Standard streams of the host as files: waiting, end of file, a reader that went away. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, ENXIO, EPIPE, ERESTARTSYS } from "../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../src/abi/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from "../../src/abi/poll.ts";
import { HostStream, HostStreamDriver } from "../../src/dev/hoststream.ts";
import { makedev } from "../../src/vfs/device.ts";
import type { File } from "../../src/vfs/file.ts";
import { Uio } from "../../src/vm/uio.ts";
import { FakeStream } from "./fake-host.ts";
import { testThread } from "./pty-script.ts";

const O_WRONLY = 1;

function rig(minor: number, flags: number) {
  const stream = new FakeStream();
  const streams = [null, null, null].map((_, k) =>
    k === minor ? new HostStream(`host/${k}`, stream) : null,
  );
  const driver = new HostStreamDriver(streams);
  const td = testThread();
  const file = driver.open(td, makedev(240, minor), flags) as File;
  const read = (count: number): string | number => {
    const into = new Uint8Array(count);
    const n = file.read(td, Uio.kernel(into));
    return n < 0 ? n : Buffer.from(into.subarray(0, n)).toString("latin1");
  };
  return { stream, driver, td, file, read };
}

test("a reader sleeps until input arrives; its end is end of file", () => {
  const { stream, driver, td, read } = rig(0, 0);
  assert.equal(read(10), ERESTARTSYS);
  stream.type("hello");
  driver.attend();
  assert.equal(td.state, "runnable");
  assert.equal(read(3), "hel");
  assert.equal(read(10), "lo");
  assert.equal(read(10), ERESTARTSYS);
  stream.end();
  driver.attend();
  assert.equal(td.state, "runnable");
  assert.equal(read(10), "");
  assert.equal(read(10), "");
});

test("poll knows input and its end", () => {
  const { stream, td, file, read } = rig(0, O_NONBLOCK);
  assert.equal(read(1), EAGAIN);
  assert.equal(file.poll(td, null), 0);
  stream.type("x");
  stream.end();
  assert.equal(file.poll(td, null) & (POLLIN | POLLHUP), POLLIN);
  assert.equal(file.bytesReadable(), 1);
  assert.equal(read(5), "x");
  assert.equal(file.poll(td, null) & (POLLIN | POLLHUP), POLLHUP);
});

test("input larger than the queue comes through whole", () => {
  const { stream, driver, read } = rig(0, O_NONBLOCK);
  const text = "0123456789abcdef".repeat(20000);
  stream.type(text);
  driver.attend();
  let got = "";
  for (let r = read(10000); typeof r === "string"; r = read(10000)) got += r;
  assert.equal(got, text);
});

test("writing to nobody is EPIPE", () => {
  const { stream, td, file } = rig(1, O_WRONLY);
  const write = (s: string): number => file.write(td, Uio.kernel(new Uint8Array(Buffer.from(s))));
  assert.equal(write("out"), 3);
  assert.equal(stream.shown(), "out");
  stream.isBroken = true;
  assert.equal(write("more"), EPIPE);
  assert.equal(file.poll(td, null) & POLLERR, POLLERR);
});

test("a stream that is the console has no device", () => {
  const { driver, td } = rig(0, 0);
  assert.equal(driver.open(td, makedev(240, 2), O_WRONLY), ENXIO);
});

test("a writer sleeps while the far end is slow, and everything arrives in the end", () => {
  const { stream, driver, td, file } = rig(1, O_WRONLY);
  stream.limit = 10;
  const text = "0123456789abcdefghij-end";
  const write = (): number => file.write(td, Uio.kernel(new Uint8Array(Buffer.from(text))));
  assert.equal(write(), ERESTARTSYS);
  assert.equal(td.wmesg, "hostwr");
  assert.equal(file.poll(td, null) & POLLOUT, 0);
  driver.attend();
  assert.equal(td.state, "sleeping");
  let got = stream.shown();
  driver.attend();
  assert.equal(td.state, "runnable");
  assert.equal(write(), ERESTARTSYS);
  got += stream.shown();
  assert.equal(write(), text.length);
  assert.equal(got + stream.shown(), text);
});

test("without waiting: what there is room for, then EAGAIN", () => {
  const { stream, td, file } = rig(1, O_WRONLY | O_NONBLOCK);
  stream.limit = 4;
  const write = (s: string): number => file.write(td, Uio.kernel(new Uint8Array(Buffer.from(s))));
  assert.equal(write("abcdef"), 4);
  assert.equal(write("ef"), EAGAIN);
  assert.equal(stream.shown(), "abcd");
});
