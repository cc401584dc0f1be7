/**
 * A core that a program takes: it reads the core from its standard input. See core(5), "Piping core dumps to
 * a program".
 *
 * The process that ended is parked, with its memory and all of /proc/PID,
 * while bytes go into the pipe as there is room; then it ends, at once or,
 * where kernel.core_pipe_limit counts such programs, when the pipe is closed.
 * Nothing here sleeps: whoever reads the pipe makes it go on.
 */
import { type Errno, failed } from "../abi/errno.ts";
import { O_RDONLY } from "../abi/fcntl.ts";
import { SIGKILL } from "../abi/signal.ts";
import { killedStatus } from "../abi/wait.ts";
import { Callout } from "../kern/callout.ts";
import { Cred } from "../kern/cred.ts";
import { Waiter } from "../kern/waitqueue.ts";
import { Pipe, PipeFile, pipeAttr } from "../vfs/pipe.ts";
import type { CoreSettings } from "./coredump.ts";
import type { CoreImage } from "./coreimage.ts";
import { exitGroup } from "./exit.ts";
import type { Dump, Proc } from "./proc.ts";
import { RLIMIT_CORE } from "./rlimit.ts";
import { makeHelper, startHelper } from "./usermodehelper.ts";

/** RLIMIT_CORE of the program: it must not leave a core itself. */
export const HELPER_LIMIT = 1;
const CHUNK = 65536;
/** wait(2)'s WCOREDUMP. */
export const WCOREFLAG = 0x80;

export class CorePipe extends Waiter implements Dump {
  readonly #p: Proc;
  readonly #image: CoreImage;
  readonly #settings: CoreSettings;
  readonly #pipe: Pipe;
  readonly #last: LastStep;
  /** wait(2)'s word: it says that there is a core, whatever the program made of it. */
  #status: number;
  #at = 0;
  #isClosed = false;

  constructor(p: Proc, image: CoreImage, status: number, settings: CoreSettings) {
    super();
    const { vfs, cpu } = p.table;
    const ino = vfs.anonymousIno();
    this.#p = p;
    this.#image = image;
    this.#status = status | WCOREFLAG;
    this.#settings = settings;
    this.#pipe = new Pipe(ino, false, vfs.kmem);
    this.#pipe.attr = pipeAttr(ino, vfs.pipeDev, 0, 0, cpu.clock.realtime());
    this.#last = new LastStep(this);
  }

  /** Parks the process and starts the program. On an error nothing has happened. */
  start(argv: readonly string[]): number {
    const { table } = this.#p;
    const cred = Cred.root(table.userns);
    const helper = makeHelper(table, cred);
    if (failed(helper)) return helper;
    const limit = { soft: HELPER_LIMIT, hard: HELPER_LIMIT };
    helper.proc.rlimits.set(RLIMIT_CORE, limit);
    const reserved = this.#pipe.reserve(helper, table.vfs.settings);
    if (failed(reserved)) {
      exitGroup(helper.proc, 0);
      return reserved as Errno;
    }
    this.#pipe.writers++;
    helper.fdtable.install(0, new PipeFile(this.#pipe, O_RDONLY), false);
    const r = startHelper(helper, argv);
    if (failed(r)) {
      this.#pipe.dropEnd(false);
      return r;
    }
    for (const td of this.#p.threads) td.stop();
    this.#p.dump = this;
    this.#settings.piped++;
    this.#feed();
    return 0;
  }

  wake(): void {
    this.#feed();
  }

  #feed(): void {
    const pipe = this.#pipe;
    const { sizeBytes } = this.#image;
    while (this.#at < sizeBytes && pipe.readers > 0 && pipe.room > 0) {
      const space = pipe.space(Math.min(sizeBytes - this.#at, CHUNK));
      this.#image.read(this.#at, space);
      pipe.commit(space.length);
      this.#at += space.length;
    }
    if (!pipe.readable.isEmpty) pipe.readable.wakeup();
    const isTaken = this.#at === sizeBytes || pipe.readers === 0;
    if (isTaken) this.#close();
    if (!isTaken || (this.#settings.pipeLimit > 0 && pipe.readers > 0)) pipe.writable.add(this);
    else this.#finish();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pipe.dropEnd(false);
  }

  /** Not right here: somebody's system call has brought us here, or his end. */
  #finish(): void {
    const { callouts, clock } = this.#p.table.cpu;
    callouts.arm(this.#last, clock.monotonicNs());
  }

  abort(): void {
    this.#status = killedStatus(SIGKILL);
    this.cancel();
    this.#close();
    this.#finish();
  }

  end(): void {
    if (this.#p.dump !== this) return;
    this.#p.dump = null;
    this.#settings.piped--;
    this.cancel();
    this.#close();
    this.#p.table.cpu.callouts.disarm(this.#last);
  }

  /** The process ends. */
  lastStep(): void {
    this.end();
    exitGroup(this.#p, this.#status);
  }
}

class LastStep extends Callout {
  readonly #dump: CorePipe;

  constructor(dump: CorePipe) {
    super();
    this.#dump = dump;
  }

  fire(): void {
    this.#dump.lastStep();
  }
}
