/**
 * The extended attributes in which an overlay keeps notes on the files of its
 * layers: trusted.overlay.* (or user.overlay.*). They are not shown through the
 * overlay; an overlay on top of it that keeps notes has its own escaped as
 * trusted.overlay.overlay.*.
 */
import { EOPNOTSUPP, EPERM, failed } from "../../abi/errno.ts";
import type { Vnode } from "../../vfs/vnode.ts";

const SPACE = "overlay.";

export class AttrNames {
  readonly #prefix: string;

  constructor(isUserxattr: boolean) {
    this.#prefix = `${isUserxattr ? "user" : "trusted"}.${SPACE}`;
  }

  /** The overlay's own note `name` on `vp`: "opaque", "redirect", "origin", "impure". */
  note(vp: Vnode, name: string): Uint8Array | null {
    const value = vp.getxattr(this.#prefix + name);
    return failed(value) ? null : value;
  }

  setNote(vp: Vnode, name: string, value: Uint8Array): number {
    return vp.setxattr(this.#prefix + name, value, 0);
  }

  /** As `setNote`, for notes that one can do without where the file takes none. */
  tryNote(vp: Vnode, name: string, value: Uint8Array): number {
    const r = this.setNote(vp, name, value);
    return r === EOPNOTSUPP || r === EPERM ? 0 : r;
  }

  hasYes(vp: Vnode, name: string): boolean {
    const value = this.note(vp, name);
    return value !== null && value.length === 1 && value[0] === YES[0];
  }

  /** True for the overlay's own notes, which are neither shown nor copied. */
  isPrivate(realName: string): boolean {
    return realName.startsWith(this.#prefix) && !realName.startsWith(this.#prefix + SPACE);
  }

  /** What `name`, as seen through the overlay, is called on the layer. */
  toReal(name: string): string {
    if (!name.startsWith(this.#prefix)) return name;
    return this.#prefix + SPACE + name.slice(this.#prefix.length);
  }

  fromReal(realName: string): string {
    if (!realName.startsWith(this.#prefix + SPACE)) return realName;
    return this.#prefix + realName.slice(this.#prefix.length + SPACE.length);
  }
}

export const YES = Uint8Array.of(0x79);
