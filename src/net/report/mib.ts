/** /proc/net/snmp, snmp6 and netstat: what the stack counted. See proc_net(5), RFC 4293. */
import type { Thread } from "../../kern/thread.ts";
import type { NetText } from "../../vfs/domain.ts";
import type { MibGroup } from "../mib.ts";
import type { NetStack } from "../netstack.ts";
import type { Network } from "../network.ts";

export class MibReport implements NetText {
  readonly name: "snmp" | "snmp6" | "netstat";
  readonly #network: Network;

  constructor(network: Network, name: "snmp" | "snmp6" | "netstat") {
    this.name = name;
    this.#network = network;
  }

  text(td: Thread): string {
    const stack = this.#network.stackOf(td);
    for (const protocol of stack.protocols.values()) protocol.settleCounters?.();
    if (this.name === "snmp6") return snmp6(stack);
    const { mib } = stack;
    if (this.name === "netstat") return lines(mib.tcpExt) + lines(mib.ipExt);
    mib.ip.set("Forwarding", stack.ip4.ipForward.get() !== 0 ? 1 : 2);
    mib.ip.set("DefaultTTL", stack.ip4.defaultTtl.get());
    mib.ip.set("OutTransmits", mib.ip.get("OutRequests") + mib.ip.get("ForwDatagrams"));
    return (
      lines(mib.ip) +
      lines(mib.icmp) +
      icmpTypes(mib.icmpIn, mib.icmpOut) +
      lines(mib.tcp) +
      lines(mib.udp) +
      lines(mib.udpLite)
    );
  }
}

/** Names in one line, values in the next. */
function lines(group: MibGroup): string {
  return `${group.name}: ${group.fields.join(" ")}\n${group.name}: ${group.values.join(" ")}\n`;
}

function icmpTypes(came: Map<number, number>, went: Map<number, number>): string {
  const types = [...sorted(came, "InType"), ...sorted(went, "OutType")];
  if (types.length === 0) return "";
  const names = types.map(([name]) => name).join(" ");
  return `IcmpMsg: ${names}\nIcmpMsg: ${types.map(([, n]) => n).join(" ")}\n`;
}

function sorted(types: Map<number, number>, prefix: string): [string, number][] {
  return [...types].sort((a, b) => a[0] - b[0]).map(([type, n]) => [`${prefix}${type}`, n]);
}

function snmp6(stack: NetStack): string {
  const { mib } = stack;
  mib.ip6.set(
    "Ip6OutTransmits",
    mib.ip6.get("Ip6OutRequests") + mib.ip6.get("Ip6OutForwDatagrams"),
  );
  let out = "";
  const line = (name: string, n: number): void => {
    out += `${name.padEnd(32)}\t${n}\n`;
  };
  const group = (g: MibGroup): void => {
    g.fields.forEach((name, i) => {
      line(name, g.values[i]!);
    });
  };
  group(mib.ip6);
  group(mib.icmp6);
  for (const [name, n] of sorted(mib.icmp6In, "Icmp6InType")) line(name, n);
  for (const [name, n] of sorted(mib.icmp6Out, "Icmp6OutType")) line(name, n);
  group(mib.udp6);
  group(mib.udpLite6);
  return out;
}
