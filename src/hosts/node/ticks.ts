/**
 * A profiler's clock: adds a tick for each interval that passed to a word that the machine looks at.
 *
 * A late timer makes up for a little; more would all go to whoever happens to run just then.
 */
const MAX_TICKS_AT_ONCE = 4;

export function startTicks(memory: SharedArrayBuffer, address: number, tickUs: number): () => void {
  const words = new Uint32Array(memory);
  const tickMs = tickUs / 1000;
  let last = performance.now();
  const timer = setInterval(() => {
    const ticks = Math.floor((performance.now() - last) / tickMs);
    last += ticks * tickMs;
    if (ticks > 0) Atomics.add(words, address >>> 2, Math.min(ticks, MAX_TICKS_AT_ONCE));
  }, tickMs);
  return () => clearInterval(timer);
}
