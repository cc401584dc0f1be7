/**
 * Process 1: built by hand, since it has no parent, and started.
 *
 * In a booted machine it is init, with the console as its standard streams; in
 * a machine made to run one command it is that command.
 */
import { HOST_STREAM_MAJOR } from "../abi/devices.ts";
import { ENOENT, ENOMEM, ENOTDIR, type Errno, failed } from "../abi/errno.ts";
import { O_RDONLY, O_RDWR, O_WRONLY } from "../abi/fcntl.ts";

import { HVC0_RDEV } from "../dev/terminals.ts";
import { Cred } from "../kern/cred.ts";
import { utf8 } from "../lib/bytes.ts";
import type { Host } from "../platform/host.ts";
import { exec } from "../proc/exec.ts";
import { Lwp } from "../proc/lwp.ts";
import type { ProcTable } from "../proc/proctable.ts";
import { RLIMIT_NOFILE, Rlimits, vmLimits } from "../proc/rlimit.ts";
import { SigActions } from "../proc/sigaction.ts";
import { makedev } from "../vfs/device.ts";
import { FdTable } from "../vfs/fdtable.ts";
import type { File } from "../vfs/file.ts";
import { FsContext } from "../vfs/fscontext.ts";
import type { Mount } from "../vfs/mount.ts";
import { namei, WALK_FOLLOW } from "../vfs/namei.ts";
import { vfsOpen } from "../vfs/open.ts";
import { Vmspace } from "../vm/vmspace.ts";
import type { FirstProgram } from "./config.ts";

/** Where Linux looks for an init, in its order. */
const INIT_PATHS = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];

/** The process, without a program yet: everything that boot does from here on, it does as this one. */
export function makeFirstProcess(table: ProcTable): Lwp | Errno {
  const pid = table.allocPid();
  if (failed(pid)) return pid;
  const context = table.machine.newContext();
  if (!context) return ENOMEM;
  const p = table.newProc(pid);
  p.rlimits = Rlimits.initial(table.threadsMax);
  p.vmspace = new Vmspace(table.machine, table.pages, vmLimits(p.rlimits));
  p.sigactions = new SigActions();
  const td = new Lwp(pid, p, table.cpu, Cred.root(table.userns), context);
  td.fdtable = new FdTable(p.rlimits.soft(RLIMIT_NOFILE), table.pages.kmem);
  td.comm = "init";
  table.addThread(td);
  table.newSession(p);
  td.state = "running";
  table.cpu.current = td;
  return td;
}

export function enterRoot(td: Lwp, root: Mount): void {
  const path = { mount: root, entry: root.root };
  td.fs = new FsContext(td.proc.table.vfs, path, path);
}

/** Gives it descriptors 0, 1 and 2; 0, or an errno. */
export function openStandardFiles(td: Lwp, program: FirstProgram, host: Host): number {
  return program.kind === "command" ? openStreams(td, host) : openConsole(td, program.isSingleUser);
}

/** chdir(2) before the program starts. */
export function enterDirectory(td: Lwp, path: string): number {
  const cwd = namei(td.fs, td, utf8(path), WALK_FOLLOW);
  if (failed(cwd)) return cwd;
  if (!cwd.entry.vnode?.isDir) return ENOTDIR;
  td.fs.setCwd(cwd);
  return 0;
}

/** Starts what the machine is for; 0, or why it cannot be started. */
export function startProgram(
  td: Lwp,
  program: FirstProgram,
  kenv: ReadonlyMap<string, string>,
): number {
  if (program.kind === "command") {
    return execCommand(td, program.argv.map(utf8), program.env.map(utf8));
  }
  const isShell = program.isSingleUser;
  const wanted = kenv.get("init");
  const paths = isShell ? ["/bin/sh"] : wanted ? [wanted] : INIT_PATHS;
  let r: number = ENOENT;
  for (const path of paths) {
    r = execPath(td, utf8(path), [isShell ? "-sh" : utf8(path)], program.env.map(utf8));
    if (r !== ENOENT) return r;
  }
  return r;
}

/** As execvp(3): a name without a slash is looked for along PATH. */
function execCommand(td: Lwp, argv: readonly string[], env: readonly string[]): number {
  const name = argv[0]!;
  if (name === "") return ENOENT;
  if (name.includes("/")) return execPath(td, name, argv, env);
  const path = env.find((e) => e.startsWith("PATH="))?.slice(5) ?? "/bin:/usr/bin";
  let worst: number = ENOENT;
  for (const dir of path.split(":")) {
    const r = execPath(td, `${dir || "."}/${name}`, argv, env);
    if (!failed(r)) return r;
    if (r !== ENOENT) worst = r;
  }
  return worst;
}

function execPath(td: Lwp, path: string, argv: readonly string[], envp: readonly string[]): number {
  return exec(td, { path, start: null, walk: WALK_FOLLOW, shownPath: path, argv, envp });
}

/** /dev/console three times; a shell without an init gets the terminal itself, to control it. */
function openConsole(td: Lwp, isControlling: boolean): number {
  const fp = openDevice(td, isControlling ? "/dev/hvc0" : "/dev/console", HVC0_RDEV, O_RDWR);
  if (failed(fp)) return fp;
  for (let fd = 0; fd < 3; fd++) td.fdtable.install(fd, fd === 0 ? fp : fp.hold(), false);
  return 0;
}

function openStreams(td: Lwp, host: Host): number {
  const streams = [host.stdin, host.stdout, host.stderr];
  const names = ["stdin", "stdout", "stderr"];
  for (let fd = 0; fd < 3; fd++) {
    const fp = streams[fd]
      ? openDevice(
          td,
          `/dev/host/${names[fd]}`,
          makedev(HOST_STREAM_MAJOR, fd),
          fd === 0 ? O_RDONLY : O_WRONLY,
        )
      : openDevice(td, "/dev/hvc0", HVC0_RDEV, O_RDWR);
    if (failed(fp)) return fp;
    td.fdtable.install(fd, fp, false);
  }
  return 0;
}

/** By its name, so that programs can find it again; by its number where the root has no /dev. */
function openDevice(td: Lwp, path: string, rdev: number, flags: number): File | Errno {
  const { vfs } = td.proc.table;
  const fp = vfsOpen(td, td.fs, path, flags, 0);
  return failed(fp) ? vfs.chrdevs.open(td, rdev, flags) : fp;
}
