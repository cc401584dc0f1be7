/**
 * Disk images named on the command line: checked and locked before a machine starts.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { lockExclusive } from "../hosts/node/lock.ts";
import type { DiskSpec } from "../hosts/node/machinespec.ts";
import { complain, fileError } from "./report.ts";

export const MAX_DISKS = 16;

/** `file[:serno]` of -r and -R; a file that has all of it as its name is meant as a whole. */
export function parseDisk(text: string, isCopyOnWrite: boolean): DiskSpec {
  if (existsSync(text)) return { path: text, isCopyOnWrite, serial: "" };
  const colon = text.lastIndexOf(":");
  const hasSerial = colon > 0 && !text.slice(colon + 1).includes("/");
  return {
    path: hasSerial ? text.slice(0, colon) : text,
    isCopyOnWrite,
    serial: hasSerial ? text.slice(colon + 1) : "",
  };
}

/** What `path` means where both a file and a named image will do; itself if it is neither. */
export async function findImage(path: string): Promise<string> {
  const st = statSync(path, { throwIfNoEntry: false });
  if ((st && !st.isDirectory()) || path.includes("/")) return path;
  // The image builder is loaded only for its names: a file starts sooner without it.
  const { imagePath } = await import("./image.ts");
  return (await imagePath(path)) ?? path;
}

/** Takes the lock on `fd`; false if another program has it. Where nothing can lock, says so and goes on. */
export function claimLock(fd: number, path: string): boolean {
  const result = lockExclusive(fd);
  if (result === "unavailable") complain(`${path}: not locked, for want of flock(1)`);
  return result !== "busy";
}

/** Opens each image once to see that it can be had; a -r image stays open, locked. A complaint, or null. */
export function claimDisks(disks: readonly DiskSpec[]): string | null {
  for (const d of disks) {
    try {
      // Before it is opened: opening a FIFO waits for its writer.
      const st = statSync(d.path);
      if (st.isDirectory()) return `${d.path}: is a directory, not a disk image`;
      if (!st.isFile() && !st.isBlockDevice()) return `${d.path}: not a disk image`;
      if (isShared(d, disks)) return `${d.path}: named twice, and once to be written`;
      const fd = openSync(d.path, d.isCopyOnWrite ? "r" : "r+");
      const format = foreignFormat(fd);
      if (format) {
        closeSync(fd);
        return `${d.path}: ${format}; want a raw disk image`;
      }
      if (d.isCopyOnWrite) closeSync(fd);
      else if (!claimLock(fd, d.path)) return `${d.path}: in use by another vkernel`;
    } catch (e) {
      return openError(d, e);
    }
  }
  return null;
}

/** A disk that is written must be no other disk of the same machine. */
function isShared(disk: DiskSpec, disks: readonly DiskSpec[]): boolean {
  const { dev, ino } = statSync(disk.path);
  return disks.some((d) => {
    if (d === disk || (d.isCopyOnWrite && disk.isCopyOnWrite)) return false;
    const other = statSync(d.path, { throwIfNoEntry: false });
    return other?.dev === dev && other.ino === ino;
  });
}

function openError({ path, isCopyOnWrite }: DiskSpec, e: unknown): string {
  const line = fileError(path, e);
  const isMissing = (e as NodeJS.ErrnoException).code === "ENOENT";
  return isMissing && isCopyOnWrite && !path.includes("/")
    ? `${line}, nor an image of 'vkernel image ls'`
    : line;
}

/** First bytes, in hexadecimal, of what people take for a disk image. See file(1). */
const SIGNATURES: readonly (readonly [string, string])[] = [
  ["1f8b", "compressed with gzip (gunzip it first)"],
  ["fd377a585a00", "compressed with xz (unxz it first)"],
  ["28b52ffd", "compressed with zstd (unzstd it first)"],
  ["425a68", "compressed with bzip2 (bunzip2 it first)"],
  ["504b0304", "a zip archive (unzip it first)"],
  ["514649fb", "a qcow2 image (qemu-img convert -O raw turns it into a raw one)"],
  ["7f454c46", "an ELF program"],
];

/** What the file is instead of a raw image, or null. */
function foreignFormat(fd: number): string | null {
  if (fstatSync(fd).isFile() && fstatSync(fd).size === 0) return "empty";
  const head = Buffer.alloc(8);
  readSync(fd, head, 0, head.length, 0);
  const hex = head.toString("hex");
  return SIGNATURES.find(([start]) => hex.startsWith(start))?.[1] ?? null;
}
