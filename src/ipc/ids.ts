/**
 * The objects of one kind: found by identifier or by key.
 *
 * An identifier is an index and a sequence number, so that one that was
 * removed is not soon given to another; indexes are given out in turn. As
 * ipc/util.c of Linux does it, for programs print what they get.
 */
import { EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, type Errno, failed } from "../abi/errno.ts";
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from "../abi/ipc.ts";
import type { Cred } from "../kern/cred.ts";
import type { IpcObject } from "./ipcobject.ts";

/** Most objects of one kind that can ever be (IPCMNI); the index is the low bits of an identifier. */
export const IPCMNI = 32768;
const SEQ_MAX = 0xffff;
/** Indexes that are gone through before one comes again. */
const MIN_CYCLE = 64;

export class IpcIds<T extends IpcObject> {
  /** Highest number of objects: a sysctl. */
  limit: number;
  readonly #slots: (T | undefined)[] = [];
  readonly #byKey = new Map<number, T>();
  #count = 0;
  #seq = 0;
  #lastIndex = -1;
  #next = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  /** The highest index in use, 0 if there is none: what the *_INFO commands answer. */
  get maxIndex(): number {
    return Math.max(0, this.#slots.length - 1);
  }

  /** In the order of their indexes. */
  *all(): Generator<T> {
    for (const object of this.#slots) if (object) yield object;
  }

  /** The object that `id` names, or EINVAL. */
  get(id: number): T | Errno {
    const object = this.at(id);
    return failed(object) || object.id !== id ? EINVAL : object;
  }

  /** As the *_STAT commands find it: by the index alone. */
  at(id: number): T | Errno {
    return id < 0 ? EINVAL : (this.#slots[id % IPCMNI] ?? EINVAL);
  }

  /**
   * shmget(2) and kin: the object of `key`, which `mayUse` has no objection to, or a new one by `make`.
   * ENOENT, EEXIST, EACCES, and what those two answer.
   */
  open(
    key: number,
    flags: number,
    cred: Cred,
    mayUse: (object: T) => number,
    make: () => T | Errno,
  ): number {
    const found = key === IPC_PRIVATE ? undefined : this.#byKey.get(key);
    if (found) {
      if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) return EEXIST;
      const refused = mayUse(found);
      if (failed(refused)) return refused;
      return found.permits(cred, flags) ? found.id : EACCES;
    }
    if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return ENOENT;
    const fresh = make();
    if (failed(fresh)) return fresh;
    this.#add(fresh);
    return fresh.id;
  }

  /** ENOSPC if there can be no more: to be asked before one is made. */
  mayAdd(): number {
    return this.#count >= Math.min(this.limit, IPCMNI) ? ENOSPC : 0;
  }

  /** Its key names it no more. */
  dropKey(object: T): void {
    if (this.#byKey.get(object.key) === object) this.#byKey.delete(object.key);
    object.key = IPC_PRIVATE;
  }

  remove(object: T): void {
    if (object.isRemoved) return;
    if (this.#byKey.get(object.key) === object) this.#byKey.delete(object.key);
    object.isRemoved = true;
    this.#slots[object.id % IPCMNI] = undefined;
    this.#count--;
    while (this.#slots.length > 0 && this.#slots.at(-1) === undefined) this.#slots.pop();
  }

  #add(object: T): void {
    const index = this.#freeIndex();
    if (index <= this.#lastIndex) this.#seq = this.#seq + 1 >= SEQ_MAX ? 0 : this.#seq + 1;
    this.#lastIndex = index;
    this.#next = index + 1;
    object.seq = this.#seq;
    object.id = this.#seq * IPCMNI + index;
    while (this.#slots.length < index) this.#slots.push(undefined);
    this.#slots[index] = object;
    this.#count++;
    if (!object.isPrivate) this.#byKey.set(object.key, object);
  }

  /** There is one: fewer are in use than the cycle is long. */
  #freeIndex(): number {
    const cycle = Math.max(Math.floor((this.#count * 3) / 2), MIN_CYCLE);
    const end = Math.min(cycle, Math.max(this.limit, this.#count + 1), IPCMNI);
    for (let i = this.#next; i < end; i++) if (!this.#slots[i]) return i;
    let i = 0;
    while (this.#slots[i]) i++;
    return i;
  }
}
