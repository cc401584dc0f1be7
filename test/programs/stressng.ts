/**
 * stress-ng's stressors in a guest, each with --verify: it fails if the kernel did something wrong.
 *
 * A stressor that finds itself unfit for the machine says that it is skipped, and why.
 */
import { spawnSync } from "node:child_process";
import { CLI } from "../cli/cli.ts";

export interface StressOutcome {
  readonly outcome: "passed" | "skipped" | "failed";
  /** What it said when it did not pass, the first line of that. */
  readonly reason: string;
}

/** Those that it was asked to pass come first, then what else asks a kernel for something. */
const NAMES = `
  cpu vm pipe fork clone signal sem sem-sysv msg shm shm-sysv sock udp epoll eventfd timerfd futex mmap mremap
  fault sigq poll flock dir dentry rename link chmod xattr memfd splice sendfile
  access alarm bad-altstack bad-ioctl bigheap bind-mount brk cap chdir chown chroot clock close copy-file
  cpu-sched cyclic daemon dev dev-shm dirdeep dirmany dup dynlib enosys env exec exit-group fallocate fcntl
  fd-abuse fd-fork fd-race fiemap fifo file-ioctl filename filerace flipflop forkheavy fpunch fsize fstat full
  get getdent getrandom handle hdd hrtimers inode-flags inotify io iomix ioprio itimer kcmp kill klog landlock
  lease loadavg locka lockf lockmix lockofd loop madvise malloc membarrier metamix mincore min-nanosleep mknod
  mlock mlockmany mmapaddr mmapcow mmapfiles mmapfixed mmapfork mmapmany mmaptorture mprotect mq mseal msync
  msyncmany mtx munmap mutex nanosleep nice null oom-pipe open pageswap personality pidfd pipeherd prctl
  prio-inv procfs pseek pthread ptrace pty quota race-sched ramfs readahead remap resched resources revio
  ring-pipe rlimit rmap schedmix schedpolicy seal seccomp seek session set sigabrt sigbus sigchld sigfd sigfpe
  sighup sigill signest sigpending sigpipe sigrt sigsegv sigsuspend sigtrap sigurg sigvtalrm sigxcpu sigxfsz
  sleep sockabuse sockfd sockpair softlockup spawn stack stackmmap statmount swap switch symlink sync-file
  sysbadaddr syscall sysfs sysinfo sysinval tee timer tlb-shootdown tmpfs touch umask umount unlink unshare
  urandom userfaultfd usersyscall utime vdso vfork vforkmany vm-addr vm-rw vm-segv vm-splice vma wait workload
  yield zero zombie sigio dnotify fanotify aio io-uring sockmany sockdiag udp-flood icmp-flood ping-sock rawsock
  rawudp rawpkt netdev netlink-proc netlink-task cgroup`;

export const STRESSORS: readonly string[] = NAMES.trim().split(/\s+/);

/** stress-ng's exit status when a stressor was skipped (EXIT_NO_RESOURCE, EXIT_NOT_IMPLEMENTED). */
const SKIPPED = new Set([3, 4]);

/** They do not run as root. */
const FOR_USERS = new Set(["exec", "spawn"]);
const AS_USER = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"];

export function runStressor(image: string, stressor: string, seconds: number): StressOutcome {
  // "Pathological" stressors may hang a machine; one of ours is nobody else's. Its /tmp is no place on disk.
  const how = ["--timeout", `${seconds}s`, "--verify", "--oomable", "--pathological"];
  const stress = ["stress-ng", `--${stressor}`, "1", ...how, "--temp-path", "/srv"];
  const command = FOR_USERS.has(stressor) ? [...AS_USER, ...stress] : stress;
  const line = 'chmod 1777 /srv && cd /srv && exec "$@"';
  const argv = ["run", "-m", "1g", image, "--", "sh", "-c", line, "sh", ...command];
  const r = spawnSync(process.execPath, [CLI, ...argv], {
    input: "",
    encoding: "latin1",
    timeout: (seconds + 180) * 1000,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 26,
  });
  const said = `${r.stdout}${r.stderr}`;
  if (r.status === 0 && !/ skipped: [1-9]/.test(said)) return { outcome: "passed", reason: "" };
  if (r.status === 0 || SKIPPED.has(r.status ?? -1)) {
    return { outcome: "skipped", reason: firstLine(said, /skip|not |cannot|failed/i) };
  }
  const reason = firstLine(said, /fail|error|cannot/);
  return { outcome: "failed", reason: r.status === null ? `hung: ${reason}` : reason };
}

function firstLine(text: string, about: RegExp): string {
  const lines = text.split("\n").filter((line) => line.startsWith("stress-ng: "));
  const line = lines.find((l) => about.test(l.replace(/^\S+ \S+ +/, ""))) ?? text.split("\n")[0]!;
  return line.replace(/^stress-ng: \w+: +\[\d+\] /, "").slice(0, 200);
}
