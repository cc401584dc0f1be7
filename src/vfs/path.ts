/**
 * A place in the name space: a name cache entry seen through a mount.
 *
 * The same entry can be reached through several mounts (bind mounts), so
 * neither half alone says where one is. Whoever keeps a Path beyond the walk
 * that found it holds it. See path_resolution(7).
 */
import type { Mount } from "./mount.ts";
import type { NameEntry } from "./namecache.ts";

export interface Path {
  readonly mount: Mount;
  readonly entry: NameEntry;
}

export function holdPath(path: Path): Path {
  path.mount.refs++;
  path.mount.table.names.hold(path.entry);
  return path;
}

export function releasePath(path: Path): void {
  const table = path.mount.table;
  table.names.release(path.entry);
  table.releaseMount(path.mount);
}
