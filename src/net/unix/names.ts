/**
 * Who is bound where: sockets by the vnode of their path, and by abstract name.
 *
 * A socket is here from bind(2) to close(2). Abstract names are apart for each
 * network name space and each type of socket, as in Linux.
 */
import { EADDRINUSE, EEXIST, ENOSPC, type Errno, failed } from "../../abi/errno.ts";
import { AF_UNIX } from "../../abi/socket.ts";
import { S_IFSOCK } from "../../abi/stat.ts";
import { byteString } from "../../lib/bytes.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { mknod } from "../../vfs/create.ts";
import { namei } from "../../vfs/namei.ts";
import { holdPath, type Path } from "../../vfs/path.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { PATH_OFFSET } from "./address.ts";
import type { UnixSocket } from "./unixsocket.ts";

/** Names that autobind can give: five hexadecimal digits. */
const AUTO_NAMES = 0x100000;

export class UnixNames {
  readonly #byVnode = new Map<Vnode, UnixSocket>();
  readonly #byName = new Map<string, UnixSocket>();
  #lastAuto = 0;

  /** Makes the file at `path` and binds `s` to it: the place comes back held. EADDRINUSE. */
  bindPath(td: Lwp, s: UnixSocket, path: string): Path | Errno {
    const mode = s.file?.stat().mode ?? S_IFSOCK | 0o777;
    const made = mknod(td, td.fs, path, mode, 0, null);
    if (failed(made)) return made === EEXIST ? EADDRINUSE : made;
    const at = namei(td.fs, td, path, 0);
    if (failed(at)) return at;
    this.#byVnode.set(at.entry.vnode!, s);
    return holdPath(at);
  }

  bindAbstract(s: UnixSocket, address: Uint8Array): number {
    const key = keyOf(s, address);
    if (this.#byName.has(key)) return EADDRINUSE;
    this.#byName.set(key, s);
    return 0;
  }

  /** Gives `s` a name that nobody has. ENOSPC. */
  autobind(s: UnixSocket): Uint8Array | Errno {
    for (let tries = 0; tries < AUTO_NAMES; tries++) {
      this.#lastAuto = (this.#lastAuto + 1) % AUTO_NAMES;
      const digits = this.#lastAuto.toString(16).padStart(5, "0");
      const address = new Uint8Array(PATH_OFFSET + 6);
      address[0] = AF_UNIX;
      for (let i = 0; i < 5; i++) address[PATH_OFFSET + 1 + i] = digits.charCodeAt(i);
      if (this.bindAbstract(s, address) === 0) return address;
    }
    return ENOSPC;
  }

  at(vp: Vnode): UnixSocket | null {
    return this.#byVnode.get(vp) ?? null;
  }

  /** Who has that abstract name in the network of `s`, and is of its type. */
  named(s: UnixSocket, address: Uint8Array): UnixSocket | null {
    return this.#byName.get(keyOf(s, address)) ?? null;
  }

  unbindPath(at: Path): void {
    this.#byVnode.delete(at.entry.vnode!);
  }

  unbindAbstract(s: UnixSocket, address: Uint8Array): void {
    this.#byName.delete(keyOf(s, address));
  }
}

function keyOf(s: UnixSocket, address: Uint8Array): string {
  return `${s.net.ino} ${s.type}${byteString(address, PATH_OFFSET)}`;
}
