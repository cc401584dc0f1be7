/**
 * /proc/PID/pagemap: eight bytes for each page of the address space, at the
 * page's number times eight. Frame numbers are for the privileged alone.
 * Source: Linux Documentation/admin-guide/mm/pagemap.rst.
 */
import { EFAULT, EINVAL, failed } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../kern/cred.ts";
import type { Thread } from "../../kern/thread.ts";
import { PTE_FLAGS } from "../../machine/mmu/pagetable.ts";
import type { Paddr } from "../../machine/physmem.ts";
import { File } from "../../vfs/file.ts";
import { seekWithoutEnd } from "../../vfs/seek.ts";
import { PAGE_SIZE, USER_END } from "../../vm/param.ts";
import { PTE_ANON } from "../../vm/pte.ts";
import type { Uio } from "../../vm/uio.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import { InspectNode } from "./inspectnode.ts";
import type { ProcFs } from "./procfs.ts";
import type { Task, TaskRef } from "./task.ts";
import { vmspaceOf } from "./taskstat.ts";

const ENTRY_BYTES = 8;
const CHUNK_ENTRIES = 512;
/** Bits of an entry's upper word: mapped by one alone, of a file or shared, present. */
const EXCLUSIVE = 1 << 24;
const OF_FILE = 1 << 29;
const PRESENT = 0x80000000;

export class PagemapNode extends InspectNode {
  constructor(fs: ProcFs, key: string, ref: TaskRef) {
    super(fs, key, ref, 0o400);
  }

  protected fileFor(td: Thread, _task: Task, flags: number): File {
    return new PagemapFile(this.ref, td.cred.hasCap(CAP_SYS_ADMIN), flags);
  }
}

class PagemapFile extends File {
  readonly #ref: TaskRef;
  readonly #showsFrames: boolean;
  #offset = 0;

  constructor(ref: TaskRef, showsFrames: boolean, flags: number) {
    super(flags);
    this.#ref = ref;
    this.#showsFrames = showsFrames;
  }

  describe(): string {
    return "pagemap";
  }

  override read(td: Thread, uio: Uio): number {
    const n = this.pread(td, uio, this.#offset);
    if (n > 0) this.#offset += n;
    return n;
  }

  override pread(_td: Thread, uio: Uio, offset: number): number {
    if (offset < 0 || offset % ENTRY_BYTES !== 0 || uio.resid % ENTRY_BYTES !== 0) return EINVAL;
    const task = this.#ref.get();
    const vs = task ? vmspaceOf(task.proc) : null;
    if (!vs) return 0;
    const end = USER_END / PAGE_SIZE;
    let done = 0;
    for (let page = offset / ENTRY_BYTES; page < end && uio.resid > 0; ) {
      const count = Math.min(CHUNK_ENTRIES, uio.resid / ENTRY_BYTES, end - page);
      const n = uio.copyout(this.#entries(vs, page, count));
      if (failed(n)) return done > 0 ? done : EFAULT;
      done += n;
      page += count;
    }
    return done;
  }

  #entries(vs: Vmspace, first: number, count: number): Uint8Array {
    const words = new Uint32Array(2 * count);
    const pt = vs.pageTable;
    const from = first * PAGE_SIZE;
    const end = from + count * PAGE_SIZE;
    for (let va = pt.nextPresent(from, end); va >= 0; ) {
      const i = 2 * (va / PAGE_SIZE - first);
      const pte = pt.get(va);
      const pa = ((pte & ~PTE_FLAGS) >>> 0) as Paddr;
      const isAnon = (pte & PTE_ANON) !== 0;
      const users = vs.frames.refs(pa) - (isAnon ? 0 : 1);
      words[i] = this.#showsFrames ? pa / PAGE_SIZE : 0;
      words[i + 1] = PRESENT + (isAnon ? 0 : OF_FILE) + (users <= 1 ? EXCLUSIVE : 0);
      va = va + PAGE_SIZE < end ? pt.nextPresent(va + PAGE_SIZE, end) : -1;
    }
    return new Uint8Array(words.buffer);
  }

  override seek(offset: number, whence: number): number {
    const to = seekWithoutEnd(this.#offset, offset, whence);
    if (!failed(to)) this.#offset = to;
    return to;
  }
}
