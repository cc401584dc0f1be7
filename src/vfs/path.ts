/**
 * A place in the name space: a name cache entry seen through a mount.
 *
 * The same entry can be reached through several mounts (bind mounts), so
 * neither half alone says where one is. See path_resolution(7).
 */
import type { Mount } from "./mount.ts";
import type { NameEntry } from "./namecache.ts";

export interface Path {
  readonly mount: Mount;
  readonly entry: NameEntry;
}
