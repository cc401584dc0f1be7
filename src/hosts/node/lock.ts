/**
 * flock(2) for a program whose runtime has none.
 *
 * util-linux's flock(1) locks the open file description that it inherits, and
 * the description is ours: the lock stays when the helper exits, and goes when
 * we do, however we end. See flock(1), "-n fd".
 */
import { spawnSync } from "node:child_process";

export type LockResult = "locked" | "busy" | "unavailable";

export function lockExclusive(fd: number): LockResult {
  return lock(fd, "-x");
}

/** Others may share it; nobody has it alone meanwhile. */
export function lockShared(fd: number): LockResult {
  return lock(fd, "-s");
}

function lock(fd: number, kind: "-x" | "-s"): LockResult {
  const r = spawnSync("flock", ["-n", kind, "3"], { stdio: ["ignore", "ignore", "ignore", fd] });
  if (r.error) return "unavailable";
  return r.status === 0 ? "locked" : "busy";
}
