/**
 * The pid file of -p: holds our process id, locked while we run, removed at the end. See pidfile(3).
 */
import { ftruncateSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { lockExclusive } from "../hosts/node/lock.ts";
import { fileError } from "./report.ts";

/** A complaint, or null once the file is ours. */
export function claimPidfile(path: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, "a+", 0o600);
  } catch (e) {
    return fileError(path, e);
  }
  if (lockExclusive(fd) === "busy") {
    return `${path}: held by the vkernel with process id ${readFileSync(path, "latin1").trim()}`;
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  process.once("exit", () => unlinkSync(path));
  return null;
}
