/** add_key(2), request_key(2), keyctl(2). */
import {
  EINVAL,
  ENAMETOOLONG,
  ENOKEY,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { NO_ID } from "../kern/idmap.ts";
import { bytesOf } from "../lib/bytes.ts";
import { KEY_SEARCH, KEY_VIEW } from "../proc/keys/key.ts";
import {
  addKey,
  chownKey,
  clearRing,
  describeKey,
  invalidateKey,
  linkKey,
  moveKey,
  newSession,
  readKey,
  restrictRing,
  revokeKey,
  searchKey,
  sessionToParent,
  setKeyPerm,
  setKeyTimeout,
  unlinkKey,
  updateKey,
} from "../proc/keys/keyctl.ts";
import { installProcessKeyring, installThreadKeyring, lookupKey } from "../proc/keys/lookup.ts";
import type { Lwp } from "../proc/lwp.ts";
import { PAGE_SIZE } from "../vm/param.ts";
import { int, long, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";

const KEYCTL_GET_KEYRING_ID = 0;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const KEYCTL_UPDATE = 2;
const KEYCTL_REVOKE = 3;
const KEYCTL_CHOWN = 4;
const KEYCTL_SETPERM = 5;
const KEYCTL_DESCRIBE = 6;
const KEYCTL_CLEAR = 7;
const KEYCTL_LINK = 8;
const KEYCTL_UNLINK = 9;
const KEYCTL_SEARCH = 10;
const KEYCTL_READ = 11;
const KEYCTL_INSTANTIATE = 12;
const KEYCTL_NEGATE = 13;
const KEYCTL_SET_REQKEY_KEYRING = 14;
const KEYCTL_SET_TIMEOUT = 15;
const KEYCTL_ASSUME_AUTHORITY = 16;
const KEYCTL_GET_SECURITY = 17;
const KEYCTL_SESSION_TO_PARENT = 18;
const KEYCTL_REJECT = 19;
const KEYCTL_INSTANTIATE_IOV = 20;
const KEYCTL_INVALIDATE = 21;
const KEYCTL_RESTRICT_KEYRING = 29;
const KEYCTL_MOVE = 30;
const KEYCTL_CAPABILITIES = 31;

const TYPE_MAX = 32;
const DESCRIPTION_MAX = 4096;
const PAYLOAD_MAX = 1048576 - 1;
/** This call, big_key, invalidation, restriction, moves; names of keyrings by user name space. */
const CAPABILITIES = [0x01 | 0x10 | 0x20 | 0x40 | 0x80, 0x01];
/** KEY_REQKEY_DEFL_*: where a key that was asked for is to go. */
const REQKEY_NO_CHANGE = -1;
const REQKEY_THREAD = 1;
const REQKEY_PROCESS = 2;
const REQKEY_GROUP = 6;
const REQKEY_REQUESTOR = 7;

export const sys_add_key = syscall(
  "add_key",
  [uaddr, uaddr, uaddr, size, int],
  (td, typeAddr, descriptionAddr, payloadAddr, length, ring) => {
    if (length > PAYLOAD_MAX) return EINVAL;
    const type = typeAt(td, typeAddr);
    if (failed(type)) return type;
    const description = stringAt(td, descriptionAddr);
    if (failed(description)) return description;
    if (description.startsWith(".") && type.startsWith("keyring")) return EPERM;
    const payload = payloadAt(td, payloadAddr, length);
    return failed(payload) ? payload : addKey(td, type, description, payload, ring);
  },
);

/** Nobody is called to make a key that is missing, whatever `calloutInfo` would tell him. */
export const sys_request_key = syscall(
  "request_key",
  [uaddr, uaddr, uaddr, int],
  (td, typeAddr, descriptionAddr, calloutInfo, dest) => {
    const type = typeAt(td, typeAddr);
    if (failed(type)) return type;
    const description = stringAt(td, descriptionAddr);
    if (failed(description)) return description;
    const info = calloutInfo === 0 ? "" : stringAt(td, calloutInfo, PAGE_SIZE);
    return failed(info) ? info : searchKey(td, null, type, description, dest);
  },
);

export const sys_keyctl = syscall("keyctl", [int, long, long, long, long], (td, op, a, b, c, d) => {
  switch (op) {
    case KEYCTL_GET_KEYRING_ID: {
      const ref = lookupKey(td, a | 0, (b | 0) !== 0, KEY_SEARCH);
      return failed(ref) ? ref : ref.key.serial;
    }
    case KEYCTL_JOIN_SESSION_KEYRING: {
      const name = a === 0 ? null : stringAt(td, a);
      return failed(name) ? name : newSession(td, name);
    }
    case KEYCTL_UPDATE: {
      if (c < 0 || c > PAGE_SIZE) return EINVAL;
      const payload = payloadAt(td, b, c);
      return failed(payload) ? payload : updateKey(td, a | 0, payload);
    }
    case KEYCTL_REVOKE:
      return revokeKey(td, a | 0);
    case KEYCTL_CHOWN:
      return chown(td, a | 0, b >>> 0, c >>> 0);
    case KEYCTL_SETPERM:
      return setKeyPerm(td, a | 0, b | 0);
    case KEYCTL_DESCRIBE: {
      const text = describeKey(td, a | 0);
      return failed(text) ? text : give(td, b, c, bytesOf(`${text}\0`));
    }
    case KEYCTL_CLEAR:
      return clearRing(td, a | 0);
    case KEYCTL_LINK:
      return linkKey(td, a | 0, b | 0);
    case KEYCTL_UNLINK:
      return unlinkKey(td, a | 0, b | 0);
    case KEYCTL_SEARCH: {
      const type = typeAt(td, b);
      if (failed(type)) return type;
      const description = stringAt(td, c);
      if (failed(description)) return description;
      return searchKey(td, a | 0, type, description, d | 0);
    }
    case KEYCTL_READ: {
      const bytes = readKey(td, a | 0);
      return failed(bytes) ? bytes : give(td, b, c, bytes);
    }
    case KEYCTL_INSTANTIATE:
    case KEYCTL_INSTANTIATE_IOV:
    case KEYCTL_NEGATE:
    case KEYCTL_REJECT:
      // Only who was called to make a key may, and nobody is.
      return EPERM;
    case KEYCTL_SET_REQKEY_KEYRING:
      return setRequestKeyring(td, a | 0);
    case KEYCTL_SET_TIMEOUT:
      return setKeyTimeout(td, a | 0, b >>> 0);
    case KEYCTL_ASSUME_AUTHORITY:
      return (a | 0) === 0 ? 0 : (a | 0) < 0 ? EINVAL : ENOKEY;
    case KEYCTL_GET_SECURITY: {
      const ref = lookupKey(td, a | 0, true, KEY_VIEW);
      return failed(ref) ? ref : give(td, b, c, new Uint8Array(1));
    }
    case KEYCTL_SESSION_TO_PARENT:
      return sessionToParent(td);
    case KEYCTL_INVALIDATE:
      return invalidateKey(td, a | 0);
    case KEYCTL_RESTRICT_KEYRING: {
      if (b === 0 && c !== 0) return EINVAL;
      const type = b === 0 ? null : typeAt(td, b);
      return failed(type) ? type : restrictRing(td, a | 0, type);
    }
    case KEYCTL_MOVE:
      return moveKey(td, a | 0, b | 0, c | 0, d | 0);
    case KEYCTL_CAPABILITIES:
      return capabilities(td, unsigned(a), unsigned(b));
    default:
      return EOPNOTSUPP;
  }
});

/** What was passed as a signed number is an address, or a length that none exceeds. */
function unsigned(n: number): number {
  return n < 0 ? n + 2 ** 64 : n;
}

function typeAt(td: Lwp, addr: number): string | Errno {
  const type = stringAt(td, addr, TYPE_MAX);
  if (failed(type)) return type;
  if (type === "") return EINVAL;
  return type.startsWith(".") ? EPERM : type;
}

function stringAt(td: Lwp, addr: number, maxBytes = DESCRIPTION_MAX): string | Errno {
  const s = td.proc.vmspace.copyinstr(unsigned(addr), maxBytes);
  return s === ENAMETOOLONG ? EINVAL : s;
}

function payloadAt(td: Lwp, addr: number, length: number): Uint8Array | Errno {
  const bytes = new Uint8Array(addr === 0 ? 0 : length);
  const r = td.proc.vmspace.copyin(unsigned(addr), bytes);
  return bytes.length > 0 && failed(r) ? r : bytes;
}

/** All or nothing: the length tells the caller what room it takes. */
function give(td: Lwp, addr: number, room: number, bytes: Uint8Array): number {
  if (addr === 0 || unsigned(room) < bytes.length || bytes.length === 0) return bytes.length;
  const r = td.proc.vmspace.copyout(unsigned(addr), bytes);
  return failed(r) ? r : bytes.length;
}

function chown(td: Lwp, id: number, uid: number, gid: number): number {
  const { userns } = td.cred;
  const KEEP = 0xffffffff;
  const kuid = uid === KEEP ? KEEP : userns.kuid(uid);
  const kgid = gid === KEEP ? KEEP : userns.kgid(gid);
  if ((uid !== KEEP && kuid === NO_ID) || (gid !== KEEP && kgid === NO_ID)) return EINVAL;
  return chownKey(td, id, kuid, kgid);
}

/** What it was before. */
function setRequestKeyring(td: Lwp, to: number): number {
  const before = td.proc.requestKeyring;
  if (to === REQKEY_NO_CHANGE) return before;
  if (to < 0 || to > REQKEY_REQUESTOR || to === REQKEY_GROUP) return EINVAL;
  const ring =
    to === REQKEY_THREAD
      ? installThreadKeyring(td)
      : to === REQKEY_PROCESS
        ? installProcessKeyring(td)
        : null;
  if (failed(ring)) return ring;
  td.proc.requestKeyring = to;
  return before;
}

function capabilities(td: Lwp, addr: number, room: number): number {
  if (addr === 0 || room === 0) return CAPABILITIES.length;
  const known = Uint8Array.from(CAPABILITIES).subarray(0, room);
  const { vmspace } = td.proc;
  const r = vmspace.copyout(addr, known);
  if (failed(r)) return r;
  const rest = room - known.length;
  const z = rest > 0 ? vmspace.zero(addr + known.length, rest) : 0;
  return failed(z) ? z : CAPABILITIES.length;
}

export const keySyscalls: readonly (readonly [number, Syscall])[] = [
  [217, sys_add_key],
  [218, sys_request_key],
  [219, sys_keyctl],
];
