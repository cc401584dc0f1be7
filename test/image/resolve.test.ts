/** Dependencies as Debian Policy defines them, chapter 7. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PackageIndex } from "../../src/hosts/node/image/packages.ts";
import { resolve } from "../../src/hosts/node/image/resolve.ts";

/** An index with one stanza for each "name version; Field: value; …" line. */
function index(...lines: string[]): PackageIndex {
  const stanzas = lines.map((line) => {
    const [head, ...fields] = line.split("; ");
    const [name, version = "1"] = head!.split(" ");
    const hash = "0".repeat(64);
    return [
      `Package: ${name}`,
      `Version: ${version}`,
      "Architecture: riscv64",
      `Filename: pool/${name}.deb`,
      "Size: 1",
      `SHA256: ${hash}`,
      ...fields,
    ].join("\n");
  });
  return new PackageIndex(`${stanzas.join("\n\n")}\n`);
}

const names = (i: PackageIndex, ...wanted: string[]) => resolve(i, wanted).map((p) => p.name);

describe("resolve", () => {
  it("follows Depends and Pre-Depends, in circles too, but not Recommends", () => {
    const i = index("a; Depends: b; Recommends: r", "b; Pre-Depends: c", "c; Depends: a", "r");
    assert.deepEqual(names(i, "a"), ["a", "b", "c"]);
  });

  it("takes the first alternative that exists in the right version", () => {
    const i = index("a; Depends: x | b (>= 2) | c | d", "b 1.9", "c", "d");
    assert.deepEqual(names(i, "a"), ["a", "c"]);
  });

  it("takes an alternative that is chosen already rather than the first", () => {
    const i = index("a; Depends: b | c", "b", "c");
    assert.deepEqual(names(i, "c", "a"), ["a", "c"]);
  });

  it("satisfies a virtual package by the provider of highest priority", () => {
    const i = index(
      "a; Depends: awk",
      "gawk; Provides: awk; Priority: optional",
      "mawk; Provides: awk; Priority: required",
    );
    assert.deepEqual(names(i, "a"), ["a", "mawk"]);
  });

  it("lets only a versioned provision satisfy a versioned dependency", () => {
    const i = index("a; Depends: v (>= 2)", "p; Provides: v", "q; Provides: v (= 2.1)");
    assert.deepEqual(names(i, "a"), ["a", "q"]);
  });

  it("avoids the alternative that conflicts with what is chosen", () => {
    const i = index("a; Depends: b | c", "b; Conflicts: z", "c", "z");
    assert.deepEqual(names(i, "z", "a"), ["a", "c", "z"]);
  });

  it("reads architecture qualifiers", () => {
    const i = index("a; Depends: python3:any (>= 3), b:riscv64", "python3 3.13", "b");
    assert.deepEqual(names(i, "a"), ["a", "b", "python3"]);
  });

  it("takes the newest of several versions", () => {
    assert.equal(resolve(index("a 1.2", "a 1.10", "a 1.9"), ["a"])[0]!.version, "1.10");
  });

  it("names what is missing, and what cannot stand together", () => {
    assert.throws(() => names(index("a; Depends: b (>= 3) | c"), "a"), {
      message: "a needs b (>= 3) | c, which this suite does not have",
    });
    assert.throws(() => names(index("a; Breaks: b (<< 2)", "b 1"), "a", "b"), {
      message: "a and b cannot be installed together",
    });
  });

  it("takes bare packages without what they need", () => {
    assert.deepEqual(
      resolve(index("a; Depends: nothing"), [], { bare: ["a"] }).map((p) => p.name),
      ["a"],
    );
  });
});
