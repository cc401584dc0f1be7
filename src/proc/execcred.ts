/**
 * What execve(2) does to credentials: set-user-ID, set-group-ID, capabilities.
 * Source: capabilities(7), "Transformation of capabilities during execve()";
 * Linux security/commoncap.c cap_bprm_creds_from_file for what that leaves out.
 */
import { EPERM, type Errno } from "../abi/errno.ts";
import { S_ISGID, S_ISUID } from "../abi/stat.ts";
import { CAP_SETUID, type Cred } from "../kern/cred.ts";
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
  /** It may do what its caller could not, or acts as somebody else: no core, no parent-death signal. */
  readonly isChanged: boolean;
  /** It was offered to: features that make attacks easier go (personality(2)). */
  readonly isRaised: boolean;
}

/**
 * `file` and `caps`: the program's attributes and capabilities; null where they
 * do not count (a mount with nosuid). `isShared`: a process apart could change
 * the program's directories meanwhile, or one that may not do so traces it. EPERM: it needs capabilities that are
 * out of bounds.
 */
export function execCred(
  old: Cred,
  file: Attr | null,
  caps: FileCaps | null,
  isShared: boolean,
): ExecCred | Errno {
  // Ids that its user name space does not know are not for the caller to take on.
  const honours = file !== null && !old.noNewPrivs && old.userns.knows(file.uid, file.gid);
  const root = old.userns.rootUid;
  const isSuid = honours && (file.mode & S_ISUID) !== 0;
  const setGid = S_ISGID | GROUP_EXECUTE;
  const isSgid = honours && (file.mode & setGid) === setGid;
  let euid = isSuid ? file.uid : old.euid;
  let egid = isSgid ? file.gid : old.egid;
  const own = file === null ? null : caps;
  let permitted = own
    ? (old.capBounding & own.permitted) | (old.capInheritable & own.inheritable)
    : 0n;
  // It knows nothing of capabilities, and would not notice that some are missing.
  if (own?.isEffective && (own.permitted & ~permitted) !== 0n) return EPERM;

  let isEffective = own?.isEffective === true;
  const isMixed = own !== null && old.uid !== root && euid === root;
  if ((old.securebits & SECBIT_NOROOT) === 0 && !isMixed) {
    if (old.uid === root || euid === root) permitted = old.capBounding | old.capInheritable;
    if (euid === root) isEffective = true;
  }
  const isOther = euid !== old.euid || !old.isMember(egid);
  const gains = (permitted & ~old.capPermitted) !== 0n;
  if ((isOther || gains) && (isShared || old.noNewPrivs)) {
    if (old.noNewPrivs || !old.hasOwnCap(CAP_SETUID)) {
      euid = old.uid;
      egid = old.gid;
    }
    permitted &= old.capPermitted;
  }
  const ambient = isOther || own ? 0n : old.capAmbient;
  permitted |= ambient;
  const cred = old.with({
    euid,
    suid: euid,
    fsuid: euid,
    egid,
    sgid: egid,
    fsgid: egid,
    capPermitted: permitted,
    capEffective: isEffective ? permitted : ambient,
    capAmbient: ambient,
    securebits: old.securebits & ~SECBIT_KEEP_CAPS,
  });
  const grew = old.uid !== root && (isEffective || (permitted & ~ambient) !== 0n);
  return {
    cred,
    isSecure: isOther || euid !== old.uid || egid !== old.gid || grew,
    isChanged: isAnother(old, cred) || (permitted & ~old.capPermitted) !== 0n,
    isRaised: isSuid || isSgid || gains,
  };
}

function isAnother(old: Cred, next: Cred): boolean {
  return (
    old.euid !== next.euid ||
    old.egid !== next.egid ||
    old.fsuid !== next.fsuid ||
    old.fsgid !== next.fsgid
  );
}
