/** An open message queue: what mq_open(3) gives, or open(2) of its file. */
import { O_NONBLOCK } from "../../abi/fcntl.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Thread } from "../../kern/thread.ts";
import { bytesOf } from "../../lib/bytes.ts";
import type { Attr } from "../../vfs/attr.ts";
import { File } from "../../vfs/file.ts";
import type { PollTable } from "../../vfs/poll.ts";
import type { Uio } from "../../vm/uio.ts";
import type { MqNode } from "./queue.ts";

export class MqFile extends File {
  readonly queue: MqNode;
  #offset = 0;

  constructor(queue: MqNode, flags: number) {
    super(flags);
    this.queue = queue;
    queue.hold();
  }

  get isNonblocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }

  describe(): string {
    return `/${this.queue.fs.nameOf(this.queue)}`;
  }

  override stat(): Attr {
    return this.queue.getattr();
  }

  /** A line about the queue. */
  override read(_td: Thread, uio: Uio): number {
    const n = uio.copyout(bytesOf(this.queue.status()).subarray(this.#offset));
    if (n > 0) this.#offset += n;
    return n;
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const { queue } = this;
    table?.watch(queue.readable, POLLIN | POLLRDNORM);
    table?.watch(queue.writable, POLLOUT | POLLWRNORM);
    const isEmpty = queue.messages.length === 0;
    return (isEmpty ? 0 : POLLIN | POLLRDNORM) | (queue.isFull ? 0 : POLLOUT | POLLWRNORM);
  }

  /** A process that closes any descriptor of a queue is not notified any more. */
  override flush(owner: object): void {
    super.flush(owner);
    this.queue.unregister(this.queue.fs.callerPid);
  }

  override onLastClose(): void {
    this.queue.release();
  }
}
