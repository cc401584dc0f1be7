/** What a file of a control group is: what it says, what may be written to it, and where it exists. */
import { EINVAL, type Errno } from "../../abi/errno.ts";
import type { Cgroup } from "../../kern/cgroup/cgroup.ts";
import type { Cred } from "../../kern/cred.ts";
import type { PressureKind } from "../../kern/pressure.ts";
import type { Lwp } from "../../proc/lwp.ts";
import type { CgroupFs } from "./cgroupfs.ts";

/** A write(2): what was written, and by whom. */
export interface ControlWrite {
  readonly fs: CgroupFs;
  readonly group: Cgroup;
  /** Without white space around it. */
  readonly text: string;
  readonly td: Lwp;
  /** Who opened the file: he needs the rights, whoever he handed it to. */
  readonly cred: Cred;
  /** The root of his cgroup name space; null: that of all. */
  readonly top: Cgroup | null;
}

export interface ControlFile {
  readonly name: string;
  readonly mode: number;
  /** The controller (a bit) that it belongs to; 0: every group has it. */
  readonly controller: number;
  readonly where: "everywhere" | "root" | "below";
  /** It is a file of pressure, with triggers that belong to who has it open. */
  readonly pressure?: PressureKind;
  /** Who a group was delegated to may write it in the group itself. */
  readonly isDelegated: boolean;
  text(group: Cgroup, fs: CgroupFs, td: Lwp): string | Errno;
  write(w: ControlWrite): number;
}

type Options = Partial<ControlFile> & Pick<ControlFile, "name">;

/** A file with a text, and with `write` a file that may be written. */
export function controlFile(options: Options): ControlFile {
  const { write, text } = options;
  const mode = (text ? 0o444 : 0) | (write ? 0o200 : 0);
  return {
    mode,
    controller: 0,
    where: "below",
    isDelegated: false,
    text: () => EINVAL,
    write: () => EINVAL,
    ...options,
  };
}
