/** *.pressure: how much a group is held up. See cgroup-v2.rst, "PSI"; vfs/pressurefile.ts. */
import { EINVAL } from "../../abi/errno.ts";
import {
  CPU_PRESSURE,
  IO_PRESSURE,
  MEMORY_PRESSURE,
  type PressureKind,
} from "../../kern/pressure.ts";
import { type ControlFile, controlFile } from "./controlfile.ts";

export const pressureFiles: readonly ControlFile[] = [
  controlFile({
    name: "cgroup.pressure",
    where: "everywhere",
    text: (g) => `${Number(g.hasPressure)}\n`,
    write: ({ group, text }) => {
      if (text !== "0" && text !== "1") return EINVAL;
      group.hasPressure = text === "1";
      return 0;
    },
  }),
  pressureFile("cpu.pressure", CPU_PRESSURE),
  pressureFile("io.pressure", IO_PRESSURE),
  pressureFile("memory.pressure", MEMORY_PRESSURE),
];

/** Read and written by way of a file of its own kind. */
function pressureFile(name: string, pressure: PressureKind): ControlFile {
  return { ...controlFile({ name, where: "everywhere" }), mode: 0o644, pressure };
}
