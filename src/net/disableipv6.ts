/**
 * net.ipv6.conf.{all,default,lo}.disable_ipv6: an interface without IPv6 has no addresses of it and takes no packets.
 *
 * `default` is for interfaces to come; `all` is for those, and all there are.
 */
import { SysctlInt } from "../kern/sysctl.ts";
import { setIp6Disabled } from "./ifroutes.ts";
import type { NetStack } from "./netstack.ts";

export class DisableIpv6 extends SysctlInt {
  readonly #stack: NetStack;
  readonly #which: "all" | "default" | "lo";

  constructor(stack: NetStack, which: "all" | "default" | "lo") {
    super(0, 1);
    this.#stack = stack;
    this.#which = which;
  }

  get(): number {
    const { ip6, lo } = this.#stack;
    if (this.#which === "lo") return lo.isIp6Disabled ? 1 : 0;
    return (this.#which === "all" ? ip6.isDisabledForAll : ip6.isDisabledByDefault) ? 1 : 0;
  }

  set(value: number): number {
    const stack = this.#stack;
    const is = value !== 0;
    if (this.#which === "lo") setIp6Disabled(stack, stack.lo, is);
    else stack.ip6.isDisabledByDefault = is;
    if (this.#which !== "all") return 0;
    stack.ip6.isDisabledForAll = is;
    for (const ifp of stack.interfaces.values()) setIp6Disabled(stack, ifp, is);
    return 0;
  }
}
