/** From a disk as it was asked for to its store: its files opened, one above the other. */
import type { DiskConfig } from "../../../boot/config.ts";
import type { BlockStore } from "../../../platform/host.ts";
import { Qcow2 } from "../../disk/qcow2/qcow2.ts";
import { RawDisk } from "../../disk/rawdisk.ts";
import type { DiskSpec } from "../machinespec.ts";
import { nodeDecompressor } from "./decompressor.ts";
import { type DiskFile, filesOf, named } from "./diskfiles.ts";
import { HostFile } from "./hostfile.ts";

/** What the machine is told of a disk; opens its files. Throws Node's errors and DiskImageErrors. */
export function diskConfig(spec: DiskSpec): DiskConfig {
  return {
    store: openDisk(spec),
    // With an overlay the store itself keeps writes from the image.
    isCopyOnWrite: spec.isCopyOnWrite && spec.overlay === undefined,
    isCd: spec.isCd ?? false,
    serial: spec.serial,
    ...(spec.limitBytes === undefined ? {} : { cowLimitBytes: spec.limitBytes }),
    rates: spec.rates ?? null,
  };
}

export function openDisk(spec: DiskSpec): BlockStore {
  return openFiles(filesOf(spec), spec.limitBytes);
}

/** The disk that `files` make, the topmost first. */
export function openFiles(files: readonly DiskFile[], limitBytes?: number): BlockStore {
  let store: BlockStore | null = null;
  for (const file of files.toReversed()) {
    store = openImage(file, store, file.isReadOnly ? undefined : limitBytes);
  }
  return store!;
}

/** The image in one file, above `backing`. */
export function openImage(
  { path, isReadOnly, format, isFormatGuessed }: DiskFile,
  backing: BlockStore | null,
  limitBytes?: number,
): BlockStore {
  const file = new HostFile(path, isReadOnly);
  if (format === "raw") return new RawDisk(file, isFormatGuessed);
  try {
    return new Qcow2(file, { backing, decompressor: nodeDecompressor, limitBytes });
  } catch (e) {
    file.close();
    throw named(path, e);
  }
}
