/**
 * cpuset.*: which CPUs and memory nodes a group may use, of a machine that has one of each. See
 * cgroup-v2.rst, "Cpuset".
 */
import { EINVAL, failed } from "../../abi/errno.ts";
import { CPUSET } from "../../kern/cgroup/controllers.ts";
import { type ControlFile, controlFile } from "./controlfile.ts";

const controller = CPUSET;
const PARTITIONS = ["member", "root", "isolated"];
/** A partition takes its CPUs from the group above, which has no other. */
const WHY_INVALID = "invalid (Parent unable to distribute cpu downstream)";

export const cpusetFiles: readonly ControlFile[] = [
  controlFile({
    name: "cpuset.cpus",
    controller,
    text: (g) => `${g.cpuset!.cpus}\n`,
    write: ({ group, text }) => {
      const list = parseList(text);
      if (failed(list)) return list;
      group.cpuset!.cpus = list;
      return 0;
    },
  }),
  controlFile({
    name: "cpuset.mems",
    controller,
    text: (g) => `${g.cpuset!.mems}\n`,
    write: ({ group, text }) => {
      const list = parseList(text);
      if (failed(list)) return list;
      group.cpuset!.mems = list;
      return 0;
    },
  }),
  controlFile({
    name: "cpuset.cpus.effective",
    controller,
    where: "everywhere",
    text: () => "0\n",
  }),
  controlFile({
    name: "cpuset.mems.effective",
    controller,
    where: "everywhere",
    text: () => "0\n",
  }),
  controlFile({
    name: "cpuset.cpus.exclusive",
    controller,
    text: (g) => `${g.cpuset!.exclusiveCpus}\n`,
    write: ({ group, text }) => {
      const list = parseList(text);
      if (failed(list)) return list;
      group.cpuset!.exclusiveCpus = list;
      return 0;
    },
  }),
  controlFile({ name: "cpuset.cpus.exclusive.effective", controller, text: () => "\n" }),
  controlFile({ name: "cpuset.cpus.isolated", controller, where: "root", text: () => "\n" }),
  controlFile({
    name: "cpuset.cpus.partition",
    controller,
    text: (g) => `${g.cpuset!.partition}\n`,
    write: ({ group, text }) => {
      if (!PARTITIONS.includes(text)) return EINVAL;
      group.cpuset!.partition = text === "member" ? text : `${text} ${WHY_INVALID}`;
      return 0;
    },
  }),
];

/** A list of CPUs or nodes, of which there is number 0 only: "" or "0"; EINVAL. */
function parseList(text: string): string | typeof EINVAL {
  if (text === "") return "";
  return /^(0(-0)?)(,0(-0)?)*$/.test(text) ? "0" : EINVAL;
}
