/** What programs leave in /dev, which no unmounting empties: it is taken off what they are asked to give back. */
import { TmpDir, TmpSymlink } from "../../src/fs/tmpfs/tmpdir.ts";
import type { Tmpfs } from "../../src/fs/tmpfs/tmpfs.ts";

/** Frames that its files have. A long symbolic link counts as a page, as in Linux, but is kernel memory. */
export const framesOf = (fs: Tmpfs): number => fs.usedPages - longLinksIn(fs.root());

function longLinksIn(node: unknown): number {
  if (node instanceof TmpSymlink) return node.blocks > 0 ? 1 : 0;
  if (!(node instanceof TmpDir)) return 0;
  const names: string[] = [];
  node.readdir(2, { entry: (name) => names.push(name) > 0 });
  let links = 0;
  for (const name of names) links += longLinksIn(node.lookup(name));
  return links;
}
