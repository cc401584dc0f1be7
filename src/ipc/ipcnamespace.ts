/**
 * An IPC name space: all that identifiers and keys of System V IPC mean, and
 * names of message queues. See ipc_namespaces(7).
 */
import type { Cpu } from "../kern/cpu.ts";
import { type Charge, Namespace } from "../kern/namespace.ts";
import type { UserNamespace } from "../kern/userns.ts";
import type { PageAllocator } from "../vm/page.ts";
import { MsgTable } from "./msg.ts";
import { SemTable } from "./sem.ts";
import { ShmTable } from "./shm.ts";

/** The message queues' file system of a name space, which ends with it. */
export interface QueueNames {
  end(): void;
}

export class IpcNamespace extends Namespace {
  readonly kind = "ipc";
  readonly shm: ShmTable;
  readonly sem: SemTable;
  readonly msg: MsgTable;
  /** POSIX message queues; null until the first use. */
  queues: QueueNames | null = null;

  constructor(
    cpu: Cpu,
    pages: PageAllocator,
    ino: number,
    owner: UserNamespace,
    charge: Charge | null,
  ) {
    super(ino, owner, charge);
    this.shm = new ShmTable(cpu, pages, owner);
    this.sem = new SemTable(cpu, owner);
    this.msg = new MsgTable(cpu, owner);
  }

  protected override end(): void {
    this.shm.removeAll();
    this.sem.removeAll();
    this.msg.removeAll();
    this.queues?.end();
    this.queues = null;
  }
}
