/** Reads a profile as Perfetto and speedscope do, by the rules of the Trace Event Format. */
import assert from "node:assert/strict";

export interface Slice {
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly name: string;
}

/** The slices; fails if the file breaks a rule. */
export function checkTrace(text: string): Slice[] {
  const { traceEvents } = JSON.parse(text) as {
    traceEvents: (Slice & { ph: string; args?: unknown })[];
  };
  const named = new Set<string>();
  const open = new Map<string, Slice[]>();
  const slices: Slice[] = [];
  for (const e of traceEvents) {
    const thread = `${e.pid}:${e.tid}`;
    assert.ok(Number.isSafeInteger(e.ts) && e.ts >= 0, "speedscope wants a time in every event");
    if (e.ph === "M") {
      named.add(`${e.name} ${thread}`);
      continue;
    }
    assert.equal(e.ph, "X");
    assert.equal(e.args, undefined, "speedscope takes arguments for a part of the name");
    assert.ok(Number.isSafeInteger(e.dur) && e.dur > 0 && e.name !== "");
    assert.ok(named.has(`process_name ${thread}`) && named.has(`thread_name ${thread}`));
    const stack = open.get(thread) ?? [];
    open.set(thread, stack);
    while (stack.length > 0 && endOf(stack[stack.length - 1]!) <= e.ts) stack.pop();
    const parent = stack[stack.length - 1];
    if (parent) assert.ok(e.ts >= parent.ts && endOf(e) <= endOf(parent), "slices nest");
    stack.push(e);
    slices.push(e);
  }
  return slices;
}

/** Microseconds by name: in the function itself, and with what it called (once for recursions). */
export function totals(slices: readonly Slice[]): {
  readonly self: Map<string, number>;
  readonly total: Map<string, number>;
} {
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  const add = (to: Map<string, number>, name: string, us: number): void => {
    to.set(name, (to.get(name) ?? 0) + us);
  };
  const stack: Slice[] = [];
  let thread = "";
  for (const s of slices) {
    if (thread !== `${s.pid}:${s.tid}`) stack.length = 0;
    thread = `${s.pid}:${s.tid}`;
    while (stack.length > 0 && endOf(stack[stack.length - 1]!) <= s.ts) stack.pop();
    const parent = stack[stack.length - 1];
    if (parent) add(self, parent.name, -s.dur);
    add(self, s.name, s.dur);
    if (!stack.some((p) => p.name === s.name)) add(total, s.name, s.dur);
    stack.push(s);
  }
  return { self, total };
}

function endOf(s: Slice): number {
  return s.ts + s.dur;
}
