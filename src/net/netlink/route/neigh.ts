/** RTM_GETNEIGH, RTM_NEWNEIGH, RTM_DELNEIGH: link addresses of neighbours. See ip-neighbour(8), arp(7). */
import { EOPNOTSUPP } from "../../../abi/errno.ts";
import type { Request } from "../request.ts";
import { nothingThere } from "./qdisc.ts";

export function getNeighbour(_request: Request): number {
  return EOPNOTSUPP;
}

export function changeNeighbour(_request: Request): number {
  return EOPNOTSUPP;
}

export function dumpNeighbours(request: Request): number {
  return nothingThere(request);
}
