/**
 * The pid file of -p: holds our process id, locked while we run, removed at the end. See pidfile(3).
 */
import { ftruncateSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { claimLock } from "./disks.ts";
import { fileError } from "./report.ts";

/** A complaint, or null once the file is ours. */
export function claimPidfile(path: string): string | null {
  try {
    const fd = openSync(path, "a+", 0o600);
    if (!claimLock(fd, path)) return `${path}: held by the vkernel with process id ${holder(path)}`;
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } catch (e) {
    return fileError(path, e);
  }
  process.once("exit", () => remove(path));
  return null;
}

function holder(path: string): string {
  const text = readFileSync(path, "latin1").trim();
  return /^\d+$/.test(text) ? text : "unknown";
}

/** Somebody may have been faster: then there is nothing to do. */
function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {}
}
