/** The files that every group has: cgroup.*. See cgroup-v2.rst, "Core Interface Files". */
import { EINVAL, EOPNOTSUPP, ERANGE, ESRCH, failed } from "../../abi/errno.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import {
  ALL_CONTROLLERS,
  controllerBit,
  controllerList,
  controllerNames,
} from "../../kern/cgroup/controllers.ts";
import { mayBecomeThreaded, mayControl, mayHold, typeOf } from "../../kern/cgroup/rules.ts";
import { killCgroup, moveProc, moveThread, procsOf, settleCurrent } from "../../proc/cgroups.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { CgroupFs } from "./cgroupfs.ts";
import { type ControlFile, type ControlWrite, controlFile } from "./controlfile.ts";
import { maxOr, parseCount, parseInt32 } from "./parse.ts";

export const coreFiles: readonly ControlFile[] = [
  controlFile({
    name: "cgroup.type",
    isDelegated: false,
    text: (g) => `${typeOf(g)}\n`,
    write: writeType,
  }),
  controlFile({
    name: "cgroup.procs",
    where: "everywhere",
    isDelegated: true,
    text: procsText,
    write: writeProcs,
  }),
  controlFile({
    name: "cgroup.threads",
    where: "everywhere",
    isDelegated: true,
    text: (g, _fs, reader) => lines([...g.threads].map((td) => reader.numberOf((td as Lwp).id))),
    write: writeThreads,
  }),
  controlFile({
    name: "cgroup.controllers",
    where: "everywhere",
    text: (g) => controllerNames(g.controllers),
  }),
  controlFile({
    name: "cgroup.subtree_control",
    where: "everywhere",
    isDelegated: true,
    text: (g) => controllerNames(g.subtreeControl),
    write: writeSubtreeControl,
  }),
  controlFile({
    name: "cgroup.events",
    text: (g) => `populated ${Number(g.isPopulated)}\nfrozen ${Number(g.isFrozen)}\n`,
  }),
  controlFile({
    name: "cgroup.max.descendants",
    where: "everywhere",
    text: (g) => `${maxOr(g.maxDescendants)}\n`,
    write: ({ group, text }) => {
      const n = parseCount(text);
      if (failed(n)) return n;
      group.maxDescendants = n;
      return 0;
    },
  }),
  controlFile({
    name: "cgroup.max.depth",
    where: "everywhere",
    text: (g) => `${maxOr(g.maxDepth)}\n`,
    write: ({ group, text }) => {
      const n = parseCount(text);
      if (failed(n)) return n;
      group.maxDepth = n;
      return 0;
    },
  }),
  controlFile({ name: "cgroup.stat", where: "everywhere", text: statText }),
  controlFile({
    name: "cgroup.freeze",
    text: (g) => `${Number(g.wantsFrozen)}\n`,
    write: ({ group, text, td }) => {
      const n = parseInt32(text);
      if (failed(n)) return text.startsWith("-") ? ERANGE : n;
      if (n > 1) return ERANGE;
      group.tree.setFrozen(group, n === 1);
      settleCurrent(td.proc);
      return 0;
    },
  }),
  controlFile({
    name: "cgroup.kill",
    write: ({ group, text }) => {
      const n = parseInt32(text);
      if (failed(n)) return text.startsWith("-") ? ERANGE : n;
      if (n !== 1) return ERANGE;
      if (group.isThreaded) return EOPNOTSUPP;
      killCgroup(group);
      return 0;
    },
  }),
];

function lines(ids: readonly number[]): string {
  return ids.map((id) => `${id}\n`).join("");
}

/** Numbers as the reader's pid name space has them; 0 is for who is not in it. */
function procsText(group: Cgroup, _fs: CgroupFs, reader: Lwp): string | typeof EOPNOTSUPP {
  if (group.isThreaded) return EOPNOTSUPP;
  return lines([...procsOf(group)].map((p) => reader.numberOf(p.id)));
}

function writeType({ group, text, td }: ControlWrite): number {
  if (text !== "threaded") return EINVAL;
  if (group.isThreaded) return 0;
  const r = mayBecomeThreaded(group);
  if (failed(r)) return r;
  group.tree.makeThreaded(group);
  settleCurrent(td.proc);
  return 0;
}

function writeProcs(w: ControlWrite): number {
  const td = target(w);
  if (typeof td === "number") return td;
  const leader = td.proc.leader;
  if (!leader) return ESRCH;
  const denied = w.fs.mayMove(w.cred, leader.cgroup, w.group, w.top);
  if (failed(denied)) return denied;
  const refused = mayHold(w.group);
  if (failed(refused)) return refused;
  moveProc(td.proc, w.group);
  return 0;
}

function writeThreads(w: ControlWrite): number {
  const td = target(w);
  if (typeof td === "number") return td;
  const denied = w.fs.mayMove(w.cred, td.cgroup, w.group, w.top);
  if (failed(denied)) return denied;
  const refused = mayHold(w.group);
  if (failed(refused)) return refused;
  if (td.cgroup.domain !== w.group.domain) return EOPNOTSUPP;
  moveThread(td, w.group);
  return 0;
}

/** The thread that was written: 0 is the writer. */
function target({ text, td }: ControlWrite): Lwp | number {
  const id = parseInt32(text);
  if (failed(id)) return text.startsWith("-") ? EINVAL : id === ERANGE ? ESRCH : EINVAL;
  if (id === 0) return td;
  return td.findThread(id) ?? td.findProc(id)?.leader ?? ESRCH;
}

function writeSubtreeControl({ group, text, td }: ControlWrite): number {
  let enabled = 0;
  let disabled = 0;
  for (const word of text.split(/\s+/)) {
    if (word === "") continue;
    const bit = controllerBit(word.slice(1));
    if (bit === 0) return EINVAL;
    if (word[0] === "+") {
      enabled |= bit;
      disabled &= ~bit;
    } else if (word[0] === "-") {
      disabled |= bit;
      enabled &= ~bit;
    } else return EINVAL;
  }
  enabled &= ~group.subtreeControl;
  disabled &= group.subtreeControl;
  if ((enabled | disabled) === 0) return 0;
  const refused = mayControl(group, enabled, disabled);
  if (failed(refused)) return refused;
  const r = group.tree.setSubtreeControl(group, (group.subtreeControl | enabled) & ~disabled);
  settleCurrent(td.proc);
  return r;
}

/** How many groups there are below, and, by controller, in how many it is at work, this one included. */
function statText(group: Cgroup): string {
  const counts = new Map<string, number>();
  const names = controllerList(ALL_CONTROLLERS);
  for (const g of group.subtree()) {
    for (const name of controllerList(g.controllers)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const alive = names.map((name) => `nr_subsys_${name} ${counts.get(name) ?? 0}\n`);
  const dying = names.map((name) => `nr_dying_subsys_${name} 0\n`);
  return `nr_descendants ${group.descendants}\n${alive.join("")}nr_dying_descendants 0\n${dying.join("")}`;
}
