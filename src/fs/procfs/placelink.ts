/**
 * /proc/PID/cwd, exe and root: links that lead to the very place, whatever its
 * name is by now. See proc(5) on magic links.
 */
import { ENOENT, type Errno, failed } from "../../abi/errno.ts";
import type { Thread } from "../../kern/thread.ts";
import { shownPath } from "../../vfs/namei.ts";
import type { Path } from "../../vfs/path.ts";
import { TaskLink } from "./tasklink.ts";

export const placeNames: readonly string[] = ["cwd", "exe", "root"];

export class PlaceLink extends TaskLink {
  override readlink(): string | Errno {
    const place = this.#place();
    if (failed(place)) return place;
    const root = this.fs.caller?.fs.root ?? place;
    return shownPath(root, place);
  }

  override followLink(_td: Thread | null): Path | Errno {
    return this.#place();
  }

  #place(): Path | Errno {
    const task = this.task();
    if (failed(task)) return task;
    if (!task.td) return ENOENT;
    if (this.name === "exe") return task.proc.exe ?? ENOENT;
    const { cwd, root } = task.td.fs;
    return this.name === "cwd" ? cwd : root;
  }
}
