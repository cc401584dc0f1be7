/** Mounting an overlay: finds the layers, and refuses what cannot work. */
import { EINVAL, ELOOP, EROFS, type Errno, failed } from "../../abi/errno.ts";
import { type KernelLog, LOG_ERR, LOG_WARNING } from "../../kern/log.ts";
import type { FileSystem, FileSystemType, MountRequest } from "../../vfs/filesystem.ts";
import type { NameEntry } from "../../vfs/namecache.ts";
import { isWithin } from "../../vfs/namei.ts";
import type { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { Vnode } from "../../vfs/vnode.ts";
import { type OverlayOptions, parseOverlayOptions } from "./options.ts";
import { MounterThread, OverlayFs } from "./overlayfs.ts";
import { WorkDir } from "./workdir.ts";

/** Overlays on overlays, as deep as Linux lets them be. */
const MAX_STACK_DEPTH = 2;

/** Their files are not data that could be copied. */
const NO_LAYERS = new Set(["proc", "sysfs", "devpts", "nsfs"]);

export class OverlayType implements FileSystemType {
  readonly typeName = "overlay";
  readonly needsDevice = false;
  readonly isForUsers = true;
  readonly #log: KernelLog;

  constructor(log: KernelLog) {
    this.#log = log;
  }

  /** EINVAL for options or layers that do not fit, ELOOP for layers within each other. */
  mount(request: MountRequest): FileSystem | Errno {
    const { td, vfs, lookup } = request;
    const options = parseOverlayOptions(request.data);
    if (failed(options)) return this.#refuse(options, `bad mount options: ${request.data}`);
    if (!td || !vfs || !lookup) return EINVAL;
    const layers = new LayerFinder(vfs, lookup);
    const thread = new MounterThread(0, td.cpu, request.cred);
    const made = this.#make(layers, thread, options, request.isReadOnly);
    layers.release();
    return made;
  }

  #make(
    layers: LayerFinder,
    thread: MounterThread,
    options: OverlayOptions,
    isReadOnly: boolean,
  ): FileSystem | Errno {
    const { vfs } = layers;
    const upper = options.upper === "" ? null : layers.find(options.upper);
    if (upper !== null && failed(upper)) return this.#refuse(upper, `no upperdir ${options.upper}`);
    const work = upper === null ? null : layers.find(options.work);
    if (work !== null && failed(work)) return this.#refuse(work, `no workdir ${options.work}`);
    if (upper && work) {
      const r = checkWork(upper, work);
      if (r < 0) return this.#refuse(r, "workdir and upperdir must be apart, on one mount");
      if (upper.mount.isReadOnly) return this.#refuse(EINVAL, "upperdir is read-only");
    }
    const lower: Path[] = [];
    for (const path of options.lower) {
      const at = layers.find(path);
      if (failed(at)) return this.#refuse(at, `no lowerdir ${path}`);
      lower.push(at);
    }
    const tops = [...(upper && work ? [upper, work] : []), ...lower];
    if (areOverlapping(tops)) return this.#refuse(ELOOP, "layers overlap");
    const odd = tops.find((t) => NO_LAYERS.has(t.mount.fs.typeName));
    if (odd) return this.#refuse(EINVAL, `${odd.mount.fs.typeName} cannot be a layer`);
    if (tops.some((t) => (t.mount.fs.stackDepth ?? 0) >= MAX_STACK_DEPTH)) {
      return this.#refuse(EINVAL, "too many file systems on top of each other");
    }
    let workDir: WorkDir | Errno | null = null;
    if (work && !isReadOnly) {
      workDir = WorkDir.open(vfs, thread.cred, work.entry, options.isVolatile);
      if (failed(workDir)) return this.#refuse(workDir, "workdir cannot be used");
    }
    const own = layers.clones(upper && workDir ? [upper, ...lower] : lower);
    if (failed(own)) {
      workDir?.close();
      return own;
    }
    const ownUpper = upper && workDir ? own.shift()! : null;
    if (upper && !ownUpper) this.#log.log(LOG_WARNING, "overlayfs: mounted read-only");
    return new OverlayFs(
      vfs,
      thread,
      { upper: ownUpper, work: workDir, lower: own },
      options,
      isReadOnly,
    );
  }

  #refuse(why: number, text: string): Errno {
    this.#log.log(LOG_ERR, `overlayfs: ${text}`);
    return (why === EROFS ? EINVAL : why) as Errno;
  }
}

/** Looks layers up and keeps them meanwhile. */
class LayerFinder {
  readonly vfs: Vfs;
  readonly #lookup: (path: string) => Path | Errno;
  readonly #held: Path[] = [];

  constructor(vfs: Vfs, lookup: (path: string) => Path | Errno) {
    this.vfs = vfs;
    this.#lookup = lookup;
  }

  find(path: string): Path | Errno {
    const at = this.#lookup(path);
    if (failed(at)) return at;
    if (!at.entry.vnode!.isDir) return EINVAL;
    this.#held.push(this.vfs.hold(at));
    return at;
  }

  /** Mounts of their own for the overlay to keep; all or none. */
  clones(paths: readonly Path[]): Path[] | Errno {
    const made: Path[] = [];
    for (const at of paths) {
      const mount = this.vfs.mounts.clonePrivate(at);
      if (failed(mount)) {
        for (const m of made) this.vfs.mounts.releaseMount(m.mount);
        return mount;
      }
      made.push({ mount, entry: at.entry });
    }
    return made;
  }

  release(): void {
    for (const at of this.#held) this.vfs.release(at);
  }
}

function checkWork(upper: Path, work: Path): number {
  if (upper.mount !== work.mount) return EINVAL;
  return isWithin(upper.entry, work.entry) || isWithin(work.entry, upper.entry) ? EINVAL : 0;
}

/** True if a layer is another, or inside of one. */
function areOverlapping(tops: readonly Path[]): boolean {
  const roots = new Set<Vnode>();
  for (const { entry } of tops) {
    if (roots.has(entry.vnode!)) return true;
    roots.add(entry.vnode!);
  }
  for (const { entry } of tops) {
    for (let at: NameEntry | null = entry.parent; at; at = at.parent) {
      if (at.vnode && roots.has(at.vnode)) return true;
    }
  }
  return false;
}
