/**
 * The names in a directory of the host, a few at a time: how many there are is
 * for whoever takes them to bear.
 */
import { opendirSync, readdirSync } from "node:fs";
import { hostCall, hostDo } from "./hostcall.ts";

const BATCH = 256;

/** Byte strings to `take`, until it answers false. 0, or an errno. */
export function listNames(path: string, take: (name: string) => boolean): number {
  // What Node's types do not say: names may be had as byte strings.
  const encoding = "latin1" as BufferEncoding;
  const dir = hostCall(() => opendirSync(path, { encoding, bufferSize: BATCH }));
  if (typeof dir === "number") return dir;
  let isSure = true;
  for (;;) {
    const entry = hostCall(() => dir.readSync());
    if (typeof entry === "number") {
      isSure = false;
      break;
    }
    if (entry === null || !take(entry.name)) break;
  }
  hostDo(() => dir.closeSync());
  // Where a file system does not tell types, Node asks for each, and trips over names that are not
  // UTF-8 and over those that are gone by then. Names alone it reads at once; `take` may hear some twice.
  return isSure ? 0 : listAll(path, take);
}

function listAll(path: string, take: (name: string) => boolean): number {
  const names = hostCall(() => readdirSync(path, "latin1"));
  if (typeof names === "number") return names;
  for (const name of names) if (!take(name)) break;
  return 0;
}
