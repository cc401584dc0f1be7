/** What a machine has counted since its boot, for those outside who want to know. */
export interface MachineCounts {
  /** By sysctl name: "vm.stats.sys.v_syscall". */
  readonly counters: Readonly<Record<string, number>>;
  /** System calls made, by name. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface CountsPort {
  /** The answer to a `counts` event; and unasked, once, when the machine is over. */
  take(counts: MachineCounts): void;
}
