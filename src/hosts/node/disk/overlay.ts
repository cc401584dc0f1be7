/**
 * Overlays: qcow2 images above a base, which hold what a machine wrote.
 *
 * One is made where none is yet; its base is named in it relative to where it
 * lies, if the base is beside it or below, so that both can be moved together.
 */
import { linkSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { newQcow2 } from "../../disk/qcow2/create.ts";
import type { DiskSpec } from "../machinespec.ts";
import { filesOf } from "./diskfiles.ts";
import { openDisk } from "./opendisk.ts";

/** Makes the overlay that `spec` names, empty, unless somebody else just has; its size is the base's. Throws Node's errors. */
export function makeOverlay(spec: DiskSpec): void {
  const { overlay, ...base } = spec;
  const fresh = `${overlay}.${process.pid}.new`;
  writeFileSync(fresh, emptyOverlay(overlay!, base), { flush: true });
  try {
    // Unlike a rename, this never replaces one that is in use.
    linkSync(fresh, overlay!);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== "EEXIST") throw e;
  } finally {
    rmSync(fresh);
  }
}

/** Makes an overlay empty again, which the caller has locked: the new file takes the old one's place at once. */
export function resetOverlay(path: string, base: DiskSpec): void {
  const fresh = `${path}.new`;
  writeFileSync(fresh, emptyOverlay(path, base), { flush: true });
  renameSync(fresh, path);
}

function emptyOverlay(path: string, base: DiskSpec): Uint8Array {
  const [{ format }] = filesOf(base) as [ReturnType<typeof filesOf>[number]];
  const disk = openDisk({ ...base, isCopyOnWrite: true });
  const { sizeBytes } = disk;
  disk.close();
  return newQcow2({ sizeBytes, backingName: nameFrom(path, base.path), backingFormat: format });
}

function nameFrom(overlay: string, base: string): string {
  const real = realpathSync(base);
  const name = relative(realpathSync(dirname(resolve(overlay))), real);
  return name.startsWith("..") || isAbsolute(name) ? real : name;
}
