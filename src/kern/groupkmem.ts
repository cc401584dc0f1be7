/**
 * Kernel memory that is charged to a control group: in bytes to the machine, in whole pages to the
 * group and all above it, where it counts for memory.max as guest memory does.
 *
 * An object asks for the purse of who makes it (`KernelMemory.ofCurrent`), keeps that, and gives back to
 * it, whoever lets the object go. When the group goes, what is left is its parent's. Where the limit
 * leaves no room the object is refused; nobody is killed for it.
 */
import type { MemoryGroup } from "./cgroup/memorygroup.ts";
import { KernelMemory } from "./kmem.ts";

const PAGE_BYTES = 4096;

/** Makes room for pages that a group is to hold besides; false if it cannot. */
export interface RoomMaker {
  mayHold(group: MemoryGroup, pages: number): boolean;
}

export class GroupKernelMemory extends KernelMemory {
  readonly #machine: KernelMemory;
  readonly #room: RoomMaker;
  #group: MemoryGroup | null;

  constructor(machine: KernelMemory, group: MemoryGroup, room: RoomMaker) {
    super(machine.limitBytes);
    this.#machine = machine;
    this.#group = group;
    this.#room = room;
  }

  override take(bytes: number): boolean {
    return this.#machine.take(bytes) && this.#chargeOrGive(bytes);
  }

  override takeSpare(bytes: number): boolean {
    return this.#machine.takeSpare(bytes) && this.#chargeOrGive(bytes);
  }

  override owe(bytes: number): void {
    this.#machine.owe(bytes);
    this.hold(bytes);
  }

  override give(bytes: number): void {
    this.#machine.give(bytes);
    this.drop(bytes);
  }

  override hasRoom(bytes: number): boolean {
    return this.#machine.hasRoom(bytes);
  }

  /** Charges the group alone, whatever its limit, for what the machine was charged for otherwise. */
  override hold(bytes: number): void {
    const group = this.#living();
    if (group) changeKernelBytes(group, bytes);
  }

  override drop(bytes: number): void {
    this.hold(-bytes);
  }

  override fileOpened(): void {
    this.#machine.fileOpened();
  }

  override fileClosed(): void {
    this.#machine.fileClosed();
  }

  override mayOpenFile(): boolean {
    return this.#machine.mayOpenFile();
  }

  override get isAdmin(): boolean {
    return this.#machine.isAdmin;
  }

  override get ofCurrent(): KernelMemory {
    return this.#machine.ofCurrent;
  }

  #chargeOrGive(bytes: number): boolean {
    const group = this.#living();
    if (!group) return true;
    const more = pagesOf(group.kernelBytes + bytes) - group.kernelPages;
    if (more > 0 && !this.#room.mayHold(group, more)) {
      this.#machine.give(bytes);
      return false;
    }
    changeKernelBytes(group, bytes);
    return true;
  }

  /** The group, or what has taken over from it; null: nobody counts any more. */
  #living(): MemoryGroup | null {
    while (this.#group?.hasEnded) this.#group = this.#group.parent;
    return this.#group;
  }
}

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

function changeKernelBytes(group: MemoryGroup, bytes: number): void {
  group.kernelBytes += bytes;
  const more = pagesOf(group.kernelBytes) - group.kernelPages;
  if (more === 0) return;
  group.kernelPages += more;
  group.changePages(more);
}

/** `group` ends: its parent has what it has left, and those above one page less if that makes one less. */
export function inheritKernelBytes(group: MemoryGroup): void {
  const { parent, kernelBytes, kernelPages } = group;
  group.kernelBytes = group.kernelPages = 0;
  group.hasEnded = true;
  if (!parent) return;
  parent.kernelPages += kernelPages;
  changeKernelBytes(parent, kernelBytes);
}
