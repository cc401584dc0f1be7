/**
 * A profile as a file: the Trace Event Format, which Perfetto, chrome://tracing and speedscope open alike.
 *
 * Samples of a thread that follow each other are drawn together: a frame that is in both is one slice ("X" event). All of
 * them nest, as the format demands, and times are whole microseconds, so that no reader's rounding spoils that.
 * Every event has a `ts`, without which speedscope takes the file for something else, and slices have
 * no `args`, which it would take for a part of their names.
 */
import { utf8 } from "../lib/bytes.ts";
import type { Samples } from "./samples.ts";
import type { Stacks } from "./stacks.ts";

export interface ProfiledThread {
  readonly pid: number;
  readonly tid: number;
  readonly processName: string;
  readonly threadName: string;
}

export interface Profile {
  readonly threads: readonly ProfiledThread[];
  readonly samples: Samples;
  readonly stacks: Stacks;
  readonly version: string;
}

/**
 * Between a slice's end and the next one's beginning: where both are at the same time, speedscope goes by names, and
 * in recursions takes one call for another.
 */
const GAP_US = 1;
/** Samples that are further apart than this part of their interval are drawn apart. */
const JOIN_GAP = 0.5;

/** The file in pieces, byte strings. */
export function* traceEvents(profile: Profile): Generator<string> {
  const { threads, samples } = profile;
  yield `{"displayTimeUnit":"ms","otherData":${JSON.stringify({
    producer: profile.version,
    samples: samples.count,
    interval_us: samples.intervalUs,
  })},"traceEvents":[\n`;
  yield threads.map(metadata).join(",\n");
  const byThread: number[][] = threads.map(() => []);
  for (let i = 0; i < samples.count; i++) byThread[samples.thread(i)]!.push(i);
  for (const [thread, indices] of byThread.entries()) {
    const { pid, tid } = threads[thread]!;
    for (const slice of slices(profile, indices)) {
      const name = quoted(profile.stacks.name(slice.node));
      yield `,\n{"ph":"X","pid":${pid},"tid":${tid},"ts":${slice.startUs},"dur":${slice.endUs - slice.startUs - GAP_US},"name":${name}}`;
    }
  }
  yield "\n]}\n";
}

function metadata(t: ProfiledThread): string {
  const event = (what: string, name: string): string =>
    `{"ph":"M","pid":${t.pid},"tid":${t.tid},"ts":0,"name":"${what}","args":{"name":${quoted(name)}}}`;
  return `${event("process_name", t.processName)},\n${event("thread_name", t.threadName)}`;
}

/** Sequences of UTF-8 beyond ASCII, or a single byte that is none. */
const NOT_ASCII =
  /([\xc2-\xdf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]|[\xf1-\xf3][\x80-\xbf]{3}|\xf0[\x90-\xbf][\x80-\xbf]{2}|\xf4[\x80-\x8f][\x80-\xbf]{2})|[\x80-\xff]/g;
const REPLACEMENT = utf8("\ufffd");

/** A byte string, which a guest chose, as JSON that is UTF-8 whatever it was. */
function quoted(name: string): string {
  return JSON.stringify(name).replace(NOT_ASCII, (_, ok?: string) => ok ?? REPLACEMENT);
}

interface Slice {
  readonly node: number;
  readonly startUs: number;
  endUs: number;
}

/** The slices of one thread, callers before what they called. */
function slices({ samples, stacks }: Profile, indices: readonly number[]): Slice[] {
  const all: Slice[] = [];
  const open: Slice[] = [];
  let endUs = Number.NEGATIVE_INFINITY;
  const closeTo = (depth: number): void => {
    for (const slice of open.splice(depth)) slice.endUs = endUs;
  };
  for (const i of indices) {
    let startUs = Math.max(0, samples.endUs(i) - samples.durationUs(i));
    const isNear = startUs - endUs <= samples.intervalUs * JOIN_GAP;
    if (isNear) startUs = endUs;
    else closeTo(0);
    if (samples.endUs(i) <= startUs + GAP_US) continue;
    const path = stacks.path(samples.stack(i));
    let same = 0;
    while (same < open.length && open[same]!.node === path[same]) same++;
    closeTo(same);
    for (const node of path.slice(same)) {
      const slice = { node, startUs, endUs: startUs };
      open.push(slice);
      all.push(slice);
    }
    endUs = samples.endUs(i);
  }
  closeTo(0);
  return all;
}
