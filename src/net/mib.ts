/**
 * What the stack counts, by the names of /proc/net/snmp, snmp6 and netstat. RFC 4293, RFC 4113.
 *
 * A group is a table of counters in the order in which Linux lists them; who counts keeps
 * the index. Unknown names do not exist: the lists are the whole truth.
 */
export class MibGroup {
  readonly name: string;
  readonly fields: readonly string[];
  readonly values: Float64Array;

  constructor(name: string, fields: readonly string[]) {
    this.name = name;
    this.fields = fields;
    this.values = new Float64Array(fields.length);
  }

  /** Where `field` is counted: for `values[i]++`. */
  index(field: string): number {
    return this.fields.indexOf(field);
  }

  count(field: string, n = 1): void {
    this.values[this.fields.indexOf(field)]! += n;
  }

  get(field: string): number {
    return this.values[this.fields.indexOf(field)] ?? 0;
  }

  set(field: string, n: number): void {
    this.values[this.fields.indexOf(field)] = n;
  }
}

const IP_FIELDS =
  "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers " +
  "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutTransmits";
const ICMP_FIELDS =
  "InMsgs InErrors InCsumErrors InDestUnreachs InTimeExcds InParmProbs InSrcQuenchs InRedirects InEchos InEchoReps " +
  "InTimestamps InTimestampReps InAddrMasks InAddrMaskReps OutMsgs OutErrors OutRateLimitGlobal OutRateLimitHost " +
  "OutDestUnreachs OutTimeExcds OutParmProbs OutSrcQuenchs OutRedirects OutEchos OutEchoReps OutTimestamps " +
  "OutTimestampReps OutAddrMasks OutAddrMaskReps";
const TCP_FIELDS =
  "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs " +
  "RetransSegs InErrs OutRsts InCsumErrors";
const UDP_FIELDS =
  "InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors";
const IP6_FIELDS =
  "Ip6InReceives Ip6InHdrErrors Ip6InTooBigErrors Ip6InNoRoutes Ip6InAddrErrors Ip6InUnknownProtos Ip6InTruncatedPkts " +
  "Ip6InDiscards Ip6InDelivers Ip6OutForwDatagrams Ip6OutRequests Ip6OutDiscards Ip6OutNoRoutes Ip6ReasmTimeout " +
  "Ip6ReasmReqds Ip6ReasmOKs Ip6ReasmFails Ip6FragOKs Ip6FragFails Ip6FragCreates Ip6InMcastPkts Ip6OutMcastPkts " +
  "Ip6InOctets Ip6OutOctets Ip6InMcastOctets Ip6OutMcastOctets Ip6InBcastOctets Ip6OutBcastOctets Ip6InNoECTPkts " +
  "Ip6InECT1Pkts Ip6InECT0Pkts Ip6InCEPkts Ip6OutTransmits";
const ICMP6_FIELDS =
  "Icmp6InMsgs Icmp6InErrors Icmp6OutMsgs Icmp6OutErrors Icmp6InCsumErrors Icmp6OutRateLimitHost Icmp6InDestUnreachs " +
  "Icmp6InPktTooBigs Icmp6InTimeExcds Icmp6InParmProblems Icmp6InEchos Icmp6InEchoReplies Icmp6InGroupMembQueries " +
  "Icmp6InGroupMembResponses Icmp6InGroupMembReductions Icmp6InRouterSolicits Icmp6InRouterAdvertisements " +
  "Icmp6InNeighborSolicits Icmp6InNeighborAdvertisements Icmp6InRedirects Icmp6InMLDv2Reports Icmp6OutDestUnreachs " +
  "Icmp6OutPktTooBigs Icmp6OutTimeExcds Icmp6OutParmProblems Icmp6OutEchos Icmp6OutEchoReplies " +
  "Icmp6OutGroupMembQueries Icmp6OutGroupMembResponses Icmp6OutGroupMembReductions Icmp6OutRouterSolicits " +
  "Icmp6OutRouterAdvertisements Icmp6OutNeighborSolicits Icmp6OutNeighborAdvertisements Icmp6OutRedirects Icmp6OutMLDv2Reports";
const UDP6_FIELDS =
  "Udp6InDatagrams Udp6NoPorts Udp6InErrors Udp6OutDatagrams Udp6RcvbufErrors Udp6SndbufErrors Udp6InCsumErrors " +
  "Udp6IgnoredMulti Udp6MemErrors";
const IPEXT_FIELDS =
  "InNoRoutes InTruncatedPkts InMcastPkts OutMcastPkts InBcastPkts OutBcastPkts InOctets OutOctets InMcastOctets " +
  "OutMcastOctets InBcastOctets OutBcastOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps";
