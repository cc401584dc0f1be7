/** Addresses as inet_pton(3) and inet_ntop(3) read and write them; Node's own parser is the judge. */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import {
  commonBits,
  mapped,
  parseAddr,
  prefixOf,
  printAddr,
  unmapped,
} from "../../src/net/address.ts";

const SAMES = [
  ["127.0.0.1", "127.0.0.1"],
  ["0.0.0.0", "0.0.0.0"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:0DB8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
  ["fe80::1:2:3:4", "fe80::1:2:3:4"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
] as const;

test("addresses are read and written in their canonical form (RFC 5952)", () => {
  for (const [text, canonical] of SAMES) {
    const a = parseAddr(text);
    assert.ok(a !== null, text);
    assert.equal(printAddr(a), canonical);
  }
});

test("what Node takes for no address is none", () => {
  const texts = [
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "1.2.3",
    "1.2.3.256",
    "::1.2.3",
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "g::",
    "12345::",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::ffff:1.2.3.4",
  ];
  for (const text of texts) assert.equal(parseAddr(text) !== null, isIP(text) !== 0, text);
});

test("prefixes and mapped addresses", () => {
  const a = parseAddr("192.168.77.13")!;
  assert.equal(printAddr(prefixOf(a, 20)), "192.168.64.0");
  assert.equal(printAddr(prefixOf(a, 0)), "0.0.0.0");
  assert.equal(commonBits(a, parseAddr("192.168.64.1")!), 20);
  assert.equal(unmapped(mapped(a)), a);
});
