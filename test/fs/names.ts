/** What the directories of a mounted file system list and lead to, asked as the vfs asks. */
import type { Vnode } from "../../src/vfs/vnode.ts";

export function namesIn(vp: Vnode): string[] {
  const names: string[] = [];
  let next = 0;
  // One entry a call, so that offsets are put to the test.
  for (;;) {
    let got = 0;
    const r = vp.readdir(next, {
      entry(name, _ino, _type, after) {
        if (got++ > 0) return false;
        names.push(name);
        next = after;
        return true;
      },
    });
    if (r < 0) throw new Error(`readdir: ${r}`);
    if (got === 0) return names;
  }
}

/** What `path` (UTF-8) leads to from `vp`: vnodes of its own kind all the way. */
export function follow<V extends Vnode>(vp: V, path: string): V {
  let at = vp;
  for (const name of path.split("/")) {
    const next = at.lookup(Buffer.from(name, "utf8").toString("latin1"));
    if (typeof next === "number" || next.constructor !== vp.constructor) {
      throw new Error(`${path}: ${next}`);
    }
    at = next as V;
  }
  return at;
}
