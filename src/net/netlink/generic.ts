/**
 * NETLINK_GENERIC: families that are found by name. The only one is "nlctrl",
 * which tells what families there are. See genl(8); Linux net/netlink/genetlink.c.
 */
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../abi/errno.ts";
import * as nl from "../../abi/netlink.ts";
import type { Policy } from "./attributes.ts";
import { ListDump } from "./dump.ts";
import type { NetlinkProtocol } from "./protocol.ts";
import type { Request } from "./request.ts";
import type { NetlinkWriter } from "./writer.ts";

const GROUPS = 32;
const GENL_NAMSIZ = 16;
const CTRL_VERSION = 2;

interface Family {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  readonly maxAttr: number;
  /** GENL_CMD_CAP_* by command. */
  readonly ops: readonly (readonly [number, number])[];
  readonly groups: readonly (readonly [string, number])[];
}

const CTRL: Family = {
  id: nl.GENL_ID_CTRL,
  name: "nlctrl",
  version: CTRL_VERSION,
  maxAttr: 0,
  ops: [
    [nl.CTRL_CMD_GETFAMILY, nl.GENL_CMD_CAP_DO | nl.GENL_CMD_CAP_DUMP | nl.GENL_CMD_CAP_HASPOL],
  ],
  groups: [["notify", nl.GENL_ID_CTRL]],
};
const FAMILIES: readonly Family[] = [CTRL];

const POLICY: Policy = {
  [nl.CTRL_ATTR_FAMILY_ID]: "u16",
  [nl.CTRL_ATTR_FAMILY_NAME]: { string: GENL_NAMSIZ - 1 },
};

export class GenericProtocol implements NetlinkProtocol {
  readonly protocol = nl.NETLINK_GENERIC;
  readonly groups = GROUPS;
  readonly mayAnyoneListen = true;
  readonly mayAnyoneSend = false;
  readonly hasKernelEnd = true;

  serve(request: Request): number {
    if (request.type !== nl.GENL_ID_CTRL) return ENOENT;
    const at = request.fixed(nl.GenlMsgHdr.sizeof);
    if (at < 0) return EINVAL;
    const command = nl.GenlMsgHdr.cmd.get(request.view, at);
    if (command !== nl.CTRL_CMD_GETFAMILY) return EOPNOTSUPP;
    if ((request.flags & nl.NLM_F_DUMP) === nl.NLM_F_DUMP) {
      return request.dump(new FamilyDump(request));
    }
    const attrs = request.attrs(nl.GenlMsgHdr.sizeof, POLICY);
    if (typeof attrs === "number") return attrs;
    const id = attrs.u16(nl.CTRL_ATTR_FAMILY_ID);
    const name = attrs.string(nl.CTRL_ATTR_FAMILY_NAME);
    if (id === null && name === null) return EINVAL;
    const family = FAMILIES.find((f) => f.id === id || f.name === name);
    if (!family) return ENOENT;
    const w = request.answer(nl.GENL_ID_CTRL);
    writeFamily(w, family);
    return request.reply(w);
  }
}

class FamilyDump extends ListDump<Family> {
  protected items(): readonly Family[] {
    return FAMILIES;
  }

  protected write(w: NetlinkWriter, family: Family): boolean {
    writeFamily(this.begin(w, nl.GENL_ID_CTRL), family);
    return w.end();
  }
}

function writeFamily(w: NetlinkWriter, family: Family): void {
  const { view, at } = w.fixed(nl.GenlMsgHdr.sizeof);
  nl.GenlMsgHdr.cmd.set(view, at, nl.CTRL_CMD_NEWFAMILY);
  nl.GenlMsgHdr.version.set(view, at, CTRL_VERSION);
  w.string(nl.CTRL_ATTR_FAMILY_NAME, family.name);
  w.u16(nl.CTRL_ATTR_FAMILY_ID, family.id);
  w.u32(nl.CTRL_ATTR_VERSION, family.version);
  w.u32(nl.CTRL_ATTR_HDRSIZE, 0);
  w.u32(nl.CTRL_ATTR_MAXATTR, family.maxAttr);
  const ops = w.plainNest(nl.CTRL_ATTR_OPS);
  for (const [i, [id, flags]] of family.ops.entries()) {
    const op = w.plainNest(i + 1);
    w.u32(nl.CTRL_ATTR_OP_ID, id);
    w.u32(nl.CTRL_ATTR_OP_FLAGS, flags);
    w.endNest(op);
  }
  w.endNest(ops);
  const groups = w.plainNest(nl.CTRL_ATTR_MCAST_GROUPS);
  for (const [i, [name, id]] of family.groups.entries()) {
    const group = w.plainNest(i + 1);
    w.u32(nl.CTRL_ATTR_MCAST_GRP_ID, id);
    w.string(nl.CTRL_ATTR_MCAST_GRP_NAME, name);
    w.endNest(group);
  }
  w.endNest(groups);
}
