/**
 * What add_key(2), request_key(2) and keyctl(2) do to keys, errors in Linux's order.
 * See their man pages, and Linux security/keys/keyctl.c where those leave things open.
 */
import {
  EACCES,
  EDEADLK,
  EDQUOT,
  EEXIST,
  EINVAL,
  ELOOP,
  ENODEV,
  ENOENT,
  ENOKEY,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Lwp } from "../lwp.ts";
import type { Proc } from "../proc.ts";
import {
  BIG_KEY,
  KEY_LINK,
  KEY_PERM_ALL,
  KEY_READ,
  KEY_SEARCH,
  KEY_SETATTR,
  KEY_VIEW,
  KEY_WRITE,
  KEYRING,
  type Key,
  type KeyType,
  keyType,
  LOGON,
  nameOf,
  POSSESSOR,
  USER,
} from "./key.ts";
import {
  findKey,
  isPossessed,
  joinSession,
  type KeyRef,
  lookupKey,
  lookupRing,
  permits,
  SEARCH_DEPTH_MAX,
  searchOwn,
  searchRing,
} from "./lookup.ts";

const NS_PER_SEC = 1e9;
/** (uid_t)-1 */
const KEEP = 0xffffffff;
const KEYCTL_MOVE_EXCL = 1;

/** add_key(2): a key of that type and description in `ringId`, new or with a new payload. */
export function addKey(
  td: Lwp,
  typeName: string,
  description: string,
  payload: Uint8Array,
  ringId: number,
): number {
  const { keys } = td.proc.table;
  keys.sweep(td.cpu.clock.monotonicNs());
  const ref = lookupKey(td, ringId, true, KEY_WRITE);
  if (failed(ref)) return ref;
  const type = keyType(typeName);
  if (!type) return ENODEV;
  const ring = ref.key;
  if (!ring.links) return ENOTDIR;
  if (!isPayload(type, payload) || !isDescription(type, description)) return EINVAL;
  if (ring.isRestricted) return EPERM;
  const old = type.isUpdatable ? ring.links.get(nameOf(type, description)) : undefined;
  if (old && old.validate(td.cpu.clock.monotonicNs()) === 0) {
    if (!permits(td, { key: old, isPossessed: ref.isPossessed }, KEY_WRITE)) return EACCES;
    const r = keys.setPayload(old, payload);
    return failed(r) ? r : old.serial;
  }
  const { fsuid, fsgid, userns } = td.cred;
  const perm = defaultPerm(type);
  const key = keys.make({ type, description, userns, uid: fsuid, gid: fsgid, perm }, "within");
  if (failed(key)) return key;
  const paid = keys.setPayload(key, payload);
  const r = failed(paid) ? paid : keys.link(ring, key);
  // From here on its keyring holds it.
  keys.release(key);
  return failed(r) ? r : key.serial;
}

function isPayload(type: KeyType, payload: Uint8Array): boolean {
  if (type === KEYRING) return payload.length === 0;
  return payload.length > 0 && payload.length <= type.maxBytes;
}

function isDescription(type: KeyType, description: string): boolean {
  return description !== "" && (type !== LOGON || description.indexOf(":") > 0);
}

function defaultPerm(type: KeyType): number {
  const own = KEY_VIEW | KEY_SEARCH | KEY_LINK | KEY_SETATTR | KEY_WRITE;
  return ((own | (type.isReadable ? KEY_READ : 0)) << POSSESSOR) | (KEY_VIEW << USER);
}

/** request_key(2) and KEYCTL_SEARCH (`ringId` not null): its serial number. Nobody makes what is missing. */
export function searchKey(
  td: Lwp,
  ringId: number | null,
  typeName: string,
  description: string,
  destId: number,
): number {
  const ring = ringId === null ? null : lookupRing(td, ringId, false, KEY_SEARCH);
  if (failed(ring)) return ring;
  const dest = destId === 0 ? null : lookupRing(td, destId, true, KEY_WRITE);
  if (failed(dest)) return dest;
  const type = keyType(typeName);
  if (!type) return ENOKEY;
  const found = ring ? searchRing(td, ring, type, description) : searchOwn(td, type, description);
  if (failed(found)) return found;
  if (!dest) return found.key.serial;
  if (!permits(td, found, KEY_LINK)) return EACCES;
  const r = linkInto(td, dest.key, found.key);
  return failed(r) ? r : found.key.serial;
}

export function updateKey(td: Lwp, id: number, payload: Uint8Array): number {
  const ref = lookupKey(td, id, false, KEY_WRITE);
  if (failed(ref)) return ref;
  const { key } = ref;
  if (!key.type.isUpdatable) return EOPNOTSUPP;
  if (!isPayload(key.type, payload)) return EINVAL;
  return td.proc.table.keys.setPayload(key, payload);
}

