/**
 * Device events: what the kernel says of devices that come, change and go, or are asked for again by
 * writing to their `uevent` file in /sys; udev(7) listens by netlink.
 */
export interface UeventListener {
  /** "add@/devices/…" and then variables, NAME=value each. */
  uevent(lines: readonly string[]): void;
}

export class Uevents {
  readonly listeners = new Set<UeventListener>();
  /** Of the last event; /sys/kernel/uevent_seqnum. */
  seqnum = 0;

  /** `devpath` is without /sys: "/devices/virtual/tty/hvc0". */
  announce(action: string, devpath: string, variables: readonly string[]): void {
    const lines = this.lines(action, devpath, variables);
    for (const l of this.listeners) l.uevent(lines);
  }

  /** An event with the next number, for who tells of it himself: networks are told of their interfaces alone. */
  lines(action: string, devpath: string, variables: readonly string[]): readonly string[] {
    return [
      `${action}@${devpath}`,
      `ACTION=${action}`,
      `DEVPATH=${devpath}`,
      ...variables,
      `SEQNUM=${++this.seqnum}`,
    ];
  }
}
