/** All control files, by name, in the order of a listing. */
import type { ControlFile } from "./controlfile.ts";
import { coreFiles } from "./corefiles.ts";
import { cpuFiles } from "./cpufiles.ts";
import { cpusetFiles } from "./cpusetfiles.ts";
import { ioFiles } from "./iofiles.ts";
import { memoryFiles } from "./memoryfiles.ts";
import { pidsFiles } from "./pidsfiles.ts";
import { pressureFiles } from "./pressurefiles.ts";

export const controlFiles: ReadonlyMap<string, ControlFile> = new Map(
  [
    ...coreFiles,
    ...cpusetFiles,
    ...cpuFiles,
    ...ioFiles,
    ...memoryFiles,
    ...pidsFiles,
    ...pressureFiles,
  ].map((f) => [f.name, f]),
);