export function revokeKey(td: Lwp, id: number): number {
  let ref = lookupKey(td, id, false, KEY_WRITE);
  if (ref === EACCES) ref = lookupKey(td, id, false, KEY_SETATTR);
  if (failed(ref)) return ref;
  td.proc.table.keys.revoke(ref.key, td.cpu.clock.monotonicNs());
  return 0;
}

export function invalidateKey(td: Lwp, id: number): number {
  const ref = lookupKey(td, id, false, KEY_SEARCH);
  if (failed(ref)) return ref;
  td.proc.table.keys.invalidate(ref.key);
  return 0;
}

/** `uid` and `gid` are the kernel's; KEEP leaves one as it is. */
export function chownKey(td: Lwp, id: number, uid: number, gid: number): number {
  if (uid === KEEP && gid === KEEP) return 0;
  const ref = lookupKey(td, id, true, KEY_SETATTR);
  if (failed(ref)) return ref;
  const { key } = ref;
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) {
    if (uid !== KEEP && key.uid !== uid) return EACCES;
    if (gid !== KEEP && gid !== key.gid && !td.cred.isMember(gid)) return EACCES;
  }
  if (uid !== KEEP && uid !== key.uid) {
    const r = td.proc.table.keys.changeUser(key, uid);
    if (failed(r)) return r === EDQUOT ? EDQUOT : r;
  }
  if (gid !== KEEP) key.gid = gid;
  return 0;
}

export function setKeyPerm(td: Lwp, id: number, perm: number): number {
  if ((perm & ~KEY_PERM_ALL) !== 0) return EINVAL;
  const ref = lookupKey(td, id, true, KEY_SETATTR);
  if (failed(ref)) return ref;
  if (!td.cred.hasCap(CAP_SYS_ADMIN) && ref.key.uid !== td.cred.fsuid) return EACCES;
  ref.key.perm = perm;
  return 0;
}

/** KEYCTL_DESCRIBE's text, a byte string. */
export function describeKey(td: Lwp, id: number): string | Errno {
  const ref = lookupKey(td, id, true, KEY_VIEW);
  if (failed(ref)) return ref;
  const { key } = ref;
  const { userns } = td.cred;
  const perm = key.perm.toString(16).padStart(8, "0");
  const ids = `${userns.shownUid(key.uid)};${shownGid(td, key)}`;
  return `${key.type.name};${ids};${perm};${key.description}`;
}

/** A keyring of a user has no group: nobody's. */
export function shownGid(td: Lwp, key: Key): number {
  return key.gid === KEEP ? 65534 : td.cred.userns.shownGid(key.gid);
}

export function clearRing(td: Lwp, id: number): number {
  const ref = lookupRing(td, id, true, KEY_WRITE);
  if (failed(ref)) return ref;
  td.proc.table.keys.clear(ref.key);
  return 0;
}

export function linkKey(td: Lwp, id: number, ringId: number): number {
  const ring = lookupKey(td, ringId, true, KEY_WRITE);
  if (failed(ring)) return ring;
  const ref = lookupKey(td, id, true, KEY_LINK);
  if (failed(ref)) return ref;
  return ring.key.links ? linkInto(td, ring.key, ref.key) : ENOTDIR;
}

export function unlinkKey(td: Lwp, id: number, ringId: number): number {
  const ring = lookupKey(td, ringId, false, KEY_WRITE);
  if (failed(ring)) return ring;
  const ref = findKey(td, id, false);
  if (failed(ref)) return ref;
  const { links } = ring.key;
  if (!links) return ENOTDIR;
  if (links.get(ref.key.name) !== ref.key) return ENOENT;
  td.proc.table.keys.unlink(ring.key, ref.key);
  return 0;
}

export function moveKey(td: Lwp, id: number, fromId: number, toId: number, flags: number): number {
  if ((flags & ~KEYCTL_MOVE_EXCL) !== 0) return EINVAL;
  const ref = lookupKey(td, id, true, KEY_LINK);
  if (failed(ref)) return ref;
  const from = lookupKey(td, fromId, false, KEY_WRITE);
  if (failed(from)) return from;
  const to = lookupKey(td, toId, true, KEY_WRITE);
  if (failed(to)) return to;
  const { key } = ref;
  if (from.key === to.key) return 0;
  if (!from.key.links || !to.key.links) return ENOTDIR;
  if (from.key.links.get(key.name) !== key) return ENOENT;
  if ((flags & KEYCTL_MOVE_EXCL) !== 0 && to.key.links.has(key.name)) return EEXIST;
  const r = linkInto(td, to.key, key);
  if (!failed(r)) td.proc.table.keys.unlink(from.key, key);
  return Math.min(r, 0);
}

