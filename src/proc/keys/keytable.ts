/**
 * All keys of the machine, by serial number, and what users may have of them.
 *
 * Every key is paid for twice: by its user's quota (kernel.keys.*) and from
 * kernel memory. Keys that are dead for kernel.keys.gc_delay leave the
 * keyrings that link to them, when somebody next makes a key.
 */
import { EDQUOT, ENOMEM, type Errno } from "../../abi/errno.ts";
import type { KernelMemory } from "../../kern/kmem.ts";
import { type SysctlDir, SysctlVar } from "../../kern/sysctl.ts";
import type { Entropy } from "../../platform/host.ts";
import { KEYRING, Key, type KeyFields } from "./key.ts";

/** What a key takes without description and payload, and a link, about. */
const KEY_BYTES = 512;
const LINK_BYTES = 96;
/** What the quota counts for a link. */
const QUOTA_LINK_BYTES = 4;
const NS_PER_SEC = 1e9;
const INT_MAX = 0x7fffffff;

/** What one user has. */
export class KeyUser {
  readonly uid: number;
  keys = 0;
  quotaKeys = 0;
  quotaBytes = 0;

  constructor(uid: number) {
    this.uid = uid;
  }
}

/** "overrun": the kernel itself makes it, and it counts whatever the quota says. */
export type QuotaRule = "within" | "overrun";

export class KeyTable {
  readonly keys = new Map<number, Key>();
  readonly users = new Map<number, KeyUser>();
  readonly maxKeys = new SysctlVar(200, 0, INT_MAX);
  readonly maxBytes = new SysctlVar(20000, 0, INT_MAX);
  readonly rootMaxKeys = new SysctlVar(1000000, 0, INT_MAX);
  readonly rootMaxBytes = new SysctlVar(25000000, 0, INT_MAX);
  readonly gcDelaySec = new SysctlVar(300, 0, INT_MAX);
  readonly #entropy: Entropy;
  readonly #kmem: KernelMemory;
  /** No key is dead for long enough before this time. */
  #nextSweepNs = Number.POSITIVE_INFINITY;

  constructor(entropy: Entropy, kmem: KernelMemory) {
    this.#entropy = entropy;
    this.#kmem = kmem;
  }

  userOf(uid: number): KeyUser {
    let user = this.users.get(uid);
    if (!user) {
      user = new KeyUser(uid);
      this.users.set(uid, user);
    }
    return user;
  }

  keysLimit(uid: number): number {
    return uid === 0 ? this.rootMaxKeys.get() : this.maxKeys.get();
  }

  bytesLimit(uid: number): number {
    return uid === 0 ? this.rootMaxBytes.get() : this.maxBytes.get();
  }

