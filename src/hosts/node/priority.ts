/**
 * Who goes first when there are fewer processors than threads that want one: the kernel's thread, before V8's helpers.
 *
 * V8 has four threads that compile (and help to collect garbage), and while a program gets warm all of them are busy. On two
 * processors the kernel's thread, which everybody waits for, got half of one. The helpers' nice value is higher, which
 * nobody needs a privilege for. Linux has one for each thread, and Node.js names V8's threads since version 26; elsewhere this
 * does nothing.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** Beginning of the names of V8's threads. */
const HELPER = "node-V8Worker";
/** Weight of a third in the scheduler: compiled code comes soon enough where others want the processors too. */
const NICER = 5;
const NICEST = 19;

/** The kernel's thread is about to begin. For a process that does nothing else. */
export function helpersYield(): void {
  attempt(() => {
    for (const tid of readdirSync("/proc/self/task")) {
      const name = readFileSync(`/proc/self/task/${tid}/comm`, "latin1");
      if (name.startsWith(HELPER)) makeNicer(Number(tid));
    }
  });
}

/** The calling thread has done its work and is to go after nobody's: V8 waits for its helpers, turning round, before a thread ends. */
export function yieldToHelpers(): void {
  attempt(() => {
    const [, , tid] = readlinkSync("/proc/thread-self").split("/");
    makeNicer(Number(tid));
  });
}

function makeNicer(tid: number): void {
  setPriority(tid, Math.min(NICEST, getPriority(0) + NICER));
}

/** There may be no such files, or no leave. */
function attempt(act: () => void): void {
  if (process.platform !== "linux") return;
  try {
    act();
  } catch {
    // As it was, then.
  }
}
