/**
 * How a system call is declared: once, with arguments that decode themselves.
 *
 * The dispatcher, strace, ddb and the documentation read the same declaration.
 * A decoder that fails ends the call with its errno, left to right. The
 * handler returns the value for a0: a count, or a negative errno (restart
 * codes included). See syscall(2) for the convention: number in a7,
 * arguments in a0–a5.
 */
import { type Errno, failed } from "../abi/errno.ts";
import type { Lwp } from "../proc/lwp.ts";

/** One argument: how to read it from register a`index`, and how strace shows it. */
export interface ArgType<T> {
  readonly name: string;
  /** True if `decode` may answer an Errno; such a `T` is never a negative number itself. */
  readonly isFallible: boolean;
  decode(td: Lwp, index: number): T | Errno;
  format(td: Lwp, index: number): string;
}

export interface Syscall {
  readonly name: string;
  readonly args: readonly ArgType<unknown>[];
  invoke(td: Lwp): number;
}

type Values<A extends readonly ArgType<unknown>[]> = {
  [K in keyof A]: A[K] extends ArgType<infer T> ? T : never;
};

export function syscall<const A extends readonly ArgType<unknown>[]>(
  name: string,
  args: A,
  handler: (td: Lwp, ...values: Values<A>) => number,
): Syscall {
  return { name, args, invoke: invoker(args, handler as (td: Lwp, ...v: unknown[]) => number) };
}

/** One closure per arity, so that a call builds no argument array. */
function invoker(
  args: readonly ArgType<unknown>[],
  handler: (td: Lwp, ...values: unknown[]) => number,
): (td: Lwp) => number {
  const [a, b, c, d, e, f] = args;
  if (!a) return (td) => handler(td);
  if (!b) {
    return (td) => {
      const x = a.decode(td, 0);
      if (a.isFallible && failed(x)) return x;
      return handler(td, x);
    };
  }
  if (!c) {
    return (td) => {
      const x = a.decode(td, 0);
      if (a.isFallible && failed(x)) return x;
      const y = b.decode(td, 1);
      if (b.isFallible && failed(y)) return y;
      return handler(td, x, y);
    };
  }
  if (!d) {
    return (td) => {
      const x = a.decode(td, 0);
      if (a.isFallible && failed(x)) return x;
      const y = b.decode(td, 1);
      if (b.isFallible && failed(y)) return y;
      const z = c.decode(td, 2);
      if (c.isFallible && failed(z)) return z;
      return handler(td, x, y, z);
    };
  }
  if (!e) {
    return (td) => {
      const x = a.decode(td, 0);
      if (a.isFallible && failed(x)) return x;
      const y = b.decode(td, 1);
      if (b.isFallible && failed(y)) return y;
      const z = c.decode(td, 2);
      if (c.isFallible && failed(z)) return z;
      const u = d.decode(td, 3);
      if (d.isFallible && failed(u)) return u;
      return handler(td, x, y, z, u);
    };
  }
  return (td) => {
    const x = a.decode(td, 0);
    if (a.isFallible && failed(x)) return x;
    const y = b.decode(td, 1);
    if (b.isFallible && failed(y)) return y;
    const z = c.decode(td, 2);
    if (c.isFallible && failed(z)) return z;
    const u = d.decode(td, 3);
    if (d.isFallible && failed(u)) return u;
    const v = e.decode(td, 4);
    if (e.isFallible && failed(v)) return v;
    if (!f) return handler(td, x, y, z, u, v);
    const w = f.decode(td, 5);
    if (f.isFallible && failed(w)) return w;
    return handler(td, x, y, z, u, v, w);
  };
}
