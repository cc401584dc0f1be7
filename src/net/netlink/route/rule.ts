/** RTM_GETRULE, RTM_NEWRULE, RTM_DELRULE: which routing table is asked for which packets. See ip-rule(8). */
import { EEXIST, EINVAL, ENOENT, EOPNOTSUPP } from "../../../abi/errno.ts";
import { NLM_F_EXCL } from "../../../abi/netlink.ts";
import { FR_ACT_GOTO, FR_ACT_PROHIBIT, FR_ACT_TO_TBL, RTPROT_KERNEL } from "../../../abi/route.ts";
import * as rt from "../../../abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { bytesOf } from "../../../lib/bytes.ts";
import { ANY, prefixOf } from "../../address.ts";
import type { NetStack } from "../../netstack.ts";
import type { Fib } from "../../route.ts";
import type { RouteRule } from "../../routerule.ts";
import type { Policy } from "../attributes.ts";
import { ListDump } from "../dump.ts";
import type { Request } from "../request.ts";
import type { NetlinkWriter } from "../writer.ts";

const IFNAMSIZ = 16;
/** Of the rule that says "local": no other may have it by default. */
const NO_SUPPRESSION = 0xffffffff;

const policyOf = (size: number): Policy => ({
  [rt.FRA_DST]: { bytes: size },
  [rt.FRA_SRC]: { bytes: size },
  [rt.FRA_IIFNAME]: { string: IFNAMSIZ - 1 },
  [rt.FRA_OIFNAME]: { string: IFNAMSIZ - 1 },
  [rt.FRA_PRIORITY]: "u32",
  [rt.FRA_FWMARK]: "u32",
  [rt.FRA_FWMASK]: "u32",
  [rt.FRA_TABLE]: "u32",
  [rt.FRA_GOTO]: "u32",
  [rt.FRA_SUPPRESS_PREFIXLEN]: "u32",
  [rt.FRA_SUPPRESS_IFGROUP]: "u32",
  [rt.FRA_PROTOCOL]: "u8",
  [rt.FRA_L3MDEV]: "u8",
  [rt.FRA_UID_RANGE]: { bytes: 8 },
  [rt.FRA_IP_PROTO]: "u8",
});
const POLICY4 = policyOf(4);
const POLICY6 = policyOf(16);
const UNSUPPORTED = [rt.FRA_L3MDEV, rt.FRA_UID_RANGE, rt.FRA_IP_PROTO, rt.FRA_GOTO];

interface Asked {
  readonly fib: Fib;
  readonly family: number;
  readonly hasPriority: boolean;
  readonly rule: RouteRule;
  readonly action: number;
}

function parse(request: Request): Asked | number {
  const at = request.fixed(rt.RtMsg.sizeof);
  if (at < 0) return request.fail(EINVAL, "Invalid msg length");
  const { view } = request;
  const family = rt.RtMsg.rtm_family.get(view, at);
  if (family !== AF_INET && family !== AF_INET6) {
    return request.fail(EOPNOTSUPP, "Rule family not supported");
  }
  const is4 = family === AF_INET;
  const attrs = request.attrs(rt.RtMsg.sizeof, is4 ? POLICY4 : POLICY6);
  if (typeof attrs === "number") return attrs;
  const most = is4 ? 32 : 128;
  const dstBits = rt.RtMsg.rtm_dst_len.get(view, at);
  const srcBits = rt.RtMsg.rtm_src_len.get(view, at);
  if (dstBits > most || (dstBits > 0 && !attrs.has(rt.FRA_DST))) {
    return request.fail(EINVAL, "Invalid dst address length");
  }
  if (srcBits > most || (srcBits > 0 && !attrs.has(rt.FRA_SRC))) {
    return request.fail(EINVAL, "Invalid src address length");
  }
  for (const type of UNSUPPORTED) {
    if (attrs.has(type))
      return request.fail(EOPNOTSUPP, "Unsupported selector", attrs.offsetOf(type));
  }
  const suppress = attrs.u32(rt.FRA_SUPPRESS_PREFIXLEN) ?? NO_SUPPRESSION;
  const group = attrs.u32(rt.FRA_SUPPRESS_IFGROUP) ?? NO_SUPPRESSION;
  if (suppress !== NO_SUPPRESSION || group !== NO_SUPPRESSION) {
    return request.fail(EOPNOTSUPP, "Suppression is not supported");
  }
  const { stack } = request.socket;
  const fib = is4 ? stack.fib4 : stack.fib6;
  const size = is4 ? 4 : 16;
  const mark = attrs.u32(rt.FRA_FWMARK) ?? 0;
  const action = rt.RtMsg.rtm_type.get(view, at);
  const rule: RouteRule = {
    priority: attrs.u32(rt.FRA_PRIORITY) ?? defaultPriority(fib),
    action,
    table: attrs.u32(rt.FRA_TABLE) ?? rt.RtMsg.rtm_table.get(view, at),
    src: prefixOf((attrs.chars(rt.FRA_SRC) ?? ANY).slice(0, size), srcBits),
    srcBits,
    dst: prefixOf((attrs.chars(rt.FRA_DST) ?? ANY).slice(0, size), dstBits),
    dstBits,
    iif: attrs.string(rt.FRA_IIFNAME) ?? "",
    oif: attrs.string(rt.FRA_OIFNAME) ?? "",
    mark,
    markMask: attrs.u32(rt.FRA_FWMASK) ?? (mark !== 0 ? 0xffffffff : 0),
    tos: rt.RtMsg.rtm_tos.get(view, at),
    isInverted: (rt.RtMsg.rtm_flags.get(view, at) & rt.FIB_RULE_INVERT) !== 0,
  };
  return { fib, family, hasPriority: attrs.has(rt.FRA_PRIORITY), rule, action };
}

