/**
 * The file of the program that a process runs: held, and closed to writers
 * while anyone runs it (ETXTBSY). See execve(2), /proc/PID/exe.
 */
import { ETXTBSY } from "../abi/errno.ts";
import { holdPath, type Path, releasePath } from "../vfs/path.ts";
import type { Proc } from "./proc.ts";

/** One more process runs it. */
export function holdExe(path: Path | null): Path | null {
  if (!path) return null;
  const vp = path.entry.vnode;
  if (vp) vp.writers--;
  return holdPath(path);
}

/** 0, or ETXTBSY while somebody has it open for writing. */
export function checkExe(path: Path | null): number {
  const vp = path?.entry.vnode;
  return vp && vp.writers > 0 ? ETXTBSY : 0;
}

export function setExe(p: Proc, path: Path | null): void {
  const next = holdExe(path);
  releaseExe(p);
  p.exe = next;
}

export function releaseExe(p: Proc): void {
  const path = p.exe;
  if (!path) return;
  p.exe = null;
  const vp = path.entry.vnode;
  if (vp) vp.writers++;
  releasePath(path);
}
