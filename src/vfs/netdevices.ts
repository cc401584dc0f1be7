/** Network interfaces, as sysfs shows them: /sys/class/net. net/ implements them. */
import type { Errno } from "../abi/errno.ts";

export interface NetDevice {
  readonly name: string;
  /** Its attributes: "mtu", "statistics/rx_bytes"; each a file. */
  readonly attributes: readonly string[];
  /** What an attribute says at the moment, with its newline; or why it says nothing. */
  attribute(name: string): string | Errno;
}

export interface NetDevices {
  /** Those of the network that the running thread is in. */
  devices(): readonly NetDevice[];
}
