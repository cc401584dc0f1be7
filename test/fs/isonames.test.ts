/** Names and dates of ISO 9660 that no tool at hand writes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { longDate, shortDate } from "../../src/fs/iso9660/isodate.ts";
import { nameOf } from "../../src/fs/iso9660/names.ts";
import { parseIsoOptions } from "../../src/fs/iso9660/options.ts";
import { DirRecord } from "../../src/fs/iso9660/record.ts";
import type { Volume } from "../../src/fs/iso9660/volume.ts";

function named(data: string, name: Buffer | string, extra = Buffer.alloc(0), isJoliet = false) {
  const bytes = Buffer.from(name as string, "latin1");
  const pad = Buffer.alloc((33 + bytes.length) % 2);
  const head = Buffer.alloc(33);
  head[32] = bytes.length;
  const all = Buffer.concat([head, bytes, pad, extra]);
  const options = parseIsoOptions(data);
  const volume = { options, isJoliet, hasSystemUse: false, say: () => {} };
  return nameOf(volume as unknown as Volume, new DirRecord(0, 0, all));
}

describe("plain names", () => {
  it("are as map says", () => {
    assert.equal(named("", "README.TXT;1"), "readme.txt");
    assert.equal(named("", "README.;1"), "readme");
    assert.equal(named("", "README.TXT;2"), "readme.txt.2");
    assert.equal(named("map=off", "README.TXT;1"), "README.TXT;1");
    assert.equal(named("", ".;1"), null, "nothing is left");
    assert.equal(named("map=off", "a/b"), null);
    assert.equal(named("map=off", "a\0b"), null);
    assert.equal(named("map=off", ".."), null);
  });

  it("have RISC OS types", () => {
    const extra = Buffer.alloc(32);
    extra.write("ARCHIMEDES");
    extra.set([0xeb, 0xff, 0xff], 11);
    assert.equal(named("map=acorn", "FILE.;1", extra), "file,feb");
    extra[19] = 1;
    assert.equal(named("map=acorn", "_RUN.;1", extra), "!run,feb");
    assert.equal(named("", "_RUN.;1", extra), "_run");
  });

  it("of Joliet lose what Windows does not like", () => {
    const ucs2 = (s: string) => Buffer.from(s, "utf16le").swap16();
    const shown = (s: string) => named("", ucs2(s), Buffer.alloc(0), true);
    const utf8 = (s: string) => Buffer.from(s).toString("latin1");
    assert.equal(shown("na\u00efve.txt;1"), utf8("na\u00efve.txt"));
    assert.equal(shown("ends..."), "ends");
    assert.equal(shown("\u{1f600}"), utf8("\u{1f600}"));
    assert.equal(shown("half\ud83d"), utf8("half\ufffd"));
    assert.equal(shown("a/b"), null);
  });
});

describe("dates", () => {
  const short = (...bytes: number[]) => shortDate(new Uint8Array(bytes), 0);
  it("know their time zone", () => {
    assert.deepEqual(short(126, 11, 21, 10, 30, 5, 0), {
      sec: Date.UTC(2026, 10, 21, 10, 30, 5) / 1000,
      nsec: 0,
    });
    assert.equal(short(70, 1, 1, 1, 0, 0, 4).sec, 0);
    assert.equal(short(70, 1, 1, 0, 0, 0, 256 - 20).sec, 5 * 3600);
    assert.equal(short(70, 1, 1, 0, 0, 0, 100).sec, 0, "no such zone");
    assert.equal(short(200, 1, 1, 0, 0, 0, 0).sec, Date.UTC(2100, 0, 1) / 1000);
  });

  it("have hundredths in digits", () => {
    const bytes = Buffer.from("2026112110300550\x04", "latin1");
    const t = longDate(bytes, 0);
    assert.equal(t.sec, Date.UTC(2026, 10, 21, 9, 30, 5) / 1000);
    assert.equal(t.nsec, 5e8);
    assert.equal(longDate(Buffer.from("0001010100000000\0", "latin1"), 0).sec, -62135596800);
  });
});