const TCPEXT_FIELDS =
  "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts PruneCalled RcvPruned OfoPruned OutOfWindowIcmps " +
  "LockDroppedIcmps ArpFilter TW TWRecycled TWKilled PAWSActive PAWSEstab BeyondWindow TSEcrRejected PAWSOldAck " +
  "PAWSTimewait DelayedACKs DelayedACKLocked DelayedACKLost ListenOverflows ListenDrops TCPHPHits TCPPureAcks TCPHPAcks " +
  "TCPRenoRecovery TCPSackRecovery TCPSACKReneging TCPSACKReorder TCPRenoReorder TCPTSReorder TCPFullUndo TCPPartialUndo " +
  "TCPDSACKUndo TCPLossUndo TCPLostRetransmit TCPRenoFailures TCPSackFailures TCPLossFailures TCPFastRetrans " +
  "TCPSlowStartRetrans TCPTimeouts TCPLossProbes TCPLossProbeRecovery TCPRenoRecoveryFail TCPSackRecoveryFail " +
  "TCPRcvCollapsed TCPBacklogCoalesce TCPDSACKOldSent TCPDSACKOfoSent TCPDSACKRecv TCPDSACKOfoRecv TCPAbortOnData " +
  "TCPAbortOnClose TCPAbortOnMemory TCPAbortOnTimeout TCPAbortOnLinger TCPAbortFailed TCPMemoryPressures " +
  "TCPMemoryPressuresChrono TCPSACKDiscard TCPDSACKIgnoredOld TCPDSACKIgnoredNoUndo TCPSpuriousRTOs TCPMD5NotFound " +
  "TCPMD5Unexpected TCPMD5Failure TCPSackShifted TCPSackMerged TCPSackShiftFallback TCPBacklogDrop PFMemallocDrop " +
  "TCPMinTTLDrop TCPDeferAcceptDrop IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop " +
  "TCPRetransFail TCPRcvCoalesce TCPOFOQueue TCPOFODrop TCPOFOMerge TCPChallengeACK TCPSYNChallenge TCPFastOpenActive " +
  "TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow TCPFastOpenCookieReqd " +
  "TCPFastOpenBlackhole TCPSpuriousRtxHostQueues BusyPollRxPackets TCPAutoCorking TCPFromZeroWindowAdv " +
  "TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPSynRetrans TCPOrigDataSent TCPHystartTrainDetect TCPHystartTrainCwnd " +
  "TCPHystartDelayDetect TCPHystartDelayCwnd TCPACKSkippedSynRecv TCPACKSkippedPAWS TCPACKSkippedSeq " +
  "TCPACKSkippedFinWait2 TCPACKSkippedTimeWait TCPACKSkippedChallenge TCPWinProbe TCPKeepAlive TCPMTUPFail " +
  "TCPMTUPSuccess TCPDelivered TCPDeliveredCE TCPAckCompressed TCPZeroWindowDrop TCPRcvQDrop TCPWqueueTooBig " +
  "TCPFastOpenPassiveAltKey TcpTimeoutRehash TcpDuplicateDataRehash TCPDSACKRecvSegs TCPDSACKIgnoredDubious " +
  "TCPMigrateReqSuccess TCPMigrateReqFailure TCPPLBRehash";

export class Mib {
  readonly ip = new MibGroup("Ip", IP_FIELDS.split(" "));
  readonly icmp = new MibGroup("Icmp", ICMP_FIELDS.split(" "));
  readonly tcp = new MibGroup("Tcp", TCP_FIELDS.split(" "));
  readonly udp = new MibGroup("Udp", UDP_FIELDS.split(" "));
  readonly udpLite = new MibGroup("UdpLite", UDP_FIELDS.split(" "));
  readonly ip6 = new MibGroup("Ip6", IP6_FIELDS.split(" "));
  readonly icmp6 = new MibGroup("Icmp6", ICMP6_FIELDS.split(" "));
  readonly udp6 = new MibGroup("Udp6", UDP6_FIELDS.split(" "));
  readonly udpLite6 = new MibGroup(
    "UdpLite6",
    UDP6_FIELDS.replaceAll("Udp6", "UdpLite6").split(" "),
  );
  readonly ipExt = new MibGroup("IpExt", IPEXT_FIELDS.split(" "));
  readonly tcpExt = new MibGroup("TcpExt", TCPEXT_FIELDS.split(" "));
  /** Where what every packet counts is counted. */
  readonly ipOutRequests = this.ip.index("OutRequests");
  readonly ipInReceives = this.ip.index("InReceives");
  readonly ipInDelivers = this.ip.index("InDelivers");
  readonly ip6OutRequests = this.ip6.index("Ip6OutRequests");
  readonly ip6OutOctets = this.ip6.index("Ip6OutOctets");
  readonly ip6InReceives = this.ip6.index("Ip6InReceives");
  readonly ip6InDelivers = this.ip6.index("Ip6InDelivers");
  readonly ip6InOctets = this.ip6.index("Ip6InOctets");
  readonly ipInOctets = this.ipExt.index("InOctets");
  readonly ipOutOctets = this.ipExt.index("OutOctets");
  /** ICMP messages by type, in and out: IcmpMsg, and its like in snmp6. */
  readonly icmpIn = new Map<number, number>();
  readonly icmpOut = new Map<number, number>();
  readonly icmp6In = new Map<number, number>();
  readonly icmp6Out = new Map<number, number>();
}

const OUT4: Readonly<Record<number, string>> = {
  0: "OutEchoReps",
  8: "OutEchos",
  13: "OutTimestamps",
};
const OUT6: Readonly<Record<number, string>> = { 128: "Icmp6OutEchos", 129: "Icmp6OutEchoReplies" };

/** An ICMP message that a program sends. */
export function countIcmpOut(mib: Mib, is4: boolean, type: number): void {
  const group = is4 ? mib.icmp : mib.icmp6;
  group.count(is4 ? "OutMsgs" : "Icmp6OutMsgs");
  const name = is4 ? OUT4[type] : OUT6[type];
  if (name) group.count(name);
  countType(is4 ? mib.icmpOut : mib.icmp6Out, type);
}

export function countType(types: Map<number, number>, type: number): void {
  types.set(type, (types.get(type) ?? 0) + 1);
}
