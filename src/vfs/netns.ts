/**
 * A network name space: interfaces, addresses, routes, ports and abstract UNIX
 * names of its own. See network_namespaces(7). What is in it is net/'s.
 */
import { Namespace } from "../kern/namespace.ts";

/** A network stack, which ends with its name space. */
export interface NetContents {
  end(): void;
}

export class NetNamespace extends Namespace {
  readonly kind = "net";
  contents: NetContents | null = null;

  protected override end(): void {
    this.contents?.end();
    this.contents = null;
  }
}

/** Makes what a new network name space has in it: net/ registers it with the Domains. */
export interface NetMaker {
  make(ns: NetNamespace): NetContents;
}
