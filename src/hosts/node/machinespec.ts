/**
 * A machine as the embedder's thread describes it to the kernel's Worker:
 * structured-clonable, images named by path.
 */
import type { DiskRates, FirstProgram } from "../../boot/config.ts";
import type { StdioKinds } from "./nodehost.ts";

export interface DiskSpec {
  readonly path: string;
  /** -R: the image is never written. */
  readonly isCopyOnWrite: boolean;
  /** -c: a CD-ROM. */
  readonly isCd?: boolean;
  readonly serial: string;
  /** What the image is; what its first bytes say if absent. */
  readonly format?: ImageFormat;
  /** Of -R: the qcow2 image that takes what is written; memory if absent. */
  readonly overlay?: string;
  /** Which backing files are followed: those beside the image, or all that are named. */
  readonly backing?: BackingRule;
  /** Most bytes that writes may take: of memory, or of the file that grows. */
  readonly limitBytes?: number;
  readonly rates?: DiskRates;
}

/** A directory of the host in the guest's tree. */
export interface ShareSpec {
  readonly path: string;
  /** Absolute path in the guest. */
  readonly at: string;
  readonly isReadOnly: boolean;
  /** Who owns all of it, as the guest sees it. */
  readonly uid: number;
  readonly gid: number;
}

export type ImageFormat = "raw" | "qcow2";
export type BackingRule = "beside" | "any";

export interface MachineSpec {
  readonly memoryBytes: number;
  readonly disks: readonly DiskSpec[];
  /** In the order in which they are mounted. */
  readonly shares?: readonly ShareSpec[];
  readonly kenv: ReadonlyMap<string, string>;
  readonly isVerbose: boolean;
  readonly program: FirstProgram;
  readonly hostname: string;
  readonly isTraced: boolean;
  readonly stdio: StdioKinds;
  /** 1 when standard output is the terminal, 2 when it carries the command's data. */
  readonly consoleFd: number;
  /** An open descriptor for the profile of the run; null for none. */
  readonly profileFd: number | null;
}
