/**
 * vkernel's public API: a machine is assembled from a Host (what the outside
 * provides) and a MachineConfig (what it is made of), and runs to its Outcome.
 *
 * `boot` blocks its thread until the machine ends: call it in a Worker.
 */
export { boot } from "./boot/boot.ts";
export type {
  DiskConfig,
  DiskRates,
  FirstProgram,
  MachineConfig,
  Outcome,
  ShareConfig,
} from "./boot/config.ts";
export type { CountsPort, MachineCounts } from "./platform/counts.ts";
export type {
  BlockStore,
  ByteStream,
  Clock,
  ConsolePort,
  Doorbell,
  Entropy,
  Host,
  HostEvent,
} from "./platform/host.ts";
export type { ProfilePort } from "./platform/profile.ts";
export type { Share, ShareHandle, ShareStat, ShareStatFs, ShareTime } from "./platform/share.ts";
export type { TranslationSegment, TranslationStore } from "./platform/translations.ts";