/** Before the rule after the first. */
function defaultPriority(fib: Fib): number {
  const second = fib.rules.all[1];
  return second && second.priority > 0 ? second.priority - 1 : 0;
}

export function newRule(request: Request): number {
  const asked = parse(request);
  if (typeof asked === "number") return asked;
  const { fib, rule, action } = asked;
  if (action < FR_ACT_TO_TBL || action > FR_ACT_PROHIBIT || action === FR_ACT_GOTO) {
    return request.fail(EINVAL, "Invalid action");
  }
  if (action === FR_ACT_TO_TBL && rule.table === 0) return request.fail(EINVAL, "Invalid table");
  if (fib.rules.has(rule) && (request.flags & NLM_F_EXCL) !== 0) return EEXIST;
  const r = fib.addRule(rule);
  if (r < 0) return r;
  request.socket.stack.ruleChanged(asked.family, rule, false);
  return 0;
}

export function delRule(request: Request): number {
  const asked = parse(request);
  if (typeof asked === "number") return asked;
  const { fib, rule, action, hasPriority } = asked;
  const gone = fib.rules.all.find(
    (r) =>
      (!hasPriority || r.priority === rule.priority) &&
      (action === 0 || r.action === action) &&
      (rule.table === 0 || r.table === rule.table) &&
      (rule.srcBits === 0 || (r.src === rule.src && r.srcBits === rule.srcBits)) &&
      (rule.dstBits === 0 || (r.dst === rule.dst && r.dstBits === rule.dstBits)) &&
      (rule.iif === "" || r.iif === rule.iif) &&
      (rule.oif === "" || r.oif === rule.oif) &&
      (rule.mark === 0 || r.mark === rule.mark) &&
      (rule.tos === 0 || r.tos === rule.tos),
  );
  if (!gone) return ENOENT;
  fib.removeRule(gone);
  request.socket.stack.ruleChanged(asked.family, gone, true);
  return 0;
}

export function dumpRules(request: Request): number {
  return request.dump(new RuleDump(request, request.bytes[request.fixed(1)]!));
}

interface Rule {
  readonly family: number;
  readonly rule: RouteRule;
}

class RuleDump extends ListDump<Rule> {
  readonly #stack: NetStack;
  readonly #family: number;

  constructor(request: Request, family: number) {
    super(request);
    this.#stack = request.socket.stack;
    this.#family = family;
  }

  protected *items(): Generator<Rule> {
    for (const family of [AF_INET, AF_INET6]) {
      if (this.#family !== 0 && this.#family !== family) continue;
      const { rules } = family === AF_INET ? this.#stack.fib4 : this.#stack.fib6;
      for (const rule of rules.all) yield { family, rule };
    }
  }

  protected write(w: NetlinkWriter, { family, rule }: Rule): boolean {
    return writeRule(w, family, rule, {
      type: rt.RTM_NEWRULE,
      flags: this.flags,
      seq: this.seq,
      pid: this.pid,
    });
  }
}

export interface RuleAnswer {
  /** RTM_NEWRULE or RTM_DELRULE. */
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly pid: number;
}

export function writeRule(
  w: NetlinkWriter,
  family: number,
  rule: RouteRule,
  answer: RuleAnswer,
): boolean {
  w.begin(answer.type, answer.flags, answer.seq, answer.pid);
  const { view, at } = w.fixed(rt.RtMsg.sizeof);
  rt.RtMsg.rtm_family.set(view, at, family);
  rt.RtMsg.rtm_dst_len.set(view, at, rule.dstBits);
  rt.RtMsg.rtm_src_len.set(view, at, rule.srcBits);
  rt.RtMsg.rtm_tos.set(view, at, rule.tos);
  rt.RtMsg.rtm_table.set(view, at, rule.table < 256 ? rule.table : rt.RT_TABLE_COMPAT);
  rt.RtMsg.rtm_type.set(view, at, rule.action);
  rt.RtMsg.rtm_flags.set(view, at, rule.isInverted ? rt.FIB_RULE_INVERT : 0);
  w.u32(rt.FRA_TABLE, rule.table);
  w.u32(rt.FRA_SUPPRESS_PREFIXLEN, NO_SUPPRESSION);
  w.u8(rt.FRA_PROTOCOL, RTPROT_KERNEL);
  if (rule.iif !== "") w.string(rt.FRA_IIFNAME, rule.iif);
  if (rule.oif !== "") w.string(rt.FRA_OIFNAME, rule.oif);
  if (rule.priority !== 0) w.u32(rt.FRA_PRIORITY, rule.priority);
  if (rule.mark !== 0) w.u32(rt.FRA_FWMARK, rule.mark);
  if (rule.markMask !== 0) w.u32(rt.FRA_FWMASK, rule.markMask);
  if (rule.dstBits > 0) w.attr(rt.FRA_DST, bytesOf(rule.dst));
  if (rule.srcBits > 0) w.attr(rt.FRA_SRC, bytesOf(rule.src));
  return w.end();
}
