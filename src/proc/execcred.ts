/**
 * What execve(2) does to credentials: set-user-ID, set-group-ID, capabilities.
 * Source: capabilities(7), "Transformation of capabilities during execve()".
 */
import { S_ISGID, S_ISUID } from "../abi/stat.ts";
import type { Cred } from "../kern/cred.ts";
import type { Attr } from "../vfs/attr.ts";
import type { FileCaps } from "./filecaps.ts";

const SECBIT_NOROOT = 1;
export const SECBIT_NO_SETUID_FIXUP = 4;
export const SECBIT_KEEP_CAPS = 16;
export const SECBIT_NO_CAP_AMBIENT_RAISE = 64;
const GROUP_EXECUTE = 0o010;

export interface ExecCred {
  readonly cred: Cred;
  /** AT_SECURE: the loader must distrust the environment. */
  readonly isSecure: boolean;
  /** User or group changed: no core, no parent-death signal. */
  readonly isSetId: boolean;
}

/**
 * `file` and `caps`: the program's attributes and capabilities; null where they
 * do not count (a mount with nosuid).
 */
export function execCred(old: Cred, file: Attr | null, caps: FileCaps | null): ExecCred {
  const honours = file !== null && !old.noNewPrivs;
  const isSuid = honours && (file.mode & S_ISUID) !== 0;
  const setGid = S_ISGID | GROUP_EXECUTE;
  const isSgid = honours && (file.mode & setGid) === setGid;
  const euid = isSuid ? file.uid : old.euid;
  const egid = isSgid ? file.gid : old.egid;
  const isSetId = euid !== old.euid || egid !== old.egid;

  const rootCounts = (old.securebits & SECBIT_NOROOT) === 0;
  const isRoot = rootCounts && (old.uid === 0 || euid === 0);
  const own = honours && !isRoot ? caps : null;
  const ambient = isSetId || own ? 0n : old.capAmbient;
  const granted = own
    ? (old.capBounding & own.permitted) | (old.capInheritable & own.inheritable)
    : 0n;
  const permitted = (isRoot ? old.capBounding | old.capInheritable : granted) | ambient;
  const isEffective = (rootCounts && euid === 0) || own?.isEffective === true;
  const effective = isEffective ? permitted : ambient;
  const cred = old.with({
    euid,
    suid: euid,
    fsuid: euid,
    egid,
    sgid: egid,
    fsgid: egid,
    capPermitted: permitted,
    capEffective: effective,
    capAmbient: ambient,
    securebits: old.securebits & ~SECBIT_KEEP_CAPS,
  });
  const isSecure =
    cred.uid !== euid || cred.gid !== egid || isSetId || (granted !== 0n && cred.uid !== 0);
  return { cred, isSecure, isSetId };
}
