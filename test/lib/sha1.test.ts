import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { sha1 } from "../../src/lib/sha1.ts";

test("SHA-1 is what OpenSSL computes, at every length about the ends of blocks", () => {
  for (let length = 0; length < 200; length++) {
    const data = randomBytes(length);
    assert.deepEqual(Buffer.from(sha1(data)), createHash("sha1").update(data).digest());
  }
});
