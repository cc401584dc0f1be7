/** Asking for mounts one by one: statmount(2), listmount(2). */
import {
  E2BIG,
  EFAULT,
  EINVAL,
  ENOENT,
  EOVERFLOW,
  EPERM,
  type Errno,
  failed,
} from "../abi/errno.ts";
import {
  LISTMOUNT_REVERSE,
  MNT_ID_REQ_SIZE_VER0,
  MNT_ID_REQ_SIZE_VER1,
  MntIdReq,
  STATMOUNT_FS_TYPE,
  STATMOUNT_MNT_BASIC,
  STATMOUNT_MNT_NS_ID,
  STATMOUNT_MNT_OPTS,
  STATMOUNT_MNT_POINT,
  STATMOUNT_MNT_ROOT,
  STATMOUNT_PROPAGATE_FROM,
  STATMOUNT_SB_BASIC,
  STATMOUNT_SB_SOURCE,
  STATMOUNT_STR,
  STATMOUNT_SUPPORTED_MASK,
  Statmount,
} from "../abi/mount.ts";
import { bytesOf } from "../lib/bytes.ts";
import type { Lwp } from "../proc/lwp.ts";
import { majorOf, minorOf } from "../vfs/device.ts";
import {
  type Mount,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  UNIQUE_ID_OFFSET,
} from "../vfs/mount.ts";
import { pathString, pathWithin } from "../vfs/namei.ts";
import { dominatingGroup } from "../vfs/peergroup.ts";
import { flags, size, uaddr } from "./args.ts";
import { type Syscall, syscall } from "./declare.ts";
import { attrsOf } from "./mountattr.ts";

const SUPPORTED =
  STATMOUNT_SB_BASIC |
  STATMOUNT_MNT_BASIC |
  STATMOUNT_PROPAGATE_FROM |
  STATMOUNT_MNT_ROOT |
  STATMOUNT_MNT_POINT |
  STATMOUNT_FS_TYPE |
  STATMOUNT_MNT_NS_ID |
  STATMOUNT_MNT_OPTS |
  STATMOUNT_SB_SOURCE |
  STATMOUNT_SUPPORTED_MASK;

/** mnt_id for the root of the name space: all ones, or as near as a number comes. */
const LSMT_ROOT = 2 ** 64;
const MAX_LISTED = 1_000_000;
const PAGE = 4096;

interface Request {
  readonly id: number;
  readonly param: number;
}

function loadRequest(td: Lwp, addr: number): Request | Errno {
  const length = td.proc.vmspace.loadU32(addr);
  if (failed(length)) return length;
  if (length > PAGE) return E2BIG;
  if (length < MNT_ID_REQ_SIZE_VER0) return EINVAL;
  const bytes = new Uint8Array(length);
  if (failed(td.proc.vmspace.copyin(addr, bytes))) return EFAULT;
  if (bytes.subarray(MNT_ID_REQ_SIZE_VER1).some((b) => b !== 0)) return E2BIG;
  const v = new DataView(bytes.buffer);
  if (MntIdReq.spare.get(v, 0) !== 0) return EINVAL;
  // Other name spaces by number: there is no way to find out such a number here.
  if (bytes.subarray(MNT_ID_REQ_SIZE_VER0).some((b) => b !== 0)) return ENOENT;
  const id = MntIdReq.mnt_id.get(v, 0);
  if (id <= UNIQUE_ID_OFFSET) return EINVAL;
  return { id, param: MntIdReq.param.get(v, 0) };
}

/** A mount of the caller's name space by its unique number, if it can be reached from the root. */
function findMount(td: Lwp, id: number): Mount | Errno {
  const { vfs, ns } = td.fs;
  for (const m of vfs.mounts.all) {
    if (m.uniqueId === id && m.ns === ns) return isSeen(td, m) ? m : EPERM;
  }
  return ENOENT;
}

function isSeen(td: Lwp, m: Mount): boolean {
  return pathString(td.fs.root, { mount: m, entry: m.root }).startsWith("/");
}

export const sys_statmount = syscall(
  "statmount",
  [uaddr, uaddr, size, flags],
  (td, requestAddr, out, room, how) => {
    if (how !== 0) return EINVAL;
    const request = loadRequest(td, requestAddr);
    if (failed(request)) return request;
    const m = findMount(td, request.id);
    if (failed(m)) return m;
    const bytes = describe(td, m, request.param);
    if (failed(bytes)) return bytes;
    const hasText = bytes.length > STATMOUNT_STR;
    if (hasText && bytes.length > room) return EOVERFLOW;
    const r = td.proc.vmspace.copyout(out, bytes.subarray(0, Math.min(bytes.length, room)));
    return r < 0 ? r : 0;
  },
);

