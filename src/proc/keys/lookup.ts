/**
 * How a thread gets at keys: its keyrings, possession and permission.
 *
 * It possesses what its thread, process and session keyrings link to, as deep
 * as six keyrings, through those that it may search. See keyrings(7).
 */
import {
  EACCES,
  EINVAL,
  EKEYREVOKED,
  ENOKEY,
  ENOTDIR,
  type Errno,
  failed,
} from "../../abi/errno.ts";
import type { Lwp } from "../lwp.ts";
import {
  GROUP,
  KEY_LINK,
  KEY_POS_ALL,
  KEY_READ,
  KEY_SEARCH,
  KEY_VIEW,
  KEYRING,
  type Key,
  type KeyType,
  POSSESSOR,
  USER,
} from "./key.ts";
import type { QuotaRule } from "./keytable.ts";
import { RingRegister, type UserRings } from "./userrings.ts";

export const KEY_SPEC_THREAD_KEYRING = -1;
export const KEY_SPEC_PROCESS_KEYRING = -2;
export const KEY_SPEC_SESSION_KEYRING = -3;
export const KEY_SPEC_USER_KEYRING = -4;
export const KEY_SPEC_USER_SESSION_KEYRING = -5;
const KEY_SPEC_REQKEY_AUTH_KEY = -7;
const KEY_SPEC_REQUESTOR_KEYRING = -8;
/** Keyrings in keyrings that a search goes into. */
export const SEARCH_DEPTH_MAX = 6;

const OWN_PERM = KEY_POS_ALL | (KEY_VIEW << USER);
const SESSION_PERM = OWN_PERM | (KEY_READ << USER);
const NAMED_SESSION_PERM = SESSION_PERM | (KEY_LINK << USER);
/** Whoever possesses it has all but KEY_SETATTR, its user has all. */
const UID_PERM = 0x1f3f0000;
const NO_GROUP = 0xffffffff;

/** A key as a thread came by it. */
export interface KeyRef {
  readonly key: Key;
  readonly isPossessed: boolean;
}

/** The key `id` if it can be used and grants `need`; with `isCreating` special keyrings are made. */
export function lookupKey(td: Lwp, id: number, isCreating: boolean, need: number): KeyRef | Errno {
  const ref = findKey(td, id, isCreating);
  if (failed(ref)) return ref;
  const invalid = ref.key.validate(td.cpu.clock.monotonicNs());
  if (invalid < 0) return invalid as Errno;
  return permits(td, ref, need) ? ref : EACCES;
}

/** As `lookupKey`, of a keyring. */
export function lookupRing(td: Lwp, id: number, isCreating: boolean, need: number): KeyRef | Errno {
  const ref = lookupKey(td, id, isCreating, need);
  return failed(ref) || ref.key.links ? ref : ENOTDIR;
}

/** The key `id`, whatever became of it. */
export function findKey(td: Lwp, id: number, isCreating: boolean): KeyRef | Errno {
  if (id > 0) {
    const key = td.proc.table.keys.keys.get(id);
    return key ? { key, isPossessed: isPossessed(td, key) } : ENOKEY;
  }
  const key = specialKeyring(td, id, isCreating);
  return failed(key) ? key : { key, isPossessed: true };
}

export function permits(td: Lwp, { key, isPossessed }: KeyRef, need: number): boolean {
  const { cred } = td;
  let bits = key.perm;
  if (key.uid === cred.fsuid) bits >>= USER;
  else if ((key.perm & (0x3f << GROUP)) !== 0 && cred.isMember(key.gid)) bits >>= GROUP;
  if (isPossessed) bits |= key.perm >> POSSESSOR;
  return (bits & need) === need;
}

export function isPossessed(td: Lwp, key: Key): boolean {
  return !failed(searchFrom(td, ownKeyrings(td), true, (k) => k === key, true));
}

/** All that it possesses. */
export function possessions(td: Lwp): ReadonlySet<Key> {
  const found = new Set<Key>();
  searchFrom(td, ownKeyrings(td), true, (k, mayGo) => {
    if (mayGo) found.add(k);
    return false;
  });
  return found;
}

/** What is of that type and description in the thread's keyrings, and may be searched for. */
export function searchOwn(td: Lwp, type: KeyType, description: string): KeyRef | Errno {
  return searchFrom(td, ownKeyrings(td), true, matches(type, description));
}

/** As `searchOwn`, in one keyring and those below it. */
export function searchRing(
  td: Lwp,
  ring: KeyRef,
  type: KeyType,
  description: string,
): KeyRef | Errno {
  return searchFrom(td, [ring.key], ring.isPossessed, matches(type, description));
}

function matches(type: KeyType, description: string): (k: Key) => boolean {
  return (k) => k.type === type && k.description === description;
}

/** Breadth first, each keyring once: ENOKEY, or what was wrong with the last one that matched. `isDeadOk`: revoked, it will do. */
function searchFrom(
  td: Lwp,
  roots: readonly Key[],
  isPossessed: boolean,
  isWanted: (k: Key, mayGo: boolean) => boolean,
  isDeadOk = false,
): KeyRef | Errno {
  const now = td.cpu.clock.monotonicNs();
  let error: Errno = ENOKEY;
  let level: readonly Key[] = roots;
  const seen = new Set<Key>();
  for (let depth = 0; depth <= SEARCH_DEPTH_MAX && level.length > 0; depth++) {
    const below: Key[] = [];
    for (const key of level) {
      if (seen.has(key)) continue;
      seen.add(key);
      const ref = { key, isPossessed };
      const mayGo = permits(td, ref, KEY_SEARCH);
      const invalid = key.validate(now);
      if (isWanted(key, mayGo)) {
        if ((invalid === 0 || isDeadOk) && mayGo) return ref;
        error = (invalid === 0 ? EACCES : key.isInvalidated ? EKEYREVOKED : invalid) as Errno;
      }
      if (key.links && mayGo && invalid === 0) for (const k of key.links.values()) below.push(k);
    }
    level = below;
  }
  return error;
}

