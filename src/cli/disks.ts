/**
 * Disk images named on the command line: checked and locked before a machine starts.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { lockExclusive } from "../hosts/node/lock.ts";
import type { DiskSpec } from "../hosts/node/machinespec.ts";
import { fileError } from "./report.ts";

export const MAX_DISKS = 16;

/** `file[:serno]` of -r and -R; a colon in a file's name needs a serial number after it. */
export function parseDisk(text: string, isCopyOnWrite: boolean): DiskSpec {
  const colon = text.lastIndexOf(":");
  const hasSerial = colon > 0 && !text.slice(colon + 1).includes("/");
  return {
    path: hasSerial ? text.slice(0, colon) : text,
    isCopyOnWrite,
    serial: hasSerial ? text.slice(colon + 1) : "",
  };
}

/** Opens each image once to see that it can be had; a -r image stays open, locked. A complaint, or null. */
export function claimDisks(disks: readonly DiskSpec[]): string | null {
  for (const d of disks) {
    try {
      // Before it is opened: opening a FIFO waits for its writer.
      const st = statSync(d.path);
      if (st.isDirectory()) return `${d.path}: is a directory, not a disk image`;
      if (!st.isFile() && !st.isBlockDevice()) return `${d.path}: not a disk image`;
      const fd = openSync(d.path, d.isCopyOnWrite ? "r" : "r+");
      const format = foreignFormat(fd);
      if (format) {
        closeSync(fd);
        return `${d.path}: ${format}; want a raw disk image`;
      }
      if (d.isCopyOnWrite) closeSync(fd);
      else if (lockExclusive(fd) === "busy") return `${d.path}: in use by another vkernel`;
    } catch (e) {
      return fileError(d.path, e);
    }
  }
  return null;
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