function describe(td: Lwp, m: Mount, asked: number): Uint8Array | Errno {
  const head = new Uint8Array(STATMOUNT_STR);
  const v = new DataView(head.buffer);
  let text = "";
  let mask = 0;
  const want = (bit: number): boolean => {
    const is = Math.floor(asked / bit) % 2 === 1;
    if (is) mask |= bit;
    return is;
  };
  const put = (field: { set(view: DataView, at: number, n: number): void }, s: string): void => {
    field.set(v, 0, text.length);
    text += `${s}\0`;
  };
  const { fs } = m;
  if (want(STATMOUNT_SB_BASIC)) {
    const s = fs.statfs();
    if (failed(s)) return s;
    Statmount.sb_dev_major.set(v, 0, majorOf(fs.dev));
    Statmount.sb_dev_minor.set(v, 0, minorOf(fs.dev));
    Statmount.sb_magic.set(v, 0, s.type);
    Statmount.sb_flags.set(v, 0, fs.isReadOnly ? 1 : 0);
  }
  if (want(STATMOUNT_MNT_BASIC)) {
    const up = m.parent ?? m;
    Statmount.mnt_id.set(v, 0, m.uniqueId);
    Statmount.mnt_parent_id.set(v, 0, up.uniqueId);
    Statmount.mnt_id_old.set(v, 0, m.id);
    Statmount.mnt_parent_id_old.set(v, 0, up.id);
    Statmount.mnt_attr.set(v, 0, attrsOf(m));
    Statmount.mnt_propagation.set(v, 0, propagationOf(m));
    Statmount.mnt_peer_group.set(v, 0, m.group?.id ?? 0);
    Statmount.mnt_master.set(v, 0, m.master?.id ?? 0);
  }
  if (want(STATMOUNT_PROPAGATE_FROM)) {
    const nearest = dominatingGroup(m, (peer) => peer.ns === m.ns && isSeen(td, peer));
    Statmount.propagate_from.set(v, 0, nearest?.id ?? 0);
  }
  if (want(STATMOUNT_FS_TYPE)) put(Statmount.fs_type, fs.typeName);
  if (want(STATMOUNT_MNT_ROOT)) put(Statmount.mnt_root, pathWithin(m.root));
  if (want(STATMOUNT_MNT_POINT)) {
    put(Statmount.mnt_point, pathString(td.fs.root, { mount: m, entry: m.root }));
  }
  if (want(STATMOUNT_MNT_NS_ID)) Statmount.mnt_ns_id.set(v, 0, td.fs.ns.ino);
  if (want(STATMOUNT_MNT_OPTS)) put(Statmount.mnt_opts, fs.showOptions?.() ?? "");
  if (want(STATMOUNT_SB_SOURCE)) put(Statmount.sb_source, m.source);
  if (want(STATMOUNT_SUPPORTED_MASK)) Statmount.supported_mask.set(v, 0, SUPPORTED);
  Statmount.mask.set(v, 0, mask);
  const all = new Uint8Array(STATMOUNT_STR + text.length);
  Statmount.size.set(v, 0, all.length);
  all.set(head);
  all.set(bytesOf(text), STATMOUNT_STR);
  return all;
}

function propagationOf(m: Mount): number {
  let kind = 0;
  if (m.group) kind |= MS_SHARED;
  if (m.master) kind |= MS_SLAVE;
  if (m.isUnbindable) kind |= MS_UNBINDABLE;
  return kind === 0 ? MS_PRIVATE : kind;
}

export const sys_listmount = syscall(
  "listmount",
  [uaddr, uaddr, size, flags],
  (td, requestAddr, out, count, how) => {
    if ((how & ~LISTMOUNT_REVERSE) !== 0) return EINVAL;
    if (count > MAX_LISTED) return EOVERFLOW;
    const request = loadRequest(td, requestAddr);
    if (failed(request)) return request;
    const { vfs, ns } = td.fs;
    const top = request.id >= LSMT_ROOT ? td.fs.root.mount : findMount(td, request.id);
    if (failed(top)) return top;
    const isReverse = (how & LISTMOUNT_REVERSE) !== 0;
    const last = request.param;
    let ids = vfs.mounts.all
      .filter((m) => m.ns === ns && m !== top && top.contains(m) && isSeen(td, m))
      .map((m) => m.uniqueId)
      .sort((a, b) => (isReverse ? b - a : a - b));
    if (last !== 0) ids = ids.filter((id) => (isReverse ? id < last : id > last));
    ids = ids.slice(0, count);
    const bytes = new Uint8Array(ids.length * 8);
    const v = new DataView(bytes.buffer);
    for (const [i, id] of ids.entries()) v.setBigUint64(i * 8, BigInt(id), true);
    const r = td.proc.vmspace.copyout(out, bytes);
    return r < 0 ? r : ids.length;
  },
);

export const statmountSyscalls: readonly (readonly [number, Syscall])[] = [
  [457, sys_statmount],
  [458, sys_listmount],
];