/** Those that there are, in the order of their search. */
function ownKeyrings(td: Lwp): readonly Key[] {
  const { table } = td.proc;
  const { threadKeyring, sessionKeyring } = td;
  const session =
    sessionKeyring ?? RingRegister.of(td.cred.userns, table.keys).get(td.cred.uid)?.session;
  return [threadKeyring, td.proc.keyring, session].filter((k): k is Key => k != null);
}

function specialKeyring(td: Lwp, id: number, isCreating: boolean): Key | Errno {
  switch (id) {
    case KEY_SPEC_THREAD_KEYRING:
      return td.threadKeyring ?? (isCreating ? installThreadKeyring(td) : ENOKEY);
    case KEY_SPEC_PROCESS_KEYRING:
      return td.proc.keyring ?? (isCreating ? installProcessKeyring(td) : ENOKEY);
    case KEY_SPEC_SESSION_KEYRING:
      return sessionKeyringOf(td, isCreating);
    case KEY_SPEC_USER_KEYRING:
    case KEY_SPEC_USER_SESSION_KEYRING: {
      const own = userKeyrings(td);
      if (failed(own)) return own;
      return id === KEY_SPEC_USER_KEYRING ? own.user : own.session;
    }
    case KEY_SPEC_REQKEY_AUTH_KEY:
    case KEY_SPEC_REQUESTOR_KEYRING:
      return ENOKEY;
    default:
      return EINVAL;
  }
}

/** Who has none is given its user's; who wants to put something there gets one of its own. */
function sessionKeyringOf(td: Lwp, isCreating: boolean): Key | Errno {
  const own = userKeyrings(td);
  if (failed(own)) return own;
  if (td.sessionKeyring && td.sessionKeyring !== own.session) return td.sessionKeyring;
  if (isCreating) {
    const r = joinSession(td, null);
    return failed(r) ? (r as Errno) : td.sessionKeyring!;
  }
  td.sessionKeyring ??= own.session.hold();
  return td.sessionKeyring;
}

export function installThreadKeyring(td: Lwp): Key | Errno {
  if (td.threadKeyring) return td.threadKeyring;
  const key = makeRing(td, "_tid", OWN_PERM, "overrun");
  if (!failed(key)) td.threadKeyring = key;
  return key;
}

export function installProcessKeyring(td: Lwp): Key | Errno {
  if (td.proc.keyring) return td.proc.keyring;
  const key = makeRing(td, "_pid", OWN_PERM, "overrun");
  if (!failed(key)) td.proc.keyring = key;
  return key;
}

/** KEYCTL_JOIN_SESSION_KEYRING: the serial number of the thread's new session keyring. */
export function joinSession(td: Lwp, name: string | null): number {
  const { keys } = td.proc.table;
  const there = name === null ? null : keyringNamed(td, name);
  const rule = td.sessionKeyring || name !== null ? "within" : "overrun";
  const perm = name === null ? SESSION_PERM : NAMED_SESSION_PERM;
  const ring = there?.hold() ?? makeRing(td, name ?? "_ses", perm, rule);
  if (failed(ring)) return ring;
  if (td.sessionKeyring) keys.release(td.sessionKeyring);
  td.sessionKeyring = ring;
  return ring.serial;
}

/** One of that name that anybody lets the caller search. */
function keyringNamed(td: Lwp, name: string): Key | null {
  const now = td.cpu.clock.monotonicNs();
  for (const key of td.proc.table.keys.keys.values()) {
    if (key.type !== KEYRING || key.description !== name) continue;
    if (key.userns !== td.cred.userns || key.validate(now) < 0) continue;
    if (permits(td, { key, isPossessed: false }, KEY_SEARCH)) return key;
  }
  return null;
}

function userKeyrings(td: Lwp): UserRings | Errno {
  const { keys } = td.proc.table;
  const { uid, userns } = td.cred;
  const register = RingRegister.of(userns, keys);
  const known = register.get(uid);
  const now = td.cpu.clock.monotonicNs();
  if (known && known.user.validate(now) === 0 && known.session.validate(now) === 0) return known;
  const shown = userns.shownUid(uid);
  const fields = { type: KEYRING, userns, uid, gid: NO_GROUP, perm: UID_PERM };
  const user = keys.make({ ...fields, description: `_uid.${shown}` }, "within");
  if (failed(user)) return user;
  const session = keys.make({ ...fields, description: `_uid_ses.${shown}` }, "within");
  const r = failed(session) ? session : keys.link(session, user);
  if (failed(session) || failed(r)) {
    if (!failed(session)) keys.release(session);
    keys.release(user);
    return r as Errno;
  }
  const made = { user, session };
  // Whoever revoked the old ones did so to what was in them.
  register.set(uid, made);
  return made;
}

function makeRing(td: Lwp, description: string, perm: number, rule: QuotaRule): Key | Errno {
  const { uid, gid, userns } = td.cred;
  return td.proc.table.keys.make({ type: KEYRING, description, userns, uid, gid, perm }, rule);
}
