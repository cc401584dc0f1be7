/** The tunables of networks in the machine's sysctl tree: whoever reads or writes one means that of his own network. */
import type { Cred } from "../kern/cred.ts";
import { SysctlDir, SysctlLeaf } from "../kern/sysctl.ts";
import type { Thread } from "../kern/thread.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { Network } from "./network.ts";

/** Every network has the same names. */
export function addNetSysctls(network: Network, tree: SysctlDir): void {
  addAll(network, tree, network.initial.sysctls, "");
}

function addAll(network: Network, tree: SysctlDir, dir: SysctlDir, prefix: string): void {
  for (const [name, node] of dir.children) {
    const path = prefix + name;
    if (node instanceof SysctlDir) addAll(network, tree, node, `${path}.`);
    else tree.add(path, new OwnNetworkLeaf(network, path, node.mode));
  }
}

class OwnNetworkLeaf extends SysctlLeaf {
  readonly #network: Network;
  readonly #path: string;

  constructor(network: Network, path: string, mode: number) {
    super(mode);
    this.#network = network;
    this.#path = path;
  }

  override userns(td: Thread): UserNamespace {
    return this.#network.stackOf(td).ns.owner;
  }

  read(td: Thread): string {
    return this.#leaf(td).read(td);
  }

  override write(text: string, cred: Cred, td: Thread): number {
    return this.#leaf(td).write(text, cred, td);
  }

  #leaf(td: Thread): SysctlLeaf {
    return this.#network.stackOf(td).sysctls.find(this.#path) as SysctlLeaf;
  }
}
