/** What a machine is called and how long it has been up: uname(2), sysinfo(2), /proc. */
export class HostInfo {
  /** What the first UTS name space begins with. */
  readonly hostname: string;
  readonly domainname = "(none)";
  /** As uname -v shows it. */
  readonly version: string;
  /** Exponentially damped run-queue lengths over 1, 5 and 15 minutes. */
  readonly loadavg: [number, number, number] = [0, 0, 0];
  /** From boot, for /proc/cmdline. */
  readonly cmdline: string;

  constructor(hostname: string, version: string, cmdline: string) {
    this.hostname = hostname;
    this.version = version;
    this.cmdline = cmdline;
  }

  /** Every five seconds, with the number of threads that run or want to. See getloadavg(3). */
  sampleLoad(runnable: number): void {
    const seconds = [60, 300, 900];
    for (let i = 0; i < 3; i++) {
      const decay = Math.exp(-5 / seconds[i]!);
      this.loadavg[i] = this.loadavg[i]! * decay + runnable * (1 - decay);
    }
  }
}
