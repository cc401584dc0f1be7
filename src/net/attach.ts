/** The network of a machine: its protocol families, tables and tunables, joined to the rest. */

import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, IPPROTO_UDPLITE } from "../abi/inet.ts";
import { AF_INET, AF_INET6 } from "../abi/socket.ts";
import type { Cpu } from "../kern/cpu.ts";
import type { SysctlDir } from "../kern/sysctl.ts";
import type { Entropy } from "../platform/host.ts";
import type { NetText } from "../vfs/domain.ts";
import type { NetNamespace } from "../vfs/netns.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { IcmpMaker } from "./icmp/protocol.ts";
import { InetDomain } from "./inet/domain.ts";
import { SockDiagProtocol } from "./netlink/diag/sockdiag.ts";
import { NetlinkDomain } from "./netlink/domain.ts";
import { GenericProtocol } from "./netlink/generic.ts";
import type { NetlinkProtocol } from "./netlink/protocol.ts";
import { RouteProtocol } from "./netlink/route/rtnetlink.ts";
import { UeventProtocol } from "./netlink/uevent.ts";
import { UserSockProtocol } from "./netlink/usersock.ts";
import { addNetSysctls } from "./netsysctls.ts";
import { Network } from "./network.ts";
import { PacketDomain } from "./packet/domain.ts";
import type { ProtocolMaker } from "./protocol.ts";
import { RawMaker } from "./raw/socket.ts";
import { DatagramReport } from "./report/datagrams.ts";
import { MibReport } from "./report/mib.ts";
import { Sockstat } from "./report/sockstat.ts";
import { linkTexts } from "./report/texts.ts";
import { SockFs } from "./sockfs.ts";
import { tcpMaker } from "./tcp/maker.ts";
import { TcpReport } from "./tcp/report.ts";
import { NetTunables } from "./tunables.ts";
import { UdpMaker } from "./udp/protocol.ts";
import { UnixDomain } from "./unix/domain.ts";
import { UnixReport } from "./unix/report.ts";

export function attachNet(
  vfs: Vfs,
  cpu: Cpu,
  sysctls: SysctlDir,
  entropy: Entropy,
  ns: NetNamespace,
): Network {
  const tunables = new NetTunables();
  const sockfs = new SockFs(vfs);
  const unix = new UnixDomain(vfs, cpu, sockfs, tunables);
  const { domains } = vfs;
  domains.add(unix);
  domains.addText(new UnixReport(unix));
  const network = new Network({ vfs, cpu, sockfs, tunables, entropy, makers: inetProtocols(), ns });
  domains.maker = network;
  domains.netDevices = network;
  domains.add(new InetDomain(AF_INET, network));
  domains.add(new InetDomain(AF_INET6, network));
  for (const family of [AF_INET, AF_INET6]) domains.addText(new TcpReport(network, family));
  for (const text of inetTexts(network)) domains.addText(text);
  for (const text of linkTexts(network)) domains.addText(text);
  domains.add(new PacketDomain(network));
  addNetSysctls(network, sysctls);
  domains.add(new NetlinkDomain(network, netlinkProtocols(network, unix)));
  tunables.addTo(sysctls);
  return network;
}

/** What is spoken over IP; the order is that of socket(2)'s search. */
function inetProtocols(): readonly ProtocolMaker[] {
  return [
    tcpMaker,
    new UdpMaker(IPPROTO_UDP),
    new UdpMaker(IPPROTO_UDPLITE),
    new IcmpMaker(IPPROTO_ICMP),
    new IcmpMaker(IPPROTO_ICMPV6),
    new RawMaker(),
  ];
}

/** What /proc/net tells of them. */
function* inetTexts(network: Network): Generator<NetText> {
  for (const kind of ["udp", "udplite", "raw", "icmp"] as const) {
    for (const family of [AF_INET, AF_INET6]) yield new DatagramReport(network, kind, family);
  }
  for (const name of ["snmp", "snmp6", "netstat"] as const) yield new MibReport(network, name);
  for (const name of ["sockstat", "sockstat6"] as const) yield new Sockstat(network, name);
}

function netlinkProtocols(network: Network, unix: UnixDomain): readonly NetlinkProtocol[] {
  return [
    new RouteProtocol(),
    new UserSockProtocol(),
    new SockDiagProtocol(unix),
    new UeventProtocol(network),
    new GenericProtocol(),
  ];
}
