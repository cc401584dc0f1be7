/** vm.*: the page cache and its syncer. See proc_sys_vm(5). */
import { EINVAL, EPERM } from "../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { INT_MAX, type SysctlDir, SysctlField, SysctlFixed, SysctlInt } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { Syncer } from "../vfs/syncer.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { OVERCOMMIT_NEVER, type Overcommit } from "../vm/overcommit.ts";
import { MMAP_MIN_ADDR, PAGE_SIZE } from "../vm/param.ts";
import type { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";

const NS_PER_CENTISEC = 1e7;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const SWAPPINESS_MAX = 200;

export function addVmSysctls(tree: SysctlDir, table: ProcTable): void {
  const { pages, settings } = table;
  const { overcommit } = pages;
  tree.add("vm.overcommit_memory", new SysctlField(overcommit, "mode", 0, OVERCOMMIT_NEVER));
  tree.add("vm.overcommit_ratio", new OvercommitShare(overcommit, "ratio", "kbytes"));
  tree.add("vm.overcommit_kbytes", new OvercommitShare(overcommit, "kbytes", "ratio"));
  tree.add("vm.admin_reserve_kbytes", new SysctlField(overcommit, "adminReserveKib", 0, LONG_MAX));
  tree.add("vm.user_reserve_kbytes", new SysctlField(overcommit, "userReserveKib", 0, LONG_MAX));
  tree.add("vm.max_map_count", new SysctlField(pages, "maxMapCount"));
  tree.add("vm.memfd_noexec", new MemfdNoexec());
  tree.add("vm.mmap_min_addr", new SysctlFixed(MMAP_MIN_ADDR));
  tree.add("vm.panic_on_oom", new SysctlField(settings, "panicOnOom", 0, 2));
  tree.add("vm.oom_dump_tasks", new SysctlField(settings, "oomDumpTasks"));
  tree.add("vm.oom_kill_allocating_task", new SysctlField(settings, "oomKillAllocatingTask"));
  tree.add("vm.swappiness", new SysctlField(settings, "swappiness", 0, SWAPPINESS_MAX));
  tree.add("vm.drop_caches", new DropCaches(table));
  tree.add("vm.vfs_cache_pressure", new CachePressure(table.vfs));
  const { syncer } = table;
  tree.add("vm.dirty_ratio", new DirtyRatio(syncer, "ratio", "bytes"));
  tree.add("vm.dirty_bytes", new DirtyBytes(syncer, "bytes", "ratio"));
  tree.add(
    "vm.dirty_background_ratio",
    new DirtyRatio(syncer, "backgroundRatio", "backgroundBytes"),
  );
  tree.add(
    "vm.dirty_background_bytes",
    new DirtyBytes(syncer, "backgroundBytes", "backgroundRatio"),
  );
  tree.add("vm.dirty_expire_centisecs", new Centisecs(syncer, "expireNs"));
  tree.add("vm.dirty_writeback_centisecs", new Centisecs(syncer, "writebackNs"));
}

/** Of the pid name space of who asks. */
class MemfdNoexec extends SysctlInt {
  constructor() {
    super(0, 2);
  }

  override userns(td: Thread): UserNamespace {
    return (td as Lwp).pidns.owner;
  }

  get(td: Thread): number {
    return (td as Lwp).pidns.memfdNoexec;
  }

  set(value: number, td: Thread): number {
    const { pidns, cred } = td as Lwp;
    if (!cred.hasCapIn(pidns.owner, CAP_SYS_ADMIN)) return EPERM;
    if (value < (pidns.parent?.memfdNoexec ?? 0)) return EINVAL;
    pidns.memfdNoexec = value;
    return 0;
  }
}

/** Of ratio and kbytes the one that was set last counts: the other becomes 0. */
class OvercommitShare extends SysctlField<"ratio" | "kbytes"> {
  readonly #overcommit: Overcommit;
  readonly #other: "ratio" | "kbytes";

  constructor(overcommit: Overcommit, name: "ratio" | "kbytes", other: "ratio" | "kbytes") {
    super(overcommit, name, 0, LONG_MAX);
    this.#overcommit = overcommit;
    this.#other = other;
  }

  override set(value: number): number {
    this.#overcommit[this.#other] = 0;
    return super.set(value);
  }
}

type RatioName = "ratio" | "backgroundRatio";
type BytesName = "bytes" | "backgroundBytes";

/** Setting one of ratio and bytes makes the other 0. */
class DirtyRatio extends SysctlInt {
  readonly #syncer: Syncer;
  readonly #name: RatioName;
  readonly #other: BytesName;

  constructor(syncer: Syncer, name: RatioName, other: BytesName) {
    super(0, 100);
    this.#syncer = syncer;
    this.#name = name;
    this.#other = other;
  }

  get(): number {
    return this.#syncer[this.#name];
  }

  set(value: number): number {
    this.#syncer[this.#name] = value;
    this.#syncer[this.#other] = 0;
    this.#syncer.setLimits();
    return 0;
  }
}

class DirtyBytes extends SysctlInt {
  readonly #syncer: Syncer;
  readonly #name: BytesName;
  readonly #other: RatioName;

  constructor(syncer: Syncer, name: BytesName, other: RatioName) {
    super(0, Number.MAX_SAFE_INTEGER);
    this.#syncer = syncer;
    this.#name = name;
    this.#other = other;
  }

  get(): number {
    return this.#syncer[this.#name];
  }

  /** Linux wants two pages at least. */
  set(value: number): number {
    if (value < 2 * PAGE_SIZE) return EINVAL;
    this.#syncer[this.#name] = value;
    this.#syncer[this.#other] = 0;
    this.#syncer.setLimits();
    return 0;
  }
}

class Centisecs extends SysctlInt {
  readonly #syncer: Syncer;
  readonly #name: "expireNs" | "writebackNs";

  constructor(syncer: Syncer, name: "expireNs" | "writebackNs") {
    super(0, INT_MAX);
    this.#syncer = syncer;
    this.#name = name;
  }

  get(): number {
    return Math.round(this.#syncer[this.#name] / NS_PER_CENTISEC);
  }

  set(value: number): number {
    this.#syncer[this.#name] = value * NS_PER_CENTISEC;
    this.#syncer.retime();
    return 0;
  }
}

class CachePressure extends SysctlInt {
  readonly #vfs: Vfs;

  constructor(vfs: Vfs) {
    super(0, INT_MAX);
    this.#vfs = vfs;
  }

  get(): number {
    return this.#vfs.names.pressure;
  }

  set(value: number): number {
    this.#vfs.names.pressure = value;
    return 0;
  }
}

/** 1: page cache, 2: names, 3: both. */
class DropCaches extends SysctlInt {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(1, 4, 0o200);
    this.#table = table;
  }

  get(): number {
    return 0;
  }

  set(value: number): number {
    const { pages, vfs, syncer } = this.#table;
    if ((value & 2) !== 0) vfs.names.clear();
    if ((value & 1) === 0) return 0;
    pages.queue.dropClean();
    syncer.cacheDrops++;
    return 0;
  }
}
