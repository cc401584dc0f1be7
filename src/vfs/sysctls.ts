/** fs.*: what of files an administrator sees and sets. See proc_sys_fs(5). */
import { EINVAL } from "../abi/errno.ts";
import {
  INT_MAX,
  type SysctlDir,
  SysctlField,
  SysctlFixed,
  SysctlInt,
  SysctlLeaf,
  SysctlLong,
  shownLong,
} from "../kern/sysctl.ts";
import { NR_OPEN_MAX } from "./fssettings.ts";
import { MAX_MOUNTS } from "./mountedfs.ts";
import type { Vfs } from "./vfs.ts";

const PAGE_SIZE = 4096;
/** BITS_PER_LONG: Linux's least number of descriptors. */
const NR_OPEN_MIN = 64;
const OVERFLOW_ID = 65534;
const MAX_PIPE_BYTES = 2 ** 31;
/** Age at which an unused name could go, in Linux's words; here what is unused longest goes first. */
const AGE_LIMIT_SEC = 45;

export function addFsSysctls(tree: SysctlDir, vfs: Vfs): void {
  const { settings, kmem, inotify, fanotify, leases } = vfs;
  tree.add("fs.file-max", new SysctlLong(kmem, "maxFiles"));
  tree.add("fs.file-nr", new FileNr(vfs));
  tree.add("fs.nr_open", new SysctlField(settings, "nrOpen", NR_OPEN_MIN, NR_OPEN_MAX));
  tree.add("fs.dentry-state", new DentryState(vfs));
  tree.add("fs.inode-nr", new InodeState(vfs, false));
  tree.add("fs.inode-state", new InodeState(vfs, true));
  tree.add("fs.mount-max", new SysctlField(vfs.mounts, "mountMax", 1, MAX_MOUNTS));
  // Ids of 16 bits are in no file system here.
  tree.add("fs.overflowuid", new SysctlFixed(OVERFLOW_ID));
  tree.add("fs.overflowgid", new SysctlFixed(OVERFLOW_ID));
  tree.add("fs.pipe-max-size", new PipeMaxSize(vfs));
  tree.add("fs.pipe-user-pages-hard", new SysctlField(settings, "pipePagesHard"));
  tree.add("fs.pipe-user-pages-soft", new SysctlField(settings, "pipePagesSoft"));
  tree.add("fs.protected_fifos", new SysctlField(settings, "protectedFifos", 0, 2));
  tree.add("fs.protected_hardlinks", new SysctlField(settings, "protectedHardlinks", 0, 1));
  tree.add("fs.protected_regular", new SysctlField(settings, "protectedRegular", 0, 2));
  tree.add("fs.protected_symlinks", new SysctlField(settings, "protectedSymlinks", 0, 1));
  tree.add("fs.epoll.max_user_watches", new SysctlField(settings, "epollMaxWatches"));
  tree.add("fs.inotify.max_queued_events", inotify.maxQueuedEvents);
  tree.add("fs.inotify.max_user_instances", inotify.maxUserInstances);
  tree.add("fs.inotify.max_user_watches", inotify.maxUserWatches);
  tree.add("fs.fanotify.max_queued_events", fanotify.maxQueuedEvents);
  tree.add("fs.fanotify.max_user_groups", fanotify.maxUserInstances);
  tree.add("fs.fanotify.max_user_marks", fanotify.maxUserWatches);
  tree.add("fs.aio-nr", vfs.aio.nr);
  tree.add("fs.aio-max-nr", vfs.aio.maxNr);
  tree.add("fs.leases-enable", leases.enable);
  tree.add("fs.lease-break-time", leases.breakTimeSec);
  tree.add("fs.dir-notify-enable", new SysctlField(vfs, "isDirNotifyEnabled", 0, 1));
}

abstract class VfsNumbers extends SysctlLeaf {
  protected readonly vfs: Vfs;

  constructor(vfs: Vfs) {
    super(0o444);
    this.vfs = vfs;
  }

  override get isText(): boolean {
    return false;
  }
}

/** Open files, free structures (there are none), and the most there may be. */
class FileNr extends VfsNumbers {
  read(): string {
    const { openFiles, maxFiles } = this.vfs.kmem;
    return [openFiles, 0, shownLong(maxFiles)].join("\t");
  }
}

/** Names in the cache, those in no use, age limit, 0, those of nothing, 0. */
class DentryState extends VfsNumbers {
  read(): string {
    const { count, unused, negative } = this.vfs.names;
    return [count, unused, AGE_LIMIT_SEC, 0, negative, 0].join("\t");
  }
}

/** Files that have a name in the cache; none is kept beyond that. */
class InodeState extends VfsNumbers {
  readonly #isLong: boolean;

  constructor(vfs: Vfs, isLong: boolean) {
    super(vfs);
    this.#isLong = isLong;
  }

  read(): string {
    const { count, negative } = this.vfs.names;
    return [count - negative, 0, ...(this.#isLong ? [0, 0, 0, 0, 0] : [])].join("\t");
  }
}

/** Rounded up to a power of two, as pipes are. */
class PipeMaxSize extends SysctlInt {
  readonly #vfs: Vfs;

  constructor(vfs: Vfs) {
    super(0, INT_MAX);
    this.#vfs = vfs;
  }

  get(): number {
    return this.#vfs.pipeMaxSize;
  }

  set(value: number): number {
    const size = 2 ** Math.ceil(Math.log2(Math.max(value, PAGE_SIZE)));
    if (size > MAX_PIPE_BYTES) return EINVAL;
    this.#vfs.pipeMaxSize = size;
    return 0;
  }
}
