/** The message buffer: what is kept, for how long, and for whom. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogLevels } from "../../src/kern/log.ts";
import { formatMessage, MSGBUF_BYTES, MsgBuf } from "../../src/kern/msgbuf.ts";

test("numbers messages and finds them by number", () => {
  const m = new MsgBuf();
  assert.equal(m.at(0), null);
  for (const text of ["a", "b", "c"]) m.add(0, 6, text);
  assert.equal(m.at(0)!.text, "a");
  assert.equal(m.at(2)!.text, "c");
  assert.equal(m.at(3), null);
  assert.equal(m.nextSeq, 3);
});

test("drops the oldest when full, and then answers with the oldest it has", () => {
  const m = new MsgBuf();
  for (let i = 0; i < 1000; i++) m.add(i, 6, `${i} `.padEnd(1000, "x"));
  const kept = m.all();
  assert.ok(kept.length > 200 && kept.length < 260);
  assert.equal(m.at(0), kept[0]);
  assert.equal(kept.at(-1)!.seq, 999);
});

test("empty messages do not pile up", () => {
  const m = new MsgBuf();
  for (let i = 0; i < 100_000; i++) m.add(0, 6, "");
  assert.ok(m.all().length <= MSGBUF_BYTES / 16);
});

test("one message larger than all leaves none, and the next is kept", () => {
  const m = new MsgBuf();
  m.add(0, 6, "x".repeat(MSGBUF_BYTES + 1));
  assert.equal(m.all().length, 0);
  assert.equal(m.at(0), null);
  assert.equal(m.add(0, 6, "small").seq, 1);
  assert.equal(m.at(0)!.text, "small");
});

test("shows times as dmesg does", () => {
  const show = (timeNs: number): string =>
    formatMessage({ seq: 0, timeNs, level: 6, text: "hello" });
  assert.equal(show(12_345_678), "[    0.012345] hello");
  assert.equal(show(123_456_000_001_999), "[123456.000001] hello");
});

test("the console can be silenced, once, and comes back as it was", () => {
  const levels = new LogLevels(7);
  levels.silence();
  levels.silence();
  assert.equal(levels.console, levels.minimum);
  levels.unsilence();
  assert.equal(levels.console, 7);
  levels.unsilence();
  assert.equal(levels.console, 7);
  levels.silence();
  levels.setConsole(4);
  levels.unsilence();
  assert.equal(levels.console, 4);
});
