/**
 * Which files a disk is made of: its image, an overlay above, backing files below.
 *
 * What an image says about other files is input. A backing file is followed
 * only if it lies in the same directory as the image that names it, or if the
 * user said that any will do; only ordinary files are opened, and no chain is
 * endless. A guest that writes a qcow2 header into its raw disk gains nothing:
 * see rawdisk.ts.
 */
import { realpathSync, statSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { DiskImageError } from "../../disk/imagefile.ts";
import { isQcow2, readHeader } from "../../disk/qcow2/header.ts";
import type { BackingRule, DiskSpec, ImageFormat } from "../machinespec.ts";
import { HostFile } from "./hostfile.ts";

const MAX_CHAIN = 32;

/** A file that a disk is made of, topmost first. */
export interface DiskFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly format: ImageFormat;
  readonly isFormatGuessed: boolean;
}

/** All files of a disk, topmost first; nothing stays open. */
export function filesOf(spec: DiskSpec): DiskFile[] {
  const rule = spec.backing ?? "beside";
  const isReadOnly = spec.isCopyOnWrite || spec.isCd === true;
  const files = chainOf(spec.path, isReadOnly, spec.format, rule);
  if (spec.overlay === undefined) return files;
  const { path } = spec;
  const top = inspect(spec.overlay, false, "qcow2");
  const named = top.backingName === "" ? null : resolve(dirname(spec.overlay), top.backingName);
  if (named === null || !isSameFile(named, path)) {
    const what = named === null ? "no overlay of anything" : `an overlay of ${named}`;
    throw new DiskImageError(`${spec.overlay} is ${what}, not of ${path}`);
  }
  return [top.file, ...files];
}

/** An image and what it is backed by, as far down as it goes. */
export function chainOf(
  path: string,
  isReadOnly: boolean,
  format: ImageFormat | undefined,
  rule: BackingRule,
): DiskFile[] {
  const files: DiskFile[] = [];
  const seen = new Set<string>();
  let at = path;
  let wanted = format;
  for (;;) {
    const { dev, ino } = statSync(at);
    if (seen.has(`${dev}:${ino}`)) throw new DiskImageError(`${at} is backed by itself`);
    if (files.length === MAX_CHAIN) throw new DiskImageError(`${path} has too many backing files`);
    seen.add(`${dev}:${ino}`);
    const image = inspect(at, isReadOnly || files.length > 0, wanted);
    files.push(image.file);
    if (image.backingName === "") return files;
    at = backingPath(at, image.backingName, rule);
    wanted = formatNamed(image.backingFormat, at);
  }
}

/** The path of the image that `path` says it is above; null if it stands alone. Not opened. */
export function backingOf(path: string): string | null {
  const { backingName } = inspect(path, true, undefined);
  return backingName === "" ? null : resolve(dirname(path), backingName);
}

interface Inspected {
  readonly file: DiskFile;
  readonly backingName: string;
  readonly backingFormat: string;
}

function inspect(path: string, isReadOnly: boolean, wanted: ImageFormat | undefined): Inspected {
  const st = statSync(path);
  // Before it is opened: opening a FIFO waits for its writer.
  if (st.isDirectory()) throw new DiskImageError(`${path}: is a directory, not a disk image`);
  if (!st.isFile() && !st.isBlockDevice()) throw new DiskImageError(`${path}: not a disk image`);
  const file = new HostFile(path, true);
  try {
    const head = new Uint8Array(4);
    file.read(0, head);
    const format = wanted ?? (isQcow2(head) ? "qcow2" : "raw");
    const known = { path, isReadOnly, format, isFormatGuessed: wanted === undefined };
    if (format === "raw") return { file: known, backingName: "", backingFormat: "" };
    const { backingName, backingFormat } = readHeader(file);
    return { file: known, backingName, backingFormat };
  } catch (e) {
    throw named(path, e);
  } finally {
    file.close();
  }
}

function backingPath(image: string, name: string, rule: BackingRule): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(name)) {
    throw new DiskImageError(`${image}: its backing file "${name}" is no ordinary file`);
  }
  const path = resolve(dirname(image), name);
  if (rule === "any") return path;
  const [home, real] = [dirname(realpathSync(image)), realpathSync(path)];
  if (dirname(real) === home && !basename(real).startsWith(".")) return path;
  throw new DiskImageError(
    `${image}: its backing file ${name} is elsewhere; follow it with ",backing=any" if you trust the image`,
  );
}

function formatNamed(name: string, path: string): ImageFormat | undefined {
  if (name === "" || name === "raw" || name === "qcow2") return name || undefined;
  throw new DiskImageError(`${path}: format ${name} is not supported`);
}

export function isSameFile(a: string, b: string): boolean {
  const x = statSync(a, { throwIfNoEntry: false });
  const y = statSync(b, { throwIfNoEntry: false });
  return x !== undefined && y !== undefined && x.dev === y.dev && x.ino === y.ino;
}

/** An image's complaint, with its name before it. */
export function named(path: string, e: unknown): unknown {
  if (!(e instanceof DiskImageError) || e.message.startsWith(path)) return e;
  return new DiskImageError(`${path}: ${e.message}`);
}
