/** pids.*: how many threads a group has and may have. See cgroup-v2.rst, "PID". */
import { EINVAL, failed } from "../../abi/errno.ts";
import { PIDS } from "../../kern/cgroup/controllers.ts";
import { type ControlFile, controlFile } from "./controlfile.ts";
import { maxOr, parseUnsigned } from "./parse.ts";

/** PID_MAX_LIMIT of a 64-bit Linux: what is larger is no limit. */
const PIDS_MAX = 4194304;

export const pidsFiles: readonly ControlFile[] = [
  controlFile({
    name: "pids.max",
    controller: PIDS,
    text: (g) => `${maxOr(g.pids!.max)}\n`,
    write: ({ group, text }) => {
      const n = parseUnsigned(text);
      if (failed(n) || (n > PIDS_MAX && n < Number.POSITIVE_INFINITY)) return EINVAL;
      group.pids!.max = n;
      return 0;
    },
  }),
  controlFile({
    name: "pids.current",
    controller: PIDS,
    text: (g) => `${g.pids!.current}\n`,
  }),
  controlFile({ name: "pids.peak", controller: PIDS, text: (g) => `${g.pids!.peak}\n` }),
  controlFile({ name: "pids.events", controller: PIDS, text: (g) => `max ${g.pids!.hits}\n` }),
  controlFile({
    name: "pids.events.local",
    controller: PIDS,
    text: (g) => `max ${g.pids!.localHits}\n`,
  }),
];