  /** A key that the caller holds: EDQUOT, ENOMEM. */
  make(fields: Omit<KeyFields, "serial">, rule: QuotaRule): Key | Errno {
    const quotaBytes = fields.description.length + 1;
    const known = this.users.get(fields.uid);
    if (rule === "within" && !this.#hasQuota(known ?? new KeyUser(fields.uid), 1, quotaBytes)) {
      return EDQUOT;
    }
    if (!this.#kmem.take(KEY_BYTES + fields.description.length)) return ENOMEM;
    const user = this.userOf(fields.uid);
    const key = new Key({ ...fields, serial: this.#freeSerial() });
    key.quota = user;
    key.quotaBytes = quotaBytes;
    user.keys++;
    user.quotaKeys++;
    user.quotaBytes += quotaBytes;
    this.keys.set(key.serial, key);
    return key;
  }

  /** Gives a key that is no keyring its payload: EDQUOT, ENOMEM. */
  setPayload(key: Key, payload: Uint8Array): number {
    const more = payload.length - key.payload.length;
    const counted = key.type.quotaOf(payload.length) - key.type.quotaOf(key.payload.length);
    if (counted > 0 && key.quota && !this.#hasQuota(key.quota, 0, counted)) return EDQUOT;
    if (more > 0 && !this.#kmem.hasRoom(more)) return ENOMEM;
    this.#kmem.owe(more);
    this.#charge(key, counted);
    key.payload = payload;
    return 0;
  }

  /** Its keyring now pays for one link more; one of the same name is displaced. EDQUOT, ENOMEM. */
  link(ring: Key, key: Key): number {
    const old = ring.links!.get(key.name);
    if (!old) {
      if (ring.quota && !this.#hasQuota(ring.quota, 0, QUOTA_LINK_BYTES)) return EDQUOT;
      if (!this.#kmem.take(LINK_BYTES)) return ENOMEM;
      this.#charge(ring, QUOTA_LINK_BYTES);
    }
    ring.links!.set(key.name, key.hold());
    if (old) this.release(old);
    return 0;
  }

  unlink(ring: Key, key: Key): void {
    ring.links!.delete(key.name);
    this.#charge(ring, -QUOTA_LINK_BYTES);
    this.#kmem.give(LINK_BYTES);
    this.release(key);
  }

  clear(ring: Key): void {
    for (const key of [...ring.links!.values()]) this.unlink(ring, key);
  }

  /** Keys that go may be keyrings that hold others, deep down: no recursion. */
  release(key: Key): void {
    const gone: Key[] = [];
    if (--key.refs === 0) gone.push(key);
    for (let dead = gone.pop(); dead; dead = gone.pop()) {
      for (const linked of dead.links?.values() ?? []) {
        this.#kmem.give(LINK_BYTES);
        if (--linked.refs === 0) gone.push(linked);
      }
      this.keys.delete(dead.serial);
      this.#kmem.give(KEY_BYTES + dead.description.length + dead.payload.length);
      this.#leaveUser(dead);
    }
  }

  /** KEYCTL_CHOWN: quotas go with the key. EDQUOT. */
  changeUser(key: Key, uid: number): number {
    const user = this.userOf(uid);
    if (!this.#hasQuota(user, 1, key.quotaBytes)) {
      this.#forgetUser(user);
      return EDQUOT;
    }
    this.#leaveUser(key);
    key.quota = user;
    key.uid = uid;
    user.keys++;
    user.quotaKeys++;
    user.quotaBytes += key.quotaBytes;
    return 0;
  }

  revoke(key: Key, nowNs: number): void {
    key.isRevoked = true;
    key.revokedAtNs = nowNs;
    if (key.links) this.clear(key);
    else this.setPayload(key, new Uint8Array(0));
    this.#sweepAfter(nowNs);
  }

  expireAt(key: Key, atNs: number): void {
    key.expiresAtNs = atNs;
    this.#sweepAfter(atNs);
  }

  /** It is gone for everybody at once. */
  invalidate(key: Key): void {
    key.isInvalidated = true;
    this.#unlinkWhere((k) => k === key);
  }

  sweep(nowNs: number): void {
    if (nowNs < this.#nextSweepNs) return;
    const delayNs = this.gcDelaySec.get() * NS_PER_SEC;
    const deadAtNs = (k: Key): number => Math.min(k.expiresAtNs, k.revokedAtNs) + delayNs;
    this.#unlinkWhere((k) => deadAtNs(k) <= nowNs);
    this.#nextSweepNs = Number.POSITIVE_INFINITY;
    for (const k of this.keys.values()) {
      const atNs = deadAtNs(k);
      if (atNs > nowNs) this.#nextSweepNs = Math.min(this.#nextSweepNs, atNs);
    }
  }

  #sweepAfter(deadAtNs: number): void {
    const atNs = deadAtNs + this.gcDelaySec.get() * NS_PER_SEC;
    this.#nextSweepNs = Math.min(this.#nextSweepNs, atNs);
  }

  #unlinkWhere(isDead: (k: Key) => boolean): void {
    for (const ring of [...this.keys.values()]) {
      if (ring.type !== KEYRING) continue;
      for (const key of [...ring.links!.values()]) if (isDead(key)) this.unlink(ring, key);
    }
  }

  #hasQuota(user: KeyUser, keys: number, bytes: number): boolean {
    return (
      user.quotaKeys + keys <= this.keysLimit(user.uid) &&
      user.quotaBytes + bytes <= this.bytesLimit(user.uid)
    );
  }

  #charge(key: Key, bytes: number): void {
    key.quotaBytes += bytes;
    if (key.quota) key.quota.quotaBytes += bytes;
  }

  #leaveUser(key: Key): void {
    const user = key.quota;
    if (!user) return;
    user.keys--;
    user.quotaKeys--;
    user.quotaBytes -= key.quotaBytes;
    key.quota = null;
    this.#forgetUser(user);
  }

  #forgetUser(user: KeyUser): void {
    if (user.keys === 0) this.users.delete(user.uid);
  }

  #freeSerial(): number {
    const bytes = new Uint8Array(4);
    const view = new DataView(bytes.buffer);
    for (;;) {
      this.#entropy.fill(bytes);
      let serial = view.getUint32(0) >>> 1;
      // With a source of numbers that repeats itself, count on from there.
      for (let i = 0; i < 64; i++, serial = (serial + 1) % 2 ** 31) {
        if (serial > 2 && !this.keys.has(serial)) return serial;
      }
    }
  }
}

export function addKeySysctls(tree: SysctlDir, keys: KeyTable): void {
  tree.add("kernel.keys.maxkeys", keys.maxKeys);
  tree.add("kernel.keys.maxbytes", keys.maxBytes);
  tree.add("kernel.keys.root_maxkeys", keys.rootMaxKeys);
  tree.add("kernel.keys.root_maxbytes", keys.rootMaxBytes);
  tree.add("kernel.keys.gc_delay", keys.gcDelaySec);
}
