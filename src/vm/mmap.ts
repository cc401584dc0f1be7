/** mmap(2): new map entries, of files, objects and anonymous memory. */
import { EINVAL, ENOMEM, EOVERFLOW, failed } from "../abi/errno.ts";
import {
  MAP_DROPPABLE,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_SHARED,
  MAP_TYPE,
} from "../abi/mman.ts";
import {
  MapEntry,
  type MappedFile,
  PROT_ALL,
  VM_DONTDUMP,
  VM_DROPPABLE,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
  VM_WIPEONFORK,
} from "./mapentry.ts";
import { AnonObject, type VmObject } from "./object.ts";
import { OVERCOMMIT_NEVER } from "./overcommit.ts";
import { pageCeil, USER_END } from "./param.ts";
import { placeFor } from "./place.ts";
import type { Vmspace } from "./vmspace.ts";

export interface MmapRequest {
  readonly addr: number;
  readonly length: number;
  readonly prot: number;
  /** MAP_*, a valid combination. */
  readonly flags: number;
  /** What is mapped; absent for anonymous memory. The map takes references of its own. */
  readonly object?: VmObject | null;
  readonly offset?: number;
  readonly file?: MappedFile | null;
  /** Most that mprotect may allow; all by default. */
  readonly maxProt?: number;
  readonly name?: string;
}

/** The address, or an error. */
export function mapMemory(vs: Vmspace, request: MmapRequest): number {
  const { flags } = request;
  if (request.length === 0) return EINVAL;
  const length = pageCeil(request.length);
  if (!(length > 0 && length <= USER_END)) return ENOMEM;
  const offset = request.offset ?? 0;
  if (!(offset + length <= Number.MAX_SAFE_INTEGER)) return EOVERFLOW;
  if (!vs.mayAddEntries(1)) return ENOMEM;
  const addr = placeFor(vs.entries, request, length);
  if (failed(addr)) return addr;
  let vmFlags = vs.lockFuture;
  if ((flags & MAP_SHARED) !== 0) vmFlags |= VM_SHARED;
  if ((flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
  const isStrict = vs.frames.overcommit.mode === OVERCOMMIT_NEVER;
  if ((flags & MAP_NORESERVE) !== 0 && !isStrict) vmFlags |= VM_NORESERVE;
  // Nothing takes pages away from a program here, so dropping them is all that is left out.
  if ((flags & MAP_TYPE) === MAP_DROPPABLE) {
    vmFlags |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
  }
  if ((flags & MAP_LOCKED) !== 0) vmFlags |= VM_LOCKED;
  const refused = vs.admit(length, request.prot, vmFlags, addr);
  if (failed(refused)) return refused;
  const isFixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  if (isFixed) {
    const r = vs.unmapRange(addr, addr + length);
    if (failed(r)) return r;
  }
  let object = request.object ?? null;
  const isSharedAnon = object === null && (vmFlags & VM_SHARED) !== 0;
  if (isSharedAnon) object = new AnonObject(vs.frames, length);
  vs.add(
    new MapEntry(
      vs,
      addr,
      addr + length,
      request.prot,
      request.maxProt ?? PROT_ALL,
      vmFlags,
      object,
      isSharedAnon ? 0 : offset,
      request.file ?? null,
      request.name ?? "",
    ),
  );
  if (isSharedAnon) object?.release();
  const wantsPages = (flags & MAP_POPULATE) !== 0 && (flags & MAP_NONBLOCK) === 0;
  if (wantsPages || (vmFlags & VM_LOCKED) !== 0) vs.populate(addr, addr + length);
  return addr;
}
