/**
 * An IPC name space: all that identifiers and keys of System V IPC mean. See ipc_namespaces(7).
 * There is one so far; threads know theirs as `td.ipc`.
 */
import type { Cpu } from "../kern/cpu.ts";
import type { PageAllocator } from "../vm/page.ts";
import { MsgTable } from "./msg.ts";
import { SemTable } from "./sem.ts";
import { ShmTable } from "./shm.ts";

export class IpcNamespace {
  readonly shm: ShmTable;
  readonly sem: SemTable;
  readonly msg: MsgTable;

  constructor(cpu: Cpu, pages: PageAllocator) {
    this.shm = new ShmTable(cpu, pages);
    this.sem = new SemTable(cpu);
    this.msg = new MsgTable(cpu);
  }
}
