/**
 * Every system call by its number: the union of what each topic exports.
 * Numbers are those of asm-generic/unistd.h, which riscv64 uses as it is.
 */
import { KASSERT } from "../kern/panic.ts";
import { aioSyscalls } from "./aio.ts";
import { attrSyscalls } from "./attr.ts";
import { bpfSyscalls } from "./bpf.ts";
import { credSyscalls } from "./cred.ts";
import type { Syscall } from "./declare.ts";
import { dirSyscalls } from "./dir.ts";
import { epollSyscalls } from "./epoll.ts";
import { eventfdSyscalls } from "./eventfd.ts";
import { execSyscalls } from "./exec.ts";
import { fanotifySyscalls } from "./fanotify.ts";
import { fcntlSyscalls } from "./fcntl.ts";
import { fileSyscalls } from "./file.ts";
import { fsopenSyscalls } from "./fsopen.ts";
import { futexSyscalls } from "./futex.ts";
import { futex2Syscalls } from "./futex2.ts";
import { handleSyscalls } from "./handle.ts";
import { inotifySyscalls } from "./inotify.ts";
import { iovSyscalls } from "./iov.ts";
import { keySyscalls } from "./keyctl.ts";
import { limitSyscalls } from "./limits.ts";
import { memfdSyscalls } from "./memfd.ts";
import { memorySyscalls } from "./memory.ts";
import { mountSyscalls } from "./mount.ts";
import { mountattrSyscalls } from "./mountattr.ts";
import { mqueueSyscalls } from "./mqueue.ts";
import { msgSyscalls } from "./msg.ts";
import { namespaceSyscalls } from "./namespaces.ts";
import { opentreeSyscalls } from "./opentree.ts";
import { othermemSyscalls } from "./othermem.ts";
import { peekSyscalls } from "./peek.ts";
import { pipeSyscalls } from "./pipe.ts";
import { pivotRootSyscalls } from "./pivotroot.ts";
import { pollSyscalls } from "./poll.ts";
import { processSyscalls } from "./process.ts";
import { ptraceSyscalls } from "./ptrace.ts";
import { schedSyscalls } from "./sched.ts";
import { schedPolicySyscalls } from "./schedpolicy.ts";
import { seccompSyscalls } from "./seccomp.ts";
import { semSyscalls } from "./sem.ts";
import { sessionSyscalls } from "./session.ts";
import { shmSyscalls } from "./shm.ts";
import { signalSyscalls } from "./signal.ts";
import { signalfdSyscalls } from "./signalfd.ts";
import { socketSyscalls } from "./socket.ts";
import { sockmsgSyscalls } from "./sockmsg.ts";
import { spliceSyscalls } from "./splice.ts";
import { statSyscalls } from "./stat.ts";
import { statmountSyscalls } from "./statmount.ts";
import { syncSyscalls } from "./sync.ts";
import { syslogSyscalls } from "./syslog.ts";
import { systemSyscalls } from "./system.ts";
import { timeSyscalls } from "./time.ts";
import { timerSyscalls } from "./timer.ts";
import { xattrSyscalls } from "./xattr.ts";

const TOPICS: readonly (readonly (readonly [number, Syscall])[])[] = [
  aioSyscalls,
  attrSyscalls,
  credSyscalls,
  dirSyscalls,
  execSyscalls,
  fanotifySyscalls,
  fcntlSyscalls,
  fileSyscalls,
  futexSyscalls,
  futex2Syscalls,
  iovSyscalls,
  limitSyscalls,
  memorySyscalls,
  othermemSyscalls,
  peekSyscalls,
  mqueueSyscalls,
  msgSyscalls,
  namespaceSyscalls,
  pipeSyscalls,
  pivotRootSyscalls,
  pollSyscalls,
  processSyscalls,
  ptraceSyscalls,
  schedPolicySyscalls,
  schedSyscalls,
  seccompSyscalls,
  bpfSyscalls,
  semSyscalls,
  sessionSyscalls,
  shmSyscalls,
  signalSyscalls,
  socketSyscalls,
  sockmsgSyscalls,
  statSyscalls,
  syncSyscalls,
  syslogSyscalls,
  systemSyscalls,
  timeSyscalls,
  timerSyscalls,
  epollSyscalls,
  eventfdSyscalls,
  handleSyscalls,
  inotifySyscalls,
  keySyscalls,
  memfdSyscalls,
  fsopenSyscalls,
  mountattrSyscalls,
  mountSyscalls,
  opentreeSyscalls,
  statmountSyscalls,
  signalfdSyscalls,
  spliceSyscalls,
  xattrSyscalls,
];

const SYSCALL_NUMBERS = 512;

/** The table that the dispatcher indexes; a number without a call is undefined: ENOSYS. */
export function buildTable(): readonly (Syscall | undefined)[] {
  const table: (Syscall | undefined)[] = new Array(SYSCALL_NUMBERS).fill(undefined);
  for (const topic of TOPICS) {
    for (const [nr, call] of topic) {
      KASSERT(table[nr] === undefined, `two system calls with number ${nr}: ${call.name}`);
      table[nr] = call;
    }
  }
  return table;
}
