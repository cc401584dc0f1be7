/** Tests that command lines do in a guest what they do under the oracle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { difference } from "./compare.ts";
import type { Command } from "./corpus.ts";
import { runInGuest } from "./guest.ts";
import { oracleOf } from "./oracle.ts";

export interface Case extends Command {
  readonly input?: string;
}

/** One test for each case, named after it. */
export function sameAsOracle(image: string, cases: readonly Case[]): void {
  const oracle = oracleOf(image);
  const skip = typeof oracle === "string" ? oracle : false;
  for (const { name, line, input } of cases) {
    test(name, { skip }, () => {
      assert.ok(typeof oracle !== "string");
      const argv = ["sh", "-c", line];
      const wanted = oracle(argv, input);
      const got = runInGuest(image, argv, { input: input ?? "" });
      const wrong = difference(name, got, wanted);
      assert.equal(wrong, null, `${line}\n${wrong}`);
    });
  }
}
