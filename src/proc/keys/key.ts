/**
 * Keys: small secrets that the kernel keeps for programs. See keyrings(7), keyctl(2).
 *
 * A key lives while something holds it: a keyring that links to it, or a
 * thread, process or user whose keyring it is. A keyring is a key that links
 * to others, one of each type and description.
 */
import { EKEYEXPIRED, EKEYREVOKED, ENOKEY } from "../../abi/errno.ts";
import type { UserNamespace } from "../../kern/userns.ts";
import type { KeyUser } from "./keytable.ts";

/** Permissions, once for each of possessor (<< 24), user (<< 16), group (<< 8) and others. */
export const KEY_VIEW = 0x01;
export const KEY_READ = 0x02;
export const KEY_WRITE = 0x04;
export const KEY_SEARCH = 0x08;
export const KEY_LINK = 0x10;
export const KEY_SETATTR = 0x20;
export const KEY_PERM_ALL = 0x3f3f3f3f;
export const KEY_POS_ALL = 0x3f000000;
export const POSSESSOR = 24;
export const USER = 16;
export const GROUP = 8;

export interface KeyType {
  readonly name: string;
  /** Longest payload; a payload may be empty only where it must be. */
  readonly maxBytes: number;
  readonly isReadable: boolean;
  /** add_key(2) and KEYCTL_UPDATE may give it another payload. */
  readonly isUpdatable: boolean;
  /** What the quota counts for a payload. */
  quotaOf(bytes: number): number;
}

const all = (bytes: number): number => bytes;
/** Linux keeps them in files, so they count little. */
const little = (bytes: number): number => Math.min(bytes, 16);

export const KEYRING: KeyType = {
  name: "keyring",
  maxBytes: 0,
  isReadable: true,
  isUpdatable: false,
  quotaOf: all,
};
export const LOGON: KeyType = {
  name: "logon",
  maxBytes: 32767,
  isReadable: false,
  isUpdatable: true,
  quotaOf: all,
};
export const BIG_KEY: KeyType = {
  name: "big_key",
  maxBytes: 1048576,
  isReadable: true,
  isUpdatable: true,
  quotaOf: little,
};
const TYPES: readonly KeyType[] = [
  KEYRING,
  LOGON,
  BIG_KEY,
  { name: "user", maxBytes: 32767, isReadable: true, isUpdatable: true, quotaOf: all },
];

export function keyType(name: string): KeyType | null {
  return TYPES.find((t) => t.name === name) ?? null;
}

export interface KeyFields {
  readonly serial: number;
  readonly type: KeyType;
  readonly description: string;
  readonly userns: UserNamespace;
  readonly uid: number;
  readonly gid: number;
  readonly perm: number;
}

export class Key {
  readonly serial: number;
  readonly type: KeyType;
  /** Byte string. */
  readonly description: string;
  /** Where its maker was: names of keyrings are known there. */
  readonly userns: UserNamespace;
  uid: number;
  gid: number;
  perm: number;
  refs = 1;
  payload: Uint8Array = new Uint8Array(0);
  /** Of a keyring: by `nameOf`. */
  readonly links: Map<string, Key> | null;
  isRevoked = false;
  isInvalidated = false;
  /** A keyring that takes no more links. */
  isRestricted = false;
  /** Monotonic time. */
  expiresAtNs = Number.POSITIVE_INFINITY;
  revokedAtNs = Number.POSITIVE_INFINITY;
  /** Whose quota pays for it, and how much; null: nobody's. */
  quota: KeyUser | null = null;
  quotaBytes = 0;

  constructor(fields: KeyFields) {
    this.serial = fields.serial;
    this.type = fields.type;
    this.description = fields.description;
    this.userns = fields.userns;
    this.uid = fields.uid;
    this.gid = fields.gid;
    this.perm = fields.perm;
    this.links = fields.type === KEYRING ? new Map() : null;
  }

  get name(): string {
    return nameOf(this.type, this.description);
  }

  hold(): this {
    this.refs++;
    return this;
  }

  /** 0, or why it cannot be used any more. */
  validate(nowNs: number): number {
    if (this.isInvalidated) return ENOKEY;
    if (this.isRevoked) return EKEYREVOKED;
    return nowNs >= this.expiresAtNs ? EKEYEXPIRED : 0;
  }
}

/** What is one of a kind in a keyring. */
export function nameOf(type: KeyType, description: string): string {
  return `${type.name};${description}`;
}
