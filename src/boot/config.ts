/**
 * What a machine is made of: everything that its maker decides, as data.
 */
import type { CountsPort } from "../platform/counts.ts";
import type { BlockStore } from "../platform/host.ts";
import type { ProfilePort } from "../platform/profile.ts";
import type { Share } from "../platform/share.ts";
import type { TranslationStore } from "../platform/translations.ts";

export interface DiskConfig {
  readonly store: BlockStore;
  /** -R: writes go to memory and vanish; the image itself is never written. */
  readonly isCopyOnWrite: boolean;
  readonly serial: string;
  /** -c: a CD-ROM, read-only, in blocks of 2048 bytes. */
  readonly isCd?: boolean;
  /** Most bytes that copy-on-write may keep in memory; 1 GiB if absent. */
  readonly cowLimitBytes?: number;
  /** What the disk may do in a second; as much as it can if absent. */
  readonly rates?: DiskRates | null;
}

/** Limits of a disk's speed; 0 is none. */
export interface DiskRates {
  /** Transfers a second. */
  readonly iops: number;
  readonly bytesPerSec: number;
}

/** A directory of the host in the guest's tree. */
export interface ShareConfig {
  readonly share: Share;
  /** Absolute path in the guest; made if it is not there. */
  readonly at: string;
  /** Who owns all of it, as the guest sees it: root, unless it says so. */
  readonly uid?: number;
  readonly gid?: number;
}

/** The first program: an init that runs until shutdown, or one command whose status is the result. */
export type FirstProgram =
  | { readonly kind: "init"; readonly isSingleUser: boolean; readonly env: readonly string[] }
  | {
      readonly kind: "command";
      readonly argv: readonly string[];
      readonly env: readonly string[];
      readonly cwd: string;
    };

export interface MachineConfig {
  readonly memoryBytes: number;
  /** vkd0, vkd1, … and vcd0, vcd1, …: the first of them all is the root. */
  readonly disks: readonly DiskConfig[];
  /** share0, share1, …: mounted in this order. */
  readonly shares?: readonly ShareConfig[];
  /** Kernel environment, from -e name=value. */
  readonly kenv: ReadonlyMap<string, string>;
  readonly isVerbose: boolean;
  readonly program: FirstProgram;
  readonly hostname: string;
  /** Write every system call to the console, as strace(1) would. */
  readonly isTraced: boolean;
  /** Where a profile of the whole run goes; absent or null for none. */
  readonly profile?: ProfilePort | null;
  /** Who wants to know what was counted. */
  readonly counts?: CountsPort | null;
  /** Where translated code is kept for later machines; absent or null for nowhere. */
  readonly translations?: TranslationStore | null;
}

/** How a machine ended. */
export type Outcome =
  | { readonly kind: "halt" }
  | { readonly kind: "reboot" }
  /** The command's wait status, as a shell would report it: its code, or 128 + signal. */
  | { readonly kind: "exit"; readonly status: number }
  /** The machine could not be made or its root not mounted. */
  | { readonly kind: "nomachine"; readonly message: string }
  /** The first program could not be started; `errno` is negative. */
  | { readonly kind: "noexec"; readonly errno: number; readonly message: string }
  /** `trace` is for those who develop the kernel. */
  | { readonly kind: "panic"; readonly message: string; readonly trace: string };
