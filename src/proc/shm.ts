/**
 * System V shared memory segments: files in memory that keys and numbers name, not paths. See shmget(2), sysvipc(7).
 *
 * A segment holds its file once; every map of it (attachment) holds it again, so a segment marked for destruction goes
 * with its last map, however that ends. An identifier is sequence × 32768 + index, so a number that was used comes back late.
 */
import { EINVAL, type Errno } from "../abi/errno.ts";
import { O_RDWR } from "../abi/fcntl.ts";
import { SHM_DEST } from "../abi/ipc.ts";
import type { Cpu } from "../kern/cpu.ts";
import { CAP_IPC_OWNER, type Cred } from "../kern/cred.ts";
import type { Path } from "../vfs/path.ts";
import type { Vnode } from "../vfs/vnode.ts";
import { VnodeFile } from "../vfs/vnodefile.ts";
import type { MappedFile } from "../vm/mapentry.ts";
import type { VmObject } from "../vm/object.ts";
import type { Lwp } from "./lwp.ts";

/** Most segments, in the machine (kernel.shmmni). */
export const SHMMNI = 4096;
const INDEX_SPAN = 32768;
/** Indices go around in at least so many before one comes again. */
const MIN_CYCLE = 64;
const MAX_SEQUENCE = 0xffff;

export class ShmSegment {
  readonly id: number;
  key: number;
  readonly sizeBytes: number;
  /** Permissions, SHM_DEST, SHM_LOCKED. */
  mode: number;
  uid: number;
  gid: number;
  readonly cuid: number;
  readonly cgid: number;
  readonly cpid: number;
  lpid = 0;
  /** Seconds since 1970. */
  atimeSec = 0;
  dtimeSec = 0;
  ctimeSec: number;
  readonly file: ShmFile;
  readonly object: VmObject;

  constructor(table: ShmTable, id: number, from: ShmRequest) {
    this.id = id;
    this.key = from.key;
    this.sizeBytes = from.sizeBytes;
    this.mode = from.mode & 0o777;
    this.uid = this.cuid = from.cred.euid;
    this.gid = this.cgid = from.cred.egid;
    this.cpid = table.currentPid;
    this.ctimeSec = table.nowSec;
    this.object = from.object;
    this.file = new ShmFile(from.vnode, from.path, table, this);
  }

  get index(): number {
    return this.id % INDEX_SPAN;
  }

  get sequence(): number {
    return Math.floor(this.id / INDEX_SPAN);
  }

  get attachments(): number {
    return this.object.mappings.size;
  }

  get isDoomed(): boolean {
    return (this.mode & SHM_DEST) !== 0;
  }

  /** What `wanted` (permission bits, of any class) asks for is granted to `cred`. */
  permits(cred: Cred, wanted: number): boolean {
    const asked = ((wanted >> 6) | (wanted >> 3) | wanted) & 7;
    let granted = this.mode;
    if (this.isOwner(cred)) granted >>= 6;
    else if (cred.isMember(this.gid) || cred.isMember(this.cgid)) granted >>= 3;
    return (asked & ~granted) === 0 || cred.hasCap(CAP_IPC_OWNER);
  }

  isOwner(cred: Cred): boolean {
    return cred.euid === this.uid || cred.euid === this.cuid;
  }
}

/** What a new segment is made of; `object` is the vnode's. */
export interface ShmRequest {
  readonly key: number;
  readonly sizeBytes: number;
  readonly mode: number;
  readonly cred: Cred;
  readonly vnode: Vnode;
  readonly path: Path;
  readonly object: VmObject;
}

/** The file of a segment: whoever maps it holds it, and that is how attaching and detaching are noticed. */
class ShmFile extends VnodeFile {
  readonly #table: ShmTable;
  readonly segment: ShmSegment;

  constructor(vnode: Vnode, path: Path, table: ShmTable, segment: ShmSegment) {
    super(vnode, O_RDWR, path);
    this.#table = table;
    this.segment = segment;
  }

  override hold(): this {
    this.segment.atimeSec = this.#table.nowSec;
    this.segment.lpid = this.#table.currentPid;
    return super.hold();
  }

  override release(): void {
    const isDetached = this.refs > 1;
    super.release();
    if (isDetached) this.#table.detached(this.segment);
  }
}

export class ShmTable {
  readonly #cpu: Cpu;
  readonly #byIndex = new Map<number, ShmSegment>();
  readonly #byKey = new Map<number, ShmSegment>();
  #lastIndex = -1;
  #sequence = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  get size(): number {
    return this.#byIndex.size;
  }

  /** Ascending by index. */
  get all(): ShmSegment[] {
    return [...this.#byIndex.values()].sort((a, b) => a.index - b.index);
  }

  get currentPid(): number {
    return (this.#cpu.current as Lwp | null)?.proc.pid ?? 0;
  }

  get nowSec(): number {
    return this.#cpu.clock.realtime().sec;
  }

  /** The segment of an identifier; EINVAL if there is none (any more). */
  byId(id: number): ShmSegment | Errno {
    const s = id < 0 ? undefined : this.#byIndex.get(id % INDEX_SPAN);
    return s?.id === id ? s : EINVAL;
  }

  byIndex(index: number): ShmSegment | Errno {
    return this.#byIndex.get(index) ?? EINVAL;
  }

  byKey(key: number): ShmSegment | null {
    return this.#byKey.get(key) ?? null;
  }

  /** The segment that a map of `file` is an attachment of; null if it is of something else. */
  ofFile(file: MappedFile | null): ShmSegment | null {
    return file instanceof ShmFile ? file.segment : null;
  }

  /** Makes a segment; there must be room (SHMMNI), and nothing by that key. */
  create(request: ShmRequest): ShmSegment {
    const index = this.#freeIndex();
    if (index <= this.#lastIndex) this.#sequence = (this.#sequence + 1) % MAX_SEQUENCE;
    this.#lastIndex = index;
    const s = new ShmSegment(this, this.#sequence * INDEX_SPAN + index, request);
    this.#byIndex.set(index, s);
    if (s.key !== 0) this.#byKey.set(s.key, s);
    return s;
  }

  /** IPC_RMID: nobody finds it by its key any more, and it goes when nobody has it. */
  remove(s: ShmSegment): void {
    if (s.key !== 0) this.#byKey.delete(s.key);
    s.key = 0;
    s.mode |= SHM_DEST;
    if (s.attachments === 0) this.#destroy(s);
  }

  detached(s: ShmSegment): void {
    s.dtimeSec = this.nowSec;
    s.lpid = this.currentPid;
    if (s.isDoomed && s.attachments === 0) this.#destroy(s);
  }

  #destroy(s: ShmSegment): void {
    if (this.#byIndex.get(s.index) !== s) return;
    this.#byIndex.delete(s.index);
    s.file.release();
  }

  #freeIndex(): number {
    const cycle = Math.min(Math.max(Math.ceil(this.size * 1.5), MIN_CYCLE), INDEX_SPAN);
    let index = (this.#lastIndex + 1) % cycle;
    while (this.#byIndex.has(index)) index = (index + 1) % cycle;
    return index;
  }
}
