/**
 * Disk images named on the command line: checked and locked before a machine starts.
 */
import { closeSync, openSync } from "node:fs";
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
      const fd = openSync(d.path, d.isCopyOnWrite ? "r" : "r+");
      if (d.isCopyOnWrite) closeSync(fd);
      else if (lockExclusive(fd) === "busy") return `${d.path}: in use by another vkernel`;
    } catch (e) {
      return fileError(d.path, e);
    }
  }
  return null;
}
