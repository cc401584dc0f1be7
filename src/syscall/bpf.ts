/**
 * bpf(2), as far as control groups need it to decide about devices: programs are
 * loaded, attached to groups, and asked about. Programs about packets can be
 * loaded, which is how the libraries of container runtimes find out what bpf(2)
 * can do, but read no packet and are not attached (EINVAL). There are no maps,
 * no BTF, no other types: those commands answer EINVAL.
 */
import { BPF_MAXINSNS } from "../abi/bpf.ts";
import {
  BPF_CGROUP_DEVICE,
  BPF_CGROUP_INET_EGRESS,
  BPF_CGROUP_INET_INGRESS,
  BPF_F_ALLOW_MULTI,
  BPF_F_ALLOW_OVERRIDE,
  BPF_F_ANY_ALIGNMENT,
  BPF_F_QUERY_EFFECTIVE,
  BPF_F_REPLACE,
  BPF_F_STRICT_ALIGNMENT,
  BPF_OBJ_GET_INFO_BY_FD,
  BPF_OBJ_NAME_LEN,
  BPF_PROG_ATTACH,
  BPF_PROG_DETACH,
  BPF_PROG_GET_FD_BY_ID,
  BPF_PROG_GET_NEXT_ID,
  BPF_PROG_LOAD,
  BPF_PROG_QUERY,
  BPF_PROG_TYPE_CGROUP_DEVICE,
  BPF_PROG_TYPE_CGROUP_SKB,
  IdAttr,
  INSN_SIZE,
  InfoAttr,
  PROG_INFO_SIZE,
  ProgAttachAttr,
  ProgInfo,
  ProgLoadAttr,
  ProgQueryAttr,
} from "../abi/ebpf.ts";
import {
  E2BIG,
  EBADF,
  EFAULT,
  EINVAL,
  ENOENT,
  ENOSPC,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import { CgroupDir } from "../fs/cgroupfs/nodes.ts";
import type { Cgroup } from "../kern/cgroup/cgroup.ts";
import {
  attachDeviceProgram,
  DEVICE_PROGRAM,
  detachDeviceProgram,
} from "../kern/cgroup/devicefilter.ts";
import { CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN } from "../kern/cred.ts";
import { EbpfProgram } from "../kern/ebpf/program.ts";
import type { ProgramType } from "../kern/ebpf/verify.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { anonAttr } from "../vfs/anon.ts";
import { BpfProgramFile } from "../vfs/bpffile.ts";
import { uaddr, uint } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { newFd } from "./file.ts";

/** Of union bpf_attr, as far as Linux 6.12 has fields. */
const ATTR_SIZE = 160;
const MAX_ATTR_SIZE = 4096;
const LICENSE_LEN = 128;
const RULES: ReadonlyMap<number, ProgramType> = new Map([
  [BPF_PROG_TYPE_CGROUP_DEVICE, DEVICE_PROGRAM],
  [BPF_PROG_TYPE_CGROUP_SKB, { mayLoad: () => false, maxAnswer: 3 }],
]);
/** Which type of program is attached for what. */
const ATTACHED: ReadonlyMap<number, number> = new Map([
  [BPF_CGROUP_INET_INGRESS, BPF_PROG_TYPE_CGROUP_SKB],
  [BPF_CGROUP_INET_EGRESS, BPF_PROG_TYPE_CGROUP_SKB],
  [BPF_CGROUP_DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE],
]);
const LOAD_FLAGS = BPF_F_STRICT_ALIGNMENT | BPF_F_ANY_ALIGNMENT;
const ATTACH_FLAGS = BPF_F_ALLOW_OVERRIDE | BPF_F_ALLOW_MULTI | BPF_F_REPLACE;
const FIRST_UNKNOWN_LOAD_FIELD = 72;

export const sys_bpf = syscall("bpf", [uint, uaddr, uint], (td, command, at, size) => {
  if (!mayUseBpf(td)) return EPERM;
  const attr = copyinAttr(td, at, size);
  if (failed(attr)) return attr;
  switch (command) {
    case BPF_PROG_LOAD:
      return load(td, attr);
    case BPF_PROG_ATTACH:
      return attach(td, attr);
    case BPF_PROG_DETACH:
      return detach(td, attr);
    case BPF_PROG_QUERY:
      return query(td, attr, at);
    case BPF_PROG_GET_NEXT_ID:
      return nextId(td, attr, at);
    case BPF_PROG_GET_FD_BY_ID:
      return openById(td, attr);
    case BPF_OBJ_GET_INFO_BY_FD:
      return info(td, attr, at);
    default:
      return EINVAL;
  }
});

export const bpfSyscalls: readonly (readonly [number, Syscall])[] = [[280, sys_bpf]];

/** As with kernel.unprivileged_bpf_disabled 2: nobody else. */
function mayUseBpf(td: Lwp): boolean {
  return td.cred.hasCap(CAP_BPF) || td.cred.hasCap(CAP_SYS_ADMIN);
}

const mayDecide = (td: Lwp): boolean =>
  td.cred.hasCap(CAP_NET_ADMIN) || td.cred.hasCap(CAP_SYS_ADMIN);

/** The union, filled up with zeroes; E2BIG for fields that are not known and not 0. */
function copyinAttr(td: Lwp, at: number, size: number): DataView | Errno {
  if (size > MAX_ATTR_SIZE) return E2BIG;
  const bytes = new Uint8Array(Math.max(size, ATTR_SIZE));
  if (failed(td.proc.vmspace.copyin(at, bytes.subarray(0, size)))) return EFAULT;
  if (bytes.subarray(ATTR_SIZE).some((b) => b !== 0)) return E2BIG;
  return new DataView(bytes.buffer, 0, ATTR_SIZE);
}

/** CHECK_ATTR: what a command does not know must be 0. */
function isZeroFrom(attr: DataView, offset: number): boolean {
  for (let i = offset; i < ATTR_SIZE; i++) if (attr.getUint8(i) !== 0) return false;
  return true;
}

function load(td: Lwp, attr: DataView): number {
  const count = ProgLoadAttr.insn_cnt.get(attr, 0);
  const type = ProgLoadAttr.prog_type.get(attr, 0);
  const { vmspace } = td.proc;
  if ((ProgLoadAttr.prog_flags.get(attr, 0) & ~LOAD_FLAGS) !== 0) return EINVAL;
  const license = vmspace.copyinstr(ProgLoadAttr.license.get(attr, 0), LICENSE_LEN);
  if (failed(license)) return EFAULT;
  if (count === 0 || count > BPF_MAXINSNS) return E2BIG;
  const rules = RULES.get(type);
  if (!rules) return EINVAL;
  if (!mayDecide(td)) return EPERM;
  const isPlain =
    ProgLoadAttr.prog_ifindex.get(attr, 0) === 0 && isZeroFrom(attr, FIRST_UNKNOWN_LOAD_FIELD);
  if (!isPlain) return EINVAL;
  const name = ProgLoadAttr.prog_name.get(attr, 0).slice();
  if (!isName(name)) return EINVAL;
  const raw = new Uint8Array(count * INSN_SIZE);
  if (failed(vmspace.copyin(ProgLoadAttr.insns.get(attr, 0), raw))) return EFAULT;
  const { programs } = td.cpu.cgroups;
  const program = programs.load(td.cpu.kmem.ofCurrent, raw, rules, {
    type,
    name,
    uid: td.cred.uid,
    loadedNs: td.cpu.clock.monotonicNs(),
  });
  if (!(program instanceof EbpfProgram)) {
    const r = writeLog(td, attr, program.text);
    return r < 0 ? r : program.errno;
  }
  const r = writeLog(td, attr, `processed ${count} insns\n`);
  if (r < 0) {
    program.release();
    return r;
  }
  return newFd(td, new BpfProgramFile(program, anonAttr(td.fs.vfs, td.cred)), true);
}

/** Letters, digits, "_" and ".", ended by a 0. */
function isName(name: Uint8Array): boolean {
  const end = name.indexOf(0);
  if (end < 0) return false;
  return /^[\w.]*$/.test(String.fromCharCode(...name.subarray(0, end)));
}

/** What the verifier says, for who gave it room: 0, EINVAL, ENOSPC, EFAULT. */
function writeLog(td: Lwp, attr: DataView, text: string): number {
  const level = ProgLoadAttr.log_level.get(attr, 0);
  const size = ProgLoadAttr.log_size.get(attr, 0);
  const at = ProgLoadAttr.log_buf.get(attr, 0);
  if (level === 0) return at === 0 && size === 0 ? 0 : EINVAL;
  if (at === 0 || size === 0) return EINVAL;
  const line = bytesOf(`${text}\n\0`);
  const fitting = line.slice(0, size);
  fitting[fitting.length - 1] = 0;
  if (failed(td.proc.vmspace.copyout(at, fitting))) return EFAULT;
  return fitting.length < line.length ? ENOSPC : 0;
}

function attach(td: Lwp, attr: DataView): number {
  const how = ProgAttachAttr.attach_flags.get(attr, 0);
  if (!isZeroFrom(attr, ProgAttachAttr.sizeof)) return EINVAL;
  if ((how & ~ATTACH_FLAGS) !== 0) return EINVAL;
  const type = ATTACHED.get(ProgAttachAttr.attach_type.get(attr, 0));
  if (type === undefined) return EINVAL;
  if (!mayDecide(td)) return EPERM;
  const program = programOf(td, ProgAttachAttr.attach_bpf_fd.get(attr, 0));
  if (failed(program)) return program;
  if (program.facts.type !== type) return EINVAL;
  const group = groupOf(td, ProgAttachAttr.target_fd.get(attr, 0));
  if (failed(group)) return group;
  if (type !== BPF_PROG_TYPE_CGROUP_DEVICE) return EINVAL;
  if ((how & BPF_F_REPLACE) === 0) return attachDeviceProgram(group, program, how, null);
  const replaced = programOf(td, ProgAttachAttr.replace_bpf_fd.get(attr, 0));
  return failed(replaced) ? replaced : attachDeviceProgram(group, program, how, replaced);
}

function detach(td: Lwp, attr: DataView): number {
  if (!isZeroFrom(attr, ProgAttachAttr.sizeof)) return EINVAL;
  if (ProgAttachAttr.attach_type.get(attr, 0) !== BPF_CGROUP_DEVICE) return EINVAL;
  if (!mayDecide(td)) return EPERM;
  const group = groupOf(td, ProgAttachAttr.target_fd.get(attr, 0));
  if (failed(group)) return group;
  // Whoever names none detaches the only one.
  const program = programOf(td, ProgAttachAttr.attach_bpf_fd.get(attr, 0));
  return detachDeviceProgram(group, failed(program) ? null : program);
}

function query(td: Lwp, attr: DataView, at: number): number {
  if (!mayDecide(td)) return EPERM;
  const how = ProgQueryAttr.query_flags.get(attr, 0);
  if ((how & ~BPF_F_QUERY_EFFECTIVE) !== 0) return EINVAL;
  if (ProgQueryAttr.attach_type.get(attr, 0) !== BPF_CGROUP_DEVICE) return EINVAL;
  const group = groupOf(td, ProgQueryAttr.target_fd.get(attr, 0));
  if (failed(group)) return group;
  const isEffective = (how & BPF_F_QUERY_EFFECTIVE) !== 0;
  const filter = group.deviceFilter;
  const programs = (isEffective ? filter?.effective : filter?.programs) ?? [];
  const { vmspace } = td.proc;
  const stored =
    failed(
      vmspace.storeU32(
        at + ProgQueryAttr.attach_flags.offset,
        isEffective ? 0 : (filter?.flags ?? 0),
      ),
    ) || failed(vmspace.storeU32(at + ProgQueryAttr.prog_cnt.offset, programs.length));
  if (stored) return EFAULT;
  const room = ProgQueryAttr.prog_cnt.get(attr, 0);
  const idsAt = ProgQueryAttr.prog_ids.get(attr, 0);
  if (room === 0 || idsAt === 0 || programs.length === 0) return 0;
  const ids = Uint32Array.from(programs.slice(0, room), (p) => p.id);
  if (failed(vmspace.copyout(idsAt, new Uint8Array(ids.buffer)))) return EFAULT;
  return room < programs.length ? ENOSPC : 0;
}

function nextId(td: Lwp, attr: DataView, at: number): number {
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (!isZeroFrom(attr, 4)) return EINVAL;
  const next = td.cpu.cgroups.programs.next(IdAttr.id.get(attr, 0));
  if (next === 0) return ENOENT;
  return failed(td.proc.vmspace.storeU32(at + IdAttr.next_id.offset, next)) ? EFAULT : 0;
}

function openById(td: Lwp, attr: DataView): number {
  if (!td.cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
  if (!isZeroFrom(attr, 4)) return EINVAL;
  const program = td.cpu.cgroups.programs.get(IdAttr.id.get(attr, 0));
  if (!program) return ENOENT;
  return newFd(td, new BpfProgramFile(program.hold(), anonAttr(td.fs.vfs, td.cred)), true);
}

function info(td: Lwp, attr: DataView, at: number): number {
  if (!isZeroFrom(attr, InfoAttr.sizeof)) return EINVAL;
  const program = programOf(td, InfoAttr.bpf_fd.get(attr, 0));
  if (failed(program)) return program;
  const { vmspace } = td.proc;
  const infoAt = InfoAttr.info.get(attr, 0);
  const length = Math.min(InfoAttr.info_len.get(attr, 0), PROG_INFO_SIZE);
  const asked = new Uint8Array(PROG_INFO_SIZE);
  if (failed(vmspace.copyin(infoAt, asked.subarray(0, length)))) return EFAULT;
  const wanted = new DataView(asked.buffer);
  const room = ProgInfo.xlated_prog_len.get(wanted, 0);
  const insnsAt = ProgInfo.xlated_prog_insns.get(wanted, 0);
  if (room > 0 && failed(vmspace.copyout(insnsAt, program.raw.slice(0, room)))) return EFAULT;
  const answer = describe(program, insnsAt);
  if (failed(vmspace.copyout(infoAt, answer.subarray(0, length)))) return EFAULT;
  return failed(vmspace.storeU32(at + InfoAttr.info_len.offset, length)) ? EFAULT : 0;
}

function describe(program: EbpfProgram, insnsAt: number): Uint8Array {
  const { facts } = program;
  const answer = new Uint8Array(PROG_INFO_SIZE);
  const view = new DataView(answer.buffer);
  ProgInfo.type.set(view, 0, facts.type);
  ProgInfo.id.set(view, 0, program.id);
  ProgInfo.tag.set(view, 0, program.tag);
  ProgInfo.xlated_prog_len.set(view, 0, program.raw.length);
  ProgInfo.xlated_prog_insns.set(view, 0, insnsAt);
  ProgInfo.load_time.set(view, 0, facts.loadedNs);
  ProgInfo.created_by_uid.set(view, 0, facts.uid);
  ProgInfo.name.set(view, 0, facts.name.subarray(0, BPF_OBJ_NAME_LEN));
  return answer;
}

function programOf(td: Lwp, fd: number): EbpfProgram | Errno {
  const fp = td.fdtable.get(fd);
  if (!fp) return EBADF;
  return fp instanceof BpfProgramFile ? fp.program : EINVAL;
}

function groupOf(td: Lwp, fd: number): Cgroup | Errno {
  const dir = td.fdtable.getAny(fd)?.path?.entry.vnode;
  if (!(dir instanceof CgroupDir)) return EBADF;
  return dir.group.isDead ? ENOENT : dir.group;
}
