/** SO_ATTACH_FILTER and SO_DETACH_FILTER: a socket's filter, from struct sock_fprog; paid for while it is there. See socket(7). */
import { BPF_MAXINSNS, SOCK_FILTER_SIZE } from "../abi/bpf.ts";
import { EFAULT, EINVAL, ENOENT, ENOMEM, EPERM, failed } from "../abi/errno.ts";
import type { KernelMemory } from "../kern/kmem.ts";
import type { Thread } from "../kern/thread.ts";
import type { Lwp } from "../proc/lwp.ts";
import type { SocketOptions } from "./options.ts";
import { PacketFilter } from "./packetfilter.ts";

/** struct sock_fprog: u16 len, then, aligned, the address of the instructions. */
const FPROG_BYTES = 16;
const FPROG_FILTER = 8;
/** A checked instruction beside its source. */
const KEPT_FACTOR = 3;

export function attachFilter(td: Lwp, options: SocketOptions, value: Uint8Array): number {
  if (options.isFilterLocked) return EPERM;
  if (value.length !== FPROG_BYTES) return EINVAL;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const count = view.getUint16(0, true);
  const from = Number(view.getBigUint64(FPROG_FILTER, true));
  if (count === 0 || count > BPF_MAXINSNS || from === 0) return EINVAL;
  const source = new Uint8Array(count * SOCK_FILTER_SIZE);
  if (failed(td.proc.vmspace.copyin(from, source))) return EFAULT;
  const filter = PacketFilter.check(source);
  if (failed(filter)) return filter;
  if (!td.cpu.kmem.take(source.length * KEPT_FACTOR)) return ENOMEM;
  releaseFilter(td.cpu.kmem, options);
  options.filter = filter;
  return 0;
}

export function detachFilter(td: Thread, options: SocketOptions): number {
  if (options.isFilterLocked) return EPERM;
  if (!options.filter) return ENOENT;
  releaseFilter(td.cpu.kmem, options);
  return 0;
}

export function releaseFilter(kmem: KernelMemory, options: SocketOptions): void {
  if (!options.filter) return;
  kmem.give(options.filter.source.length * KEPT_FACTOR);
  options.filter = null;
}
