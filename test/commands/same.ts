/** Tests that command lines do in a guest what they do under the oracle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { difference, type Outcome, oracleLine } from "./compare.ts";
import type { Command } from "./corpus.ts";
import { runInGuest } from "./guest.ts";
import { oracleOf } from "./oracle.ts";

export interface Case extends Command {
  readonly input?: string;
}

/**
 * A test for each command line; all run one after the other in one guest, each in a directory of its own.
 * Their two outputs are merged.
 */
export function sameInOneGuest(image: string, lines: readonly string[]): void {
  const oracle = oracleOf(image);
  const skip = typeof oracle === "string" ? oracle : false;
  const argv = ["sh", "-c", RUN_LINES];
  const input = `${lines.join("\n")}\n`;
  const outcomes = (all: Outcome): readonly string[] => all.stdout.split(MARK);
  const wanted = typeof oracle === "string" ? [] : outcomes(oracle(argv, input));
  const got = skip === false ? outcomes(runInGuest(image, argv, { input })) : [];
  for (const [i, line] of lines.entries()) {
    test(line, { skip }, () => assert.equal(got[i], wanted[i]));
  }
  test("both ran all lines", { skip }, () => {
    assert.deepEqual([got.length, wanted.length], [lines.length + 1, lines.length + 1]);
  });
}

const MARK = "----8<----\n";

/** The root is read-only, so that Python could keep no compiled module; with a place for them it starts faster. */
const RUN_LINES = `
  export PYTHONPYCACHEPREFIX=/tmp/pycache
  while IFS= read -r line; do
    mkdir /tmp/w; cd /tmp/w
    timeout 100 sh -c "$line" </dev/null 2>&1
    echo "status $?"
    cd /; rm -rf /tmp/w
    printf '%s' '${MARK}'
  done`;

/** One test for each case, named after it; each in a guest of its own. */
export function sameAsOracle(image: string, cases: readonly Case[]): void {
  const oracle = oracleOf(image);
  const skip = typeof oracle === "string" ? oracle : false;
  for (const { name, line, input } of cases) {
    const instead = oracleLine({ name, line });
    test(name, { skip }, () => {
      assert.ok(typeof oracle !== "string");
      const argv = ["sh", "-c", line];
      const wanted = oracle(["sh", "-c", instead], input);
      const got = runInGuest(image, argv, { input: input ?? "" });
      const wrong = difference(name, got, wanted);
      assert.equal(wrong, null, `${line}\n${wrong}`);
    });
  }
}
