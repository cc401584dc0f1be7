/**
 * A whole kernel in the test's own process: root on tmpfs, /dev and /proc
 * mounted, and programs run on it one after the other.
 *
 * Process 1 only adopts orphans and never runs; each program under test is a
 * child of it, in a session of its own, with pipes' ends for standard streams.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { errnoNames, failed } from "../../src/abi/errno.ts";
import { O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../src/abi/fcntl.ts";
import { SIG_IGN, SIGCHLD, SIGKILL } from "../../src/abi/signal.ts";
import type { DiskConfig } from "../../src/boot/config.ts";
import { enterRoot, makeFirstProcess } from "../../src/boot/firstproc.ts";
import { Kernel } from "../../src/boot/kernel.ts";
import { mountSystem } from "../../src/boot/mounts.ts";
import { Tmpfs } from "../../src/fs/tmpfs/tmpfs.ts";
import { Callout } from "../../src/kern/callout.ts";
import type { Thread } from "../../src/kern/thread.ts";
import { bytesOf } from "../../src/lib/bytes.ts";
import { exec } from "../../src/proc/exec.ts";
import { exitGroup } from "../../src/proc/exit.ts";
import { Lwp } from "../../src/proc/lwp.ts";
import type { Proc } from "../../src/proc/proc.ts";
import { RLIMIT_NOFILE, vmLimits } from "../../src/proc/rlimit.ts";
import { SigActions } from "../../src/proc/sigaction.ts";
import { killProc } from "../../src/proc/signal.ts";
import type { Syscall } from "../../src/syscall/declare.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { UserLoop } from "../../src/trap/userloop.ts";
import { FdTable } from "../../src/vfs/fdtable.ts";
import { File } from "../../src/vfs/file.ts";
import { nameiParent, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { vfsOpen } from "../../src/vfs/open.ts";
import { Uio } from "../../src/vm/uio.ts";
import { Vmspace } from "../../src/vm/vmspace.ts";
import { TestHost } from "./testhost.ts";

export interface RunResult {
  /** As a shell shows it: the exit code, or 128 + signal. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: readonly string[];
  readonly stdin?: string;
  /** The program is killed after this; 20 s by default. */
  readonly timeoutMs?: number;
  /** Collects a line per system call. */
  readonly strace?: string[];
}

export class TestKernel {
  readonly host: TestHost;
  readonly kernel: Kernel;
  readonly loop: UserLoop;
  readonly init: Lwp;

  constructor(
    memoryMiB = 128,
    host = new TestHost(),
    disks: readonly DiskConfig[] = [],
    calls: readonly (Syscall | undefined)[] = buildTable(),
  ) {
    this.host = host;
    this.kernel = new Kernel(this.host, {
      memoryBytes: memoryMiB << 20,
      disks,
      kenv: new Map(),
      isVerbose: false,
      program: { kind: "command", argv: [], env: [], cwd: "/" },
      hostname: "test",
      isTraced: false,
    });
    const { table } = this.kernel;
    const init = makeFirstProcess(table);
    assert.ok(!failed(init));
    this.init = init;
    this.mountAll();
    init.proc.sigactions.edit(SIGCHLD).handler = SIG_IGN;
    init.state = "sleeping";
    table.cpu.current = null;
    const outside = host.usesDoorbell ? { doorbell: host.doorbell, attend: () => {} } : null;
    this.loop = new UserLoop(table, this.kernel.machine.newHart(), calls, outside);
  }

  /** The root and what is mounted on it. */
  mountAll(): void {
    const { vfs, pages, log } = this.kernel;
    const mount = vfs.mounts.mount(new Tmpfs(vfs, pages, ROOT_OPTIONS), null, 0, "tmpfs");
    assert.ok(!failed(mount));
    enterRoot(this.init, mount);
    for (const dir of DIRECTORIES) this.mkdir(dir);
    this.mkdir("/var/tmp", 0o1777);
    mountSystem(this.init.fs, this.init, log);
  }

  /** Takes everything away that is mounted: what then is left, somebody leaked. */
  unmountAll(): void {
    const { mounts } = this.kernel.vfs;
    this.init.fs.release();
    while (mounts.all.length > 0) mounts.detach(mounts.all[mounts.all.length - 1]!);
  }

  /** Makes a directory; all above it must exist. */
  mkdir(path: string, mode = 0o755): void {
    const td = this.init;
    const at = nameiParent(td.fs, td, path);
    assert.ok(!failed(at), `mkdir ${path}`);
    assert.ok(!failed(at.dir.vnode!.mkdir(at.name, mode, td.cred)), `mkdir ${path}`);
  }

