/** Queues by word: found while someone waits, a few of them kept for who comes next. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Waiter, WaitQueue } from "../../src/kern/waitqueue.ts";
import { WaitWords } from "../../src/kern/waitwords.ts";

class Sleeper extends Waiter {
  wake(): void {}
}

/** Someone waits for `word`, on the queue that is there or on a new one, and leaves. */
function waitFor(words: WaitWords, word: number): WaitQueue {
  const queue = words.getOrKept(word) ?? new WaitQueue();
  words.set(word, queue);
  const sleeper = new Sleeper();
  queue.add(sleeper);
  assert.equal(words.get(word), queue);
  sleeper.cancel();
  words.settle(word);
  return queue;
}

test("a queue is found while someone waits, and has its place for the next", () => {
  const words = new WaitWords();
  assert.equal(words.get(64), undefined);
  const queue = waitFor(words, 64);
  assert.equal(words.get(64), undefined, "nobody waits");
  assert.equal(waitFor(words, 64), queue);
  words.delete(64);
  assert.notEqual(waitFor(words, 64), queue);
});

test("no more than a few empty queues stay, the last ones", () => {
  const words = new WaitWords();
  for (let word = 0; word < 1000; word++) waitFor(words, word * 4);
  const kept = [...Array(1000).keys()].filter((i) => words.getOrKept(i * 4));
  assert.deepEqual(kept, [996, 997, 998, 999]);
});

test("a queue that is waited on stays, however many words come and go", () => {
  const words = new WaitWords();
  const queue = waitFor(words, 4);
  queue.add(new Sleeper());
  for (let word = 100; word < 200; word++) waitFor(words, word);
  assert.equal(words.get(4), queue);
});
