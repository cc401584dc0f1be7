/** Sets of ranges against a plain set of numbers. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { RangeSet } from "../../src/lib/rangeset.ts";
import { Random } from "../fuzz/random.ts";

const MOST = 120;

it("a range set holds what was added and not removed", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Random(seed);
    const ranges = new RangeSet();
    const plain = new Set<number>();
    for (let step = 0; step < 200; step++) {
      const from = random.below(MOST);
      const end = from + random.below(random.oneIn(4) ? 60 : 6);
      const isAdded = random.oneIn(2);
      let changed = 0;
      for (let n = from; n < end; n++) {
        if (plain.has(n) === isAdded) continue;
        changed++;
        if (isAdded) plain.add(n);
        else plain.delete(n);
      }
      assert.equal(isAdded ? ranges.add(from, end) : ranges.remove(from, end), changed);
      assert.equal(ranges.size, plain.size);
      const at = random.below(MOST);
      let next = at;
      while (next < 2 * MOST && !plain.has(next)) next++;
      assert.equal(ranges.next(at), next < 2 * MOST ? next : Number.POSITIVE_INFINITY);
      let gap = at;
      while (plain.has(gap)) gap++;
      assert.equal(ranges.nextGap(at), gap);
      assert.equal(ranges.containsAll(at, at + 3), gap >= at + 3);
    }
    let runs = 0;
    for (const n of plain) if (!plain.has(n - 1)) runs++;
    assert.equal(ranges.rangeCount, runs, "ranges that touch are one");
  }
});