function linkInto(td: Lwp, ring: Key, key: Key): number {
  if (ring.isRestricted) return EPERM;
  if (ring.links!.get(key.name) === key) return 0;
  const circle = key.links ? checkCircle(ring, key) : 0;
  return circle < 0 ? circle : td.proc.table.keys.link(ring, key);
}

/** EDEADLK if `ring` is within `key` already, or the same; ELOOP if that is too deep to say. */
function checkCircle(ring: Key, key: Key): number {
  const seen = new Set<Key>();
  let level: readonly Key[] = [key];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > SEARCH_DEPTH_MAX) return ELOOP;
    const below: Key[] = [];
    for (const k of level) {
      if (k === ring) return EDEADLK;
      if (seen.has(k)) continue;
      seen.add(k);
      for (const linked of k.links!.values()) if (linked.links) below.push(linked);
    }
    level = below;
  }
  return 0;
}

/** KEYCTL_READ: the payload, or the serial numbers that a keyring links to. */
export function readKey(td: Lwp, id: number): Uint8Array | Errno {
  const ref = findKey(td, id, false);
  if (failed(ref)) return ref;
  const { key } = ref;
  if (!permits(td, ref, KEY_READ) && !isPossessed(td, key)) return EACCES;
  const invalid = key.validate(td.cpu.clock.monotonicNs());
  if (invalid < 0) return invalid as Errno;
  if (!key.type.isReadable) return EOPNOTSUPP;
  return key.links ? serials(key.links) : key.payload;
}

function serials(links: ReadonlyMap<string, Key>): Uint8Array {
  const out = new Uint8Array(4 * links.size);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const key of links.values()) {
    view.setUint32(at, key.serial, true);
    at += 4;
  }
  return out;
}

/** In `seconds` from now; 0: never. */
export function setKeyTimeout(td: Lwp, id: number, seconds: number): number {
  const ref = lookupKey(td, id, true, KEY_SETATTR);
  if (failed(ref)) return ref;
  const now = td.cpu.clock.monotonicNs();
  const atNs = seconds === 0 ? Number.POSITIVE_INFINITY : now + seconds * NS_PER_SEC;
  td.proc.table.keys.expireAt(ref.key, atNs);
  return 0;
}

/** KEYCTL_RESTRICT_KEYRING without a type: nothing can be linked to it any more. */
export function restrictRing(td: Lwp, id: number, typeName: string | null): number {
  const ref = lookupRing(td, id, false, KEY_SETATTR);
  if (failed(ref)) return ref;
  // Types that can say what else may be linked (asymmetric) do not exist here.
  if (typeName !== null) return keyType(typeName) ? ENOENT : ENOKEY;
  if (ref.key.isRestricted) return EEXIST;
  ref.key.isRestricted = true;
  return 0;
}

export function newSession(td: Lwp, name: string | null): number {
  if (name?.startsWith(".")) return EPERM;
  return joinSession(td, name);
}

/** KEYCTL_SESSION_TO_PARENT: the parent, if it is one thread and the same user's, gets the caller's session keyring. */
export function sessionToParent(td: Lwp): number {
  const ref = lookupKey(td, -3, false, KEY_LINK);
  if (failed(ref)) return ref;
  const { parent } = td.proc;
  if (!parent || parent.pid <= 1 || parent.state !== "alive") return EPERM;
  const [theirs] = parent.threads;
  if (!theirs || parent.threads.length !== 1 || theirs.cred.userns !== td.cred.userns) return EPERM;
  if (theirs.sessionKeyring === ref.key) return 0;
  if (!isSameUser(td, parent, ref)) return EPERM;
  if (theirs.sessionKeyring) td.proc.table.keys.release(theirs.sessionKeyring);
  theirs.sessionKeyring = ref.key.hold();
  return 0;
}

function isSameUser(td: Lwp, parent: Proc, { key }: KeyRef): boolean {
  const a = td.cred;
  const b = parent.cred;
  const ids = [b.uid, b.euid, b.suid].every((id) => id === a.euid);
  const groups = [b.gid, b.egid, b.sgid].every((id) => id === a.egid);
  const theirs = parent.threads[0]?.sessionKeyring;
  return ids && groups && key.uid === a.euid && (!theirs || theirs.uid === a.euid);
}

/** How /proc/keys and KEYCTL_DESCRIBE's users tell types that keep their payload in memory. */
export function keySummary(key: Key): string {
  if (key.links) {
    const name = key.description === "" ? "[anon]" : key.description;
    return `${name}: ${key.links.size === 0 ? "empty" : key.links.size}`;
  }
  if (key.isRevoked) return key.description;
  return `${key.description}: ${key.payload.length}${key.type === BIG_KEY ? " [buff]" : ""}`;
}
