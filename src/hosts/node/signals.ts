/**
 * Signals that end a program: brought into the machine, and obeyed without it
 * when it does not listen. See signal(7).
 *
 * A machine that is alive takes a signal within microseconds. One that has not
 * after `DEAF_MS` is stuck, in a bug or in a call of the host, and the program
 * ends. So it does when it is told to go a second time, by any of them; but
 * SIGINT counts only where it means shutdown, for a command may live with ^C.
 */
import type { Channel } from "./ring.ts";

const SIGINT = 2;
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;
const DEAF_MS = 5000;
/** Signals within this time are one: a shell and its terminal often both send them. */
const TOGETHER_MS = 500;

/** `kill` ends the program for the signal it is given. Returns what ends this. */
export function takeSignals(
  channel: Channel,
  isInit: boolean,
  kill: (signal: number) => void,
): () => void {
  let firstMs = Number.POSITIVE_INFINITY;
  let deaf: NodeJS.Timeout | undefined;
  const onSignal = (_name: NodeJS.Signals, signal: number): void => {
    const isOrder = signal !== SIGINT || isInit;
    const nowMs = performance.now();
    if (isOrder && nowMs > firstMs + TOGETHER_MS) {
      kill(signal);
      return;
    }
    if (isOrder) firstMs = Math.min(firstMs, nowMs);
    channel.requestShutdown(signal);
    channel.ring();
    clearTimeout(deaf);
    deaf = setTimeout(() => channel.isShutdownTaken || kill(signal), DEAF_MS);
  };
  for (const s of SIGNALS) process.on(s, onSignal);
  return () => {
    clearTimeout(deaf);
    for (const s of SIGNALS) process.off(s, onSignal);
  };
}
