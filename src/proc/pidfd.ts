/**
 * A process as a file descriptor: pidfd_open(2). Readable once the process ended.
 */
import { O_RDWR } from "../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../abi/poll.ts";
import { S_IFREG } from "../abi/stat.ts";
import type { Thread } from "../kern/thread.ts";
import type { Attr } from "../vfs/attr.ts";
import { File } from "../vfs/file.ts";
import type { PollTable } from "../vfs/poll.ts";
import type { Lwp } from "./lwp.ts";
import type { Pid } from "./pid.ts";
import type { Proc } from "./proc.ts";

const NEVER = { sec: 0, nsec: 0 };

export class PidFile extends File {
  readonly #id: Pid;

  constructor(proc: Proc, flags = 0) {
    super(O_RDWR | flags);
    this.#id = proc.id;
  }

  /** Null once it was waited for. */
  get proc(): Proc | null {
    return this.#id.proc;
  }

  describe(): string {
    return "anon_inode:[pidfd]";
  }

  /** Its number for who asks, and in the pid name spaces further in; -1 once it is gone. */
  override fdinfo(td: Thread): string {
    const id = this.#id;
    if (!id.proc) return "Pid:\t-1\nNSpid:\t-1\n";
    const { ns } = (td as Lwp).id;
    const own = id.in(ns);
    const numbers = own === 0 ? [0] : id.numbers.slice(ns.level);
    return `Pid:\t${own}\nNSpid:\t${numbers.join("\t")}\n`;
  }

  override stat(): Attr {
    return {
      mode: S_IFREG | 0o600,
      ino: this.#id.number,
      dev: 0,
      nlink: 1,
      uid: 0,
      gid: 0,
      rdev: 0,
      sizeBytes: 0,
      blksize: 4096,
      blocks: 0,
      atime: NEVER,
      mtime: NEVER,
      ctime: NEVER,
      btime: null,
    };
  }

  override poll(_td: Thread, table: PollTable | null): number {
    const { proc } = this;
    if (proc) table?.watch(proc.exitQueue);
    return proc?.state === "alive" ? 0 : POLLIN | POLLRDNORM;
  }
}
