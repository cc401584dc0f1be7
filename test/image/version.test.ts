/** Debian's order of versions, compared with dpkg's. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import { compareVersions } from "../../src/hosts/node/image/version.ts";

/** In ascending order: the examples of deb-version(7) and Debian Policy §5.6.12. */
const ASCENDING = [
  "1.0~~",
  "1.0~~a",
  "1.0~",
  "1.0",
  "1.0-1~bpo12+1",
  "1.0-1",
  "1.0-1+b1",
  "1.0-1+b10",
  "1.0-2",
  "1.0a",
  "1.0+dfsg",
  "1.0.1",
  "1.9",
  "1.10",
  "1:0.1",
  "2:0.0~rc1",
];

describe("compareVersions", () => {
  it("orders the examples of Policy", () => {
    for (const [i, a] of ASCENDING.entries()) {
      for (const [j, b] of ASCENDING.entries()) {
        assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} <=> ${b}`);
      }
    }
  });

  it("takes leading zeros and a missing revision as dpkg does", () => {
    assert.equal(compareVersions("1.01-0", "1.1"), 0);
    assert.equal(compareVersions("0:1", "1-0"), 0);
    assert.ok(compareVersions("1.0-1", "1.0") > 0);
  });

  const hasDpkg = spawnSync("dpkg", ["--version"]).status === 0;
  it("agrees with dpkg on made-up versions", { skip: !hasDpkg }, () => {
    const atoms = ["0", "1", "10", "009", ".", "~", "+", "a", "z", "-", "b1", "rc"];
    let state = 7;
    const pick = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return atoms[(state >>> 8) % atoms.length]!;
    };
    const make = () => `1${pick()}${pick()}${pick()}${pick()}1`;
    for (let i = 0; i < 120; i++) {
      const [a, b] = [make(), make()];
      const isOlder = spawnSync("dpkg", ["--compare-versions", a, "lt", b]).status === 0;
      const isSame = spawnSync("dpkg", ["--compare-versions", a, "eq", b]).status === 0;
      assert.equal(Math.sign(compareVersions(a, b)), isOlder ? -1 : isSame ? 0 : 1, `${a} ${b}`);
    }
  });
});
