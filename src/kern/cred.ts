/**
 * Credentials: who a thread acts as. See credentials(7), capabilities(7).
 *
 * A Cred is immutable and shared: a change makes a new one, so a File or a
 * sleeping call that captured one keeps what it was opened or started with.
 *
 * Ids are the kernel's (userns.ts). Capabilities are held in `userns`: which
 * of the three questions to ask depends on what is at stake. `hasCap` is for
 * what belongs to the machine, `hasCapIn` for what belongs to a name space,
 * `hasCapOver` for a file.
 */
import { UserNamespace } from "./userns.ts";

export class Cred {
  readonly userns: UserNamespace;
  readonly uid: number;
  readonly euid: number;
  readonly suid: number;
  readonly fsuid: number;
  readonly gid: number;
  readonly egid: number;
  readonly sgid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  /** Capability sets; a bit per capability, as two 32-bit halves would overflow: use hasCap. */
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly capBounding: bigint;
  readonly capAmbient: bigint;
  readonly securebits: number;
  readonly noNewPrivs: boolean;
  /** The common questions, answered once. Bit n = capability n < 32, low half of the effective set. */
  readonly #effectiveLow: number;
  /** As #effectiveLow, for the machine: none for who is in a further user name space. */
  readonly #machineLow: number;

  constructor(from: CredFields) {
    this.userns = from.userns;
    this.uid = from.uid;
    this.euid = from.euid;
    this.suid = from.suid;
    this.fsuid = from.fsuid;
    this.gid = from.gid;
    this.egid = from.egid;
    this.sgid = from.sgid;
    this.fsgid = from.fsgid;
    this.groups = from.groups;
    this.capEffective = from.capEffective;
    this.capPermitted = from.capPermitted;
    this.capInheritable = from.capInheritable;
    this.capBounding = from.capBounding;
    this.capAmbient = from.capAmbient;
    this.securebits = from.securebits;
    this.noNewPrivs = from.noNewPrivs;
    this.#effectiveLow = Number(BigInt.asIntN(32, from.capEffective));
    this.#machineLow = from.userns.level === 0 ? this.#effectiveLow : 0;
  }

  static root(userns: UserNamespace = UserNamespace.initial()): Cred {
    return new Cred({
      userns,
      uid: 0,
      euid: 0,
      suid: 0,
      fsuid: 0,
      gid: 0,
      egid: 0,
      sgid: 0,
      fsgid: 0,
      groups: [],
      capEffective: CAP_FULL_SET,
      capPermitted: CAP_FULL_SET,
      capInheritable: 0n,
      capBounding: CAP_FULL_SET,
      capAmbient: 0n,
      securebits: 0,
      noNewPrivs: false,
    });
  }

  with(change: Partial<CredFields>): Cred {
    return new Cred({ ...this.#fields(), ...change });
  }

  /** Over the machine: what no name space but the first one owns. */
  hasCap(cap: number): boolean {
    if (cap < 32) return (this.#machineLow & (1 << cap)) !== 0;
    return this.userns.level === 0 && this.hasOwnCap(cap);
  }

  /** In its own user name space. */
  hasOwnCap(cap: number): boolean {
    if (cap < 32) return (this.#effectiveLow & (1 << cap)) !== 0;
    return (this.capEffective & (1n << BigInt(cap))) !== 0n;
  }

  /** Over what `ns` owns: held there or further up, or having made it or one above it from the parent. */
  hasCapIn(ns: UserNamespace, cap: number): boolean {
    const mine = this.userns;
    let at = ns;
    while (at !== mine) {
      if (at.level <= mine.level) return mine.level === 0 && this.hasOwnCap(cap);
      if (at.parent === mine && at.ownerUid === this.euid) return true;
      at = at.parent!;
    }
    return this.hasOwnCap(cap);
  }

  /** Over a file of that owner and group: its own name space must know both. */
  hasCapOver(file: { readonly uid: number; readonly gid: number }, cap: number): boolean {
    return this.hasOwnCap(cap) && this.userns.knows(file.uid, file.gid);
  }

  isMember(gid: number): boolean {
    return gid === this.fsgid || this.groups.includes(gid);
  }

  #fields(): CredFields {
    return this;
  }
}

export interface CredFields {
  readonly userns: UserNamespace;
  readonly uid: number;
  readonly euid: number;
  readonly suid: number;
  readonly fsuid: number;
  readonly gid: number;
  readonly egid: number;
  readonly sgid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly capBounding: bigint;
  readonly capAmbient: bigint;
  readonly securebits: number;
  readonly noNewPrivs: boolean;
}

/** All capabilities that this kernel knows: CAP_CHOWN (0) … CAP_CHECKPOINT_RESTORE (40). */
export const CAP_FULL_SET = (1n << 41n) - 1n;

export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_KILL = 5;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
export const CAP_SETPCAP = 8;
export const CAP_LINUX_IMMUTABLE = 9;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_BROADCAST = 11;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_IPC_LOCK = 14;
export const CAP_IPC_OWNER = 15;
export const CAP_SYS_RAWIO = 17;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_BOOT = 22;
export const CAP_SYS_NICE = 23;
export const CAP_SYS_RESOURCE = 24;
export const CAP_SYS_TIME = 25;
export const CAP_SYS_TTY_CONFIG = 26;
export const CAP_MKNOD = 27;
export const CAP_LEASE = 28;
export const CAP_AUDIT_CONTROL = 30;
export const CAP_SETFCAP = 31;
export const CAP_SYSLOG = 34;
export const CAP_BPF = 39;
export const CAP_CHECKPOINT_RESTORE = 40;
