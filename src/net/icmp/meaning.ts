/** What ICMP errors mean to a program: an errno, and whether it is the end. As icmp_err_convert in Linux. */
import {
  EACCES,
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
  type Errno,
} from "../../abi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_TIME_EXCEEDED,
  ICMPV6_DEST_UNREACH,
  ICMPV6_PARAMPROB,
  ICMPV6_PKT_TOOBIG,
  ICMPV6_TIME_EXCEED,
} from "../../abi/icmp.ts";

export interface IcmpMeaning {
  readonly errno: Errno;
  readonly isHard: boolean;
}

const UNREACH4: readonly IcmpMeaning[] = [
  { errno: ENETUNREACH, isHard: false },
  { errno: EHOSTUNREACH, isHard: false },
  { errno: ENOPROTOOPT, isHard: true },
  { errno: ECONNREFUSED, isHard: true },
  { errno: EMSGSIZE, isHard: false },
  { errno: EOPNOTSUPP, isHard: false },
  { errno: ENETUNREACH, isHard: true },
  { errno: EHOSTDOWN, isHard: true },
  { errno: ENONET, isHard: true },
  { errno: ENETUNREACH, isHard: true },
  { errno: EHOSTUNREACH, isHard: true },
  { errno: ENETUNREACH, isHard: false },
  { errno: EHOSTUNREACH, isHard: false },
  { errno: EHOSTUNREACH, isHard: true },
  { errno: EHOSTUNREACH, isHard: true },
  { errno: EHOSTUNREACH, isHard: true },
];

const UNREACH6: readonly IcmpMeaning[] = [
  { errno: ENETUNREACH, isHard: false },
  { errno: EACCES, isHard: true },
  { errno: EHOSTUNREACH, isHard: false },
  { errno: EHOSTUNREACH, isHard: false },
  { errno: ECONNREFUSED, isHard: true },
  { errno: EACCES, isHard: true },
  { errno: EACCES, isHard: true },
];

/** Null: it means nothing to anybody. */
export function meaningOf4(type: number, code: number): IcmpMeaning | null {
  if (type === ICMP_DEST_UNREACH) return UNREACH4[code] ?? null;
  if (type === ICMP_TIME_EXCEEDED) return { errno: EHOSTUNREACH, isHard: false };
  if (type === ICMP_PARAMETERPROB) return { errno: EPROTO, isHard: true };
  return null;
}

export function meaningOf6(type: number, code: number): IcmpMeaning | null {
  if (type === ICMPV6_DEST_UNREACH) return UNREACH6[code] ?? { errno: EPROTO, isHard: true };
  if (type === ICMPV6_PKT_TOOBIG) return { errno: EMSGSIZE, isHard: false };
  if (type === ICMPV6_TIME_EXCEED) return { errno: EHOSTUNREACH, isHard: false };
  if (type === ICMPV6_PARAMPROB) return { errno: EPROTO, isHard: true };
  return null;
}