  /** Puts a file into the guest's tree. */
  writeFile(path: string, contents: Uint8Array | string, mode = 0o755): void {
    const bytes = typeof contents === "string" ? bytesOf(contents) : contents;
    const td = this.init;
    const fp = vfsOpen(td, td.fs, path, O_CREAT | O_TRUNC | O_WRONLY, mode);
    assert.ok(!failed(fp), `open ${path}: ${fp}`);
    for (let at = 0; at < bytes.length; ) {
      const n = fp.write(td, Uio.kernel(bytes.subarray(at)));
      assert.ok(n > 0, `write ${path}: ${n}`);
      at += n;
    }
    fp.release();
  }

  /** Copies a file of the host into the guest. */
  copyIn(from: string, to: string, mode = 0o755): void {
    this.writeFile(to, readFileSync(from), mode);
  }

  /** Runs a program to its end. */
  run(argv: readonly string[], options: RunOptions = {}): RunResult {
    const { table, cpu } = this.kernel;
    const out = new Capture();
    const err = new Capture();
    const td = this.spawn(argv, options, [new Source(options.stdin ?? ""), out, err]);
    const p = td.proc;
    const lines = options.strace;
    table.strace = lines ? { line: (t, text) => void lines.push(`${t.tid} ${text}`) } : null;
    const watchdog = new Watchdog(p);
    cpu.callouts.arm(watchdog, cpu.clock.monotonicNs() + (options.timeoutMs ?? 20_000) * 1e6);
    while (p.state === "alive") {
      this.loop.runUntilIdle();
      if (p.state === "alive") this.loop.idle();
    }
    this.loop.runUntilIdle();
    cpu.callouts.disarm(watchdog);
    table.strace = null;
    assert.ok(!watchdog.hasFired, `${argv[0]} ran too long; so far: ${out.text} ${err.text}`);
    const sig = p.exitStatus & 0x7f;
    const status = sig === 0 ? (p.exitStatus >> 8) & 0xff : 128 + sig;
    return { status, stdout: out.text, stderr: err.text };
  }

  /** Ends every process but the first. */
  killAll(): void {
    for (const p of [...this.kernel.table.living()]) {
      if (p !== this.init.proc) exitGroup(p, SIGKILL);
    }
  }

  /** Makes a process that runs a program as soon as the loop runs. */
  spawn(argv: readonly string[], options: RunOptions, streams: readonly File[]): Lwp {
    const td = this.makeProcess(streams);
    const path = argv[0]!;
    const envp = options.env ?? ["PATH=/bin", "HOME=/"];
    const r = exec(td, { path, start: null, walk: WALK_FOLLOW, shownPath: path, argv, envp });
    assert.equal(r, 0, `exec ${path}: ${errnoNames.get(-r) ?? r}`);
    td.isContextReplaced = false;
    this.kernel.cpu.makeRunnable(td);
    return td;
  }

  /** A process without a program, running: a child of process 1 in a session of its own. */
  makeProcess(streams: readonly File[]): Lwp {
    const { table, cpu } = this.kernel;
    const parent = this.init.proc;
    const pid = table.allocPid();
    const context = table.machine.newContext();
    assert.ok(!failed(pid) && context);
    const p = table.newProc(pid);
    p.rlimits = parent.rlimits.clone();
    p.vmspace = new Vmspace(table.machine, table.pages, vmLimits(p.rlimits));
    p.sigactions = new SigActions();
    p.parent = parent;
    parent.children.add(p);
    const td = new Lwp(pid, p, cpu, this.init.cred, context);
    td.fdtable = new FdTable(p.rlimits.soft(RLIMIT_NOFILE), table.pages.kmem);
    td.fs = this.init.fs.copy();
    for (const [fd, fp] of streams.entries()) td.fdtable.install(fd, fp, false);
    table.addThread(td);
    table.newSession(p);
    td.state = "running";
    return td;
  }
}

const DIRECTORIES = ["/dev", "/proc", "/sys", "/tmp", "/run", "/bin", "/lib", "/etc", "/var"];
const ROOT_OPTIONS = { pages: null, inodes: null, mode: 0o755, uid: null, gid: null };

/** The write end of a program's output. */
class Capture extends File {
  readonly #parts: Uint8Array[] = [];

  constructor() {
    super(1);
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString("latin1");
  }

  describe(): string {
    return "pipe:[1]";
  }

  override write(_td: Thread, uio: Uio): number {
    const bytes = new Uint8Array(Math.min(uio.resid, 65536));
    const n = uio.copyin(bytes);
    if (n > 0) this.#parts.push(bytes.subarray(0, n));
    return n;
  }
}

class Source extends File {
  #left: Uint8Array;

  constructor(text: string) {
    super(O_RDONLY);
    this.#left = bytesOf(text);
  }

  describe(): string {
    return "pipe:[0]";
  }

  override read(_td: Thread, uio: Uio): number {
    const n = uio.copyout(this.#left);
    if (n > 0) this.#left = this.#left.subarray(n);
    return n;
  }
}

class Watchdog extends Callout {
  hasFired = false;
  readonly #p: Proc;

  constructor(p: Proc) {
    super();
    this.#p = p;
  }

  fire(): void {
    this.hasFired = true;
    killProc(this.#p);
  }
}
