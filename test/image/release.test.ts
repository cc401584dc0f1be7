import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf } from "../../src/hosts/node/image/release.ts";

/** What gpgv prints, by a key whose fingerprint has a word in it. */
const said = (last: string): string => `gpgv: Signature made Sun Nov 22 11:40:00 2026 UTC
gpgv:                using EDDSA key 79B8756343EEBADB3CE640FC948454ECB51ABD03
gpgv: ${last}
`;

test("a refused signature's reason is what gpgv says of it, whatever its key spells", () => {
  for (const reason of [
    'BAD signature from "Test <t@example.org>"',
    "Can't check signature: No public key",
    'Expired signature from "Test <t@example.org>"',
    "Note: This key has expired!",
    "WARNING: This key has been revoked by its owner!",
  ]) {
    assert.equal(reasonOf(said(reason)), reason);
  }
  assert.equal(reasonOf("gpgv: no valid OpenPGP data found.\n"), "no valid OpenPGP data found.");
  assert.equal(reasonOf(said("verify signatures failed: Unexpected error")), undefined);
});
