/**
 * Which devices a control group's threads may open and make: by programs that
 * are attached to the group and to those above it, all of which must allow.
 *
 * A group's programs stand alone, or (ALLOW_OVERRIDE) give way to those of the
 * groups below that have any, or (ALLOW_MULTI) come beside these. What holds
 * in a group is computed when something is attached, not when it is asked.
 * Source: Linux kernel/bpf/cgroup.c; cgroups(7) of the device controller.
 */
import {
  BPF_F_ALLOW_MULTI,
  BPF_F_ALLOW_OVERRIDE,
  BPF_F_REPLACE,
  DEV_CTX_SIZE,
} from "../../abi/ebpf.ts";
import { E2BIG, EINVAL, ENOENT, EPERM } from "../../abi/errno.ts";
import type { EbpfProgram } from "../ebpf/program.ts";
import { runEbpf } from "../ebpf/run.ts";
import type { ProgramType } from "../ebpf/verify.ts";
import type { Cgroup } from "./cgroup.ts";

const MAX_ATTACHED = 64;

/** What programs of BPF_PROG_TYPE_CGROUP_DEVICE find: three words, of the first its parts too. */
export const DEVICE_PROGRAM: ProgramType = {
  mayLoad(offset, size) {
    if (offset < 0 || offset % size !== 0 || offset + size > DEV_CTX_SIZE) return false;
    return size === 4 || (size < 4 && offset < 4);
  },
  maxAnswer: 1,
};

/** The programs of one group. */
export class DeviceFilter {
  /** BPF_F_ALLOW_OVERRIDE, BPF_F_ALLOW_MULTI, or 0: of all its programs alike. */
  flags = 0;
  readonly programs: EbpfProgram[] = [];
  /** That hold for its threads: its own and of groups above, nearest first. */
  effective: readonly EbpfProgram[] = [];
}

/** What is asked: BPF_DEVCG_ACC_*, BPF_DEVCG_DEV_*, and which device. */
export interface DeviceAccess {
  readonly access: number;
  readonly type: number;
  readonly major: number;
  readonly minor: number;
}

/** 0 if the programs that hold in `filter`'s group allow it, else EPERM. */
export function checkDeviceAccess(filter: DeviceFilter, asked: DeviceAccess): number {
  const context = new DataView(new ArrayBuffer(DEV_CTX_SIZE));
  context.setUint32(0, (asked.access << 16) | asked.type, true);
  context.setUint32(4, asked.major, true);
  context.setUint32(8, asked.minor, true);
  for (const program of filter.effective) {
    if ((runEbpf(program.instructions, context) & 1) === 0) return EPERM;
  }
  return 0;
}

/** Attaches a program, in the place of `replaced` with BPF_F_REPLACE: 0, EINVAL, EPERM, E2BIG, ENOENT. */
export function attachDeviceProgram(
  group: Cgroup,
  program: EbpfProgram,
  flags: number,
  replaced: EbpfProgram | null,
): number {
  const isMulti = (flags & BPF_F_ALLOW_MULTI) !== 0;
  const isReplacing = (flags & BPF_F_REPLACE) !== 0;
  const kind = flags & (BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI);
  if ((isMulti && kind !== BPF_F_ALLOW_MULTI) || (isReplacing && !isMulti)) return EINVAL;
  if (isReplacing !== (replaced !== null)) return EINVAL;
  if (!mayAttachBelow(group.parent)) return EPERM;
  const programs = group.deviceFilter?.programs ?? [];
  if (programs.length > 0 && group.deviceFilter?.flags !== kind) return EPERM;
  if (programs.length >= MAX_ATTACHED) return E2BIG;
  let at = programs.length;
  if (!isMulti) at = 0;
  else if (programs.includes(program) && program !== replaced) return EINVAL;
  else if (replaced) at = programs.indexOf(replaced);
  if (at < 0) return ENOENT;
  group.deviceFilter ??= new DeviceFilter();
  const { deviceFilter } = group;
  const before = deviceFilter.programs[at];
  deviceFilter.programs[at] = program.hold();
  deviceFilter.flags = kind;
  before?.release();
  refreshDeviceFilters(group);
  return 0;
}

/** Detaches `program`; of a group that has only one, that one, whatever is named: 0, EINVAL, ENOENT. */
export function detachDeviceProgram(group: Cgroup, program: EbpfProgram | null): number {
  const filter = group.deviceFilter;
  const isMulti = filter ? (filter.flags & BPF_F_ALLOW_MULTI) !== 0 : false;
  if (!filter || filter.programs.length === 0) return isMulti && !program ? EINVAL : ENOENT;
  if (isMulti && !program) return EINVAL;
  const at = isMulti ? filter.programs.indexOf(program!) : 0;
  if (at < 0) return ENOENT;
  filter.programs.splice(at, 1)[0]!.release();
  if (filter.programs.length === 0) filter.flags = 0;
  refreshDeviceFilters(group);
  return 0;
}

/** A group goes. */
export function releaseDeviceFilter(group: Cgroup): void {
  for (const program of group.deviceFilter?.programs ?? []) program.release();
  group.deviceFilter = null;
}

/** Brings up to date what holds in `top` and below it. */
export function refreshDeviceFilters(top: Cgroup): void {
  for (const group of top.subtree()) {
    const effective = effectiveIn(group);
    if (effective.length === 0 && !group.deviceFilter) continue;
    group.deviceFilter ??= new DeviceFilter();
    group.deviceFilter.effective = effective;
  }
}

function effectiveIn(group: Cgroup): readonly EbpfProgram[] {
  const effective: EbpfProgram[] = [];
  for (let at: Cgroup | null = group; at; at = at.parent) {
    const filter = at.deviceFilter;
    if (!filter) continue;
    if (effective.length === 0 || (filter.flags & BPF_F_ALLOW_MULTI) !== 0)
      effective.push(...filter.programs);
  }
  return effective;
}

/** The nearest group above that has programs decides. */
function mayAttachBelow(parent: Cgroup | null): boolean {
  for (let at = parent; at; at = at.parent) {
    const filter = at.deviceFilter;
    if (!filter || filter.programs.length === 0) continue;
    return filter.flags !== 0;
  }
  return true;
}
