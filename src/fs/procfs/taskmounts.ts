/**
 * /proc/PID/mounts, mountinfo and mountstats: the mounts that a process sees,
 * as seen from its root. See proc_pid_mountinfo(5).
 */
import type { Lwp } from "../../proc/lwp.ts";
import type { Proc } from "../../proc/proc.ts";
import { majorOf, minorOf } from "../../vfs/device.ts";
import {
  type Mount,
  MS_DIRSYNC,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  MS_SYNCHRONOUS,
} from "../../vfs/mount.ts";
import { pathString, pathWithin } from "../../vfs/namei.ts";
import { dominatingGroup } from "../../vfs/peergroup.ts";
import { octalEscaped } from "./format.ts";
import type { Task } from "./task.ts";

export function mountsText(t: Task): string {
  let s = "";
  for (const { mount, at } of visible(t.proc)) {
    const type = octalEscaped(mount.fs.typeName);
    s += `${source(mount)} ${at} ${type} ${allOptions(mount)} 0 0\n`;
  }
  return s;
}

export function mountinfoText(t: Task, caller: Lwp): string {
  let s = "";
  for (const { mount, at } of visible(t.proc)) {
    const dev = `${majorOf(mount.fs.dev)}:${minorOf(mount.fs.dev)}`;
    const parent = mount.parent?.id ?? mount.id;
    s +=
      `${mount.id} ${parent} ${dev} ${octalEscaped(rootOf(mount, caller))} ${at} ` +
      `${mountOptions(mount)}${propagation(mount, t.proc)} - ${octalEscaped(mount.fs.typeName)} ${source(mount)} ` +
      `${fsOptions(mount)}\n`;
  }
  return s;
}

/** Which part of its file system a mount shows. */
function rootOf(m: Mount, caller: Lwp): string {
  return m.fs.showRoot?.(m.root.vnode!, caller) ?? pathWithin(m.root);
}

export function mountstatsText(t: Task): string {
  let s = "";
  for (const { mount, at } of visible(t.proc)) {
    s += `device ${source(mount)} mounted on ${at} with fstype ${mount.fs.typeName}\n`;
  }
  return s;
}

interface Visible {
  readonly mount: Mount;
  /** Mount point, escaped. */
  readonly at: string;
}

/** Mounts that can be reached from the process's root, oldest first. */
function visible(p: Proc): Visible[] {
  if (!p.leader) return [];
  const { root, vfs, ns } = p.leader.fs;
  const out: Visible[] = [];
  for (const mount of vfs.mounts.all) {
    if (mount.ns !== ns) continue;
    const at = pathString(root, { mount, entry: mount.root });
    if (at.startsWith("/")) out.push({ mount, at: octalEscaped(at, "#") });
  }
  return out;
}

/** The optional fields: with whom it shares, and from whom it receives. */
function propagation(m: Mount, p: Proc): string {
  let s = "";
  if (m.group) s += ` shared:${m.group.id}`;
  if (m.master) {
    s += ` master:${m.master.id}`;
    const { root, ns } = p.leader!.fs;
    const nearest = dominatingGroup(
      m,
      (peer) =>
        peer.ns === ns && pathString(root, { mount: peer, entry: peer.root }).startsWith("/"),
    );
    if (nearest && nearest !== m.master) s += ` propagate_from:${nearest.id}`;
  }
  return m.isUnbindable ? `${s} unbindable` : s;
}

function source(m: Mount): string {
  return m.source === "" ? "none" : octalEscaped(m.source, "#");
}

const flagNames: readonly (readonly [number, string])[] = [
  [MS_NOSUID, "nosuid"],
  [MS_NODEV, "nodev"],
  [MS_NOEXEC, "noexec"],
  [MS_NOATIME, "noatime"],
  [MS_NODIRATIME, "nodiratime"],
  [MS_RELATIME, "relatime"],
  [MS_NOSYMFOLLOW, "nosymfollow"],
];

function flagOptions(m: Mount): string {
  return flagNames.map(([flag, name]) => ((m.flags & flag) !== 0 ? `,${name}` : "")).join("");
}

function mountOptions(m: Mount): string {
  return ((m.flags & MS_RDONLY) !== 0 ? "ro" : "rw") + flagOptions(m);
}

function ownOptions(m: Mount): string {
  const own = m.fs.showOptions?.() ?? "";
  return own === "" ? "" : `,${octalEscaped(own, "#")}`;
}

/** What Linux keeps with the file system, not with the mount. */
function syncOptions(m: Mount): string {
  const sync = (m.flags & MS_SYNCHRONOUS) !== 0 ? ",sync" : "";
  return (m.flags & MS_DIRSYNC) !== 0 ? `${sync},dirsync` : sync;
}

function fsOptions(m: Mount): string {
  return (m.fs.isReadOnly ? "ro" : "rw") + syncOptions(m) + ownOptions(m);
}

function allOptions(m: Mount): string {
  return (m.isReadOnly ? "ro" : "rw") + syncOptions(m) + flagOptions(m) + ownOptions(m);
}
