/** What an administrator may set for TCP: net.ipv4.tcp_*. See tcp(7), Linux's ip-sysctl. */
import { EINVAL, ENOENT } from "../../abi/errno.ts";
import type { Cred } from "../../kern/cred.ts";
import { SysctlConst, type SysctlDir, SysctlLeaf, SysctlVar } from "../../kern/sysctl.ts";
import { CONGESTION_NAMES } from "./congestion.ts";

const INT_MAX = 0x7fffffff;
/** MSS below this is not believed. */
const MIN_SND_MSS = 48;

export class TcpTunables {
  readonly synRetries = new SysctlVar(6, 1, 127);
  readonly synackRetries = new SysctlVar(5, 0, 255);
  readonly retries2 = new SysctlVar(15, 0, 255);
  readonly orphanRetries = new SysctlVar(0, 0, 255);
  readonly maxOrphans = new SysctlVar(8192, 0, INT_MAX);
  readonly maxTwBuckets = new SysctlVar(8192, 0, INT_MAX);
  readonly maxSynBacklog = new SysctlVar(512, 0, INT_MAX);
  readonly keepaliveTime = new SysctlVar(7200, 1, 32767);
  readonly keepaliveIntvl = new SysctlVar(75, 1, 32767);
  readonly keepaliveProbes = new SysctlVar(9, 1, 127);
  readonly finTimeout = new SysctlVar(60, 0, 120);
  readonly abortOnOverflow = new SysctlVar(0, 0, 255);
  readonly windowScaling = new SysctlVar(1, 0, 255);
  readonly timestamps = new SysctlVar(1, 0, 2);
  readonly sack = new SysctlVar(1, 0, 255);
  readonly dsack = new SysctlVar(1, 0, 255);
  readonly syncookies = new SysctlVar(1, 0, 2);
  readonly twReuse = new SysctlVar(2, 0, 2);
  readonly rfc1337 = new SysctlVar(0, 0, 255);
  readonly stdurg = new SysctlVar(0, 0, 255);
  readonly slowStartAfterIdle = new SysctlVar(1, 0, 255);
  readonly moderateRcvbuf = new SysctlVar(1, 0, 255);
  readonly invalidRatelimitMs = new SysctlVar(500, 0, INT_MAX);
  readonly minSndMss = new SysctlVar(MIN_SND_MSS, 40, 65535);
  readonly notsentLowat = new SysctlVar(0xffffffff, 0, 0xffffffff);
  readonly earlyRetrans = new SysctlVar(3, 0, 4);
  readonly rmem = new SysctlTriple([4096, 131072, 6291456]);
  readonly wmem = new SysctlTriple([4096, 16384, 4194304]);
  readonly congestion = new SysctlCongestion();

  addTo(tree: SysctlDir): void {
    const add = (name: string, leaf: SysctlLeaf): void => tree.add(`net.ipv4.tcp_${name}`, leaf);
    add("syn_retries", this.synRetries);
    add("synack_retries", this.synackRetries);
    add("retries2", this.retries2);
    add("orphan_retries", this.orphanRetries);
    add("max_orphans", this.maxOrphans);
    add("max_tw_buckets", this.maxTwBuckets);
    add("max_syn_backlog", this.maxSynBacklog);
    add("keepalive_time", this.keepaliveTime);
    add("keepalive_intvl", this.keepaliveIntvl);
    add("keepalive_probes", this.keepaliveProbes);
    add("fin_timeout", this.finTimeout);
    add("abort_on_overflow", this.abortOnOverflow);
    add("window_scaling", this.windowScaling);
    add("timestamps", this.timestamps);
    add("sack", this.sack);
    add("dsack", this.dsack);
    add("syncookies", this.syncookies);
    add("tw_reuse", this.twReuse);
    add("rfc1337", this.rfc1337);
    add("stdurg", this.stdurg);
    add("slow_start_after_idle", this.slowStartAfterIdle);
    add("moderate_rcvbuf", this.moderateRcvbuf);
    add("invalid_ratelimit", this.invalidRatelimitMs);
    add("min_snd_mss", this.minSndMss);
    add("notsent_lowat", this.notsentLowat);
    add("early_retrans", this.earlyRetrans);
    add("rmem", this.rmem);
    add("wmem", this.wmem);
    add("congestion_control", this.congestion);
    add("available_congestion_control", new SysctlConst(CONGESTION_NAMES.join(" ")));
    add("allowed_congestion_control", new SysctlConst(CONGESTION_NAMES.join(" ")));
    // What is not there cannot be turned on.
    add("ecn", new SysctlConst(0));
    add("fastopen", new SysctlConst(0));
    add("frto", new SysctlConst(0));
    add("mtu_probing", new SysctlConst(0));
  }
}

/** Three numbers: the least, the one to begin with, the most. */
export class SysctlTriple extends SysctlLeaf {
  #values: readonly number[];

  constructor(values: readonly number[]) {
    super(0o644);
    this.#values = values;
  }

  get min(): number {
    return this.#values[0]!;
  }

  get initial(): number {
    return this.#values[1]!;
  }

  get max(): number {
    return this.#values[2]!;
  }

  read(): string {
    return this.#values.join("\t");
  }

  /** As in Linux fewer than three change the first ones. */
  override write(text: string, _cred: Cred): number {
    const words = text.trim().split(/\s+/);
    if (words.length > 3 || !words.every((w) => /^\d{1,10}$/.test(w))) return EINVAL;
    const values = words.map(Number);
    if (values.some((v) => v < 1 || v > INT_MAX)) return EINVAL;
    this.#values = this.#values.map((old, i) => values[i] ?? old);
    return 0;
  }
}

export class SysctlCongestion extends SysctlLeaf {
  name = "cubic";

  constructor() {
    super(0o644);
  }

  read(): string {
    return this.name;
  }

  override write(text: string, _cred: Cred): number {
    if (!CONGESTION_NAMES.includes(text)) return ENOENT;
    this.name = text;
    return 0;
  }
}
