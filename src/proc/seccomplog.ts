/**
 * What seccomp(2) reports to the kernel's log, in the words of Linux's audit:
 * type 1326 is AUDIT_SECCOMP. A few lines at a time, so that a program that is
 * refused all day does not fill it. See proc_sys_kernel(5), seccomp/.
 */
import { EINVAL, EPERM } from "../abi/errno.ts";
import {
  AUDIT_ARCH_RISCV64,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
  SECCOMP_RET_USER_NOTIF,
} from "../abi/seccomp.ts";
import type { Cred } from "../kern/cred.ts";
import { CAP_SYS_ADMIN } from "../kern/cred.ts";
import { LOG_INFO } from "../kern/log.ts";
import { SysctlConst, type SysctlDir, SysctlLeaf } from "../kern/sysctl.ts";
import type { Lwp } from "./lwp.ts";
import type { ProcTable } from "./proctable.ts";

/** From the strictest on, as /proc/sys/kernel/seccomp shows them. */
export const SECCOMP_ACTIONS: ReadonlyMap<string, number> = new Map([
  ["kill_process", SECCOMP_RET_KILL_PROCESS],
  ["kill_thread", SECCOMP_RET_KILL_THREAD],
  ["trap", SECCOMP_RET_TRAP],
  ["errno", SECCOMP_RET_ERRNO],
  ["user_notif", SECCOMP_RET_USER_NOTIF],
  ["trace", SECCOMP_RET_TRACE],
  ["log", SECCOMP_RET_LOG],
  ["allow", SECCOMP_RET_ALLOW],
]);

const INTERVAL_NS = 5e9;
const LINES_PER_INTERVAL = 10;
/** auid and ses of who never logged in. */
const UNSET = 4294967295;

/** Which actions are logged, and how many lines may still follow. */
export class SeccompLog {
  readonly actions = new Set([...SECCOMP_ACTIONS.keys()].filter((name) => name !== "allow"));
  sinceNs = 0;
  lines = 0;
  serial = 0;
}

/** `isWanted`: the filter asked for it, or the action is always worth a line. */
export function logSeccomp(
  td: Lwp,
  nr: number,
  sig: number,
  action: number,
  isWanted: boolean,
): void {
  const { seccompLog: state, msgbuf } = td.proc.table;
  if (!isWanted || !state.actions.has(nameOf(action))) return;
  const { clock } = td.cpu;
  const now = clock.monotonicNs();
  if (now - state.sinceNs >= INTERVAL_NS) {
    state.sinceNs = now;
    state.lines = 0;
  }
  if (++state.lines > LINES_PER_INTERVAL) return;
  const { sec, nsec } = clock.realtime();
  const msec = String(Math.floor(nsec / 1e6)).padStart(3, "0");
  const { cred } = td;
  msgbuf.add(
    now,
    LOG_INFO,
    `audit: type=1326 audit(${sec}.${msec}:${++state.serial}): auid=${UNSET} uid=${cred.uid} gid=${cred.gid} ` +
      `ses=${UNSET} pid=${td.proc.pid} comm=${quoted(td.comm)} sig=${sig} ` +
      `arch=${hex(AUDIT_ARCH_RISCV64)} syscall=${nr} compat=0 ip=0x${td.context.pc.toString(16)} code=0x${hex(action)}`,
  );
}

export function addSeccompSysctls(tree: SysctlDir, table: ProcTable): void {
  const all = [...SECCOMP_ACTIONS.keys()].join(" ");
  tree.add("kernel.seccomp.actions_avail", new SysctlConst(all));
  tree.add("kernel.seccomp.actions_logged", new ActionsLogged(table));
}

class ActionsLogged extends SysctlLeaf {
  readonly #table: ProcTable;

  constructor(table: ProcTable) {
    super(0o644);
    this.#table = table;
  }

  read(): string {
    const { actions } = this.#table.seccompLog;
    return [...SECCOMP_ACTIONS.keys()].filter((name) => actions.has(name)).join(" ");
  }

  override write(text: string, cred: Cred): number {
    if (!cred.hasCap(CAP_SYS_ADMIN)) return EPERM;
    const names = text.split(" ").filter((name) => name !== "");
    if (names.some((name) => name === "allow" || !SECCOMP_ACTIONS.has(name))) return EINVAL;
    const { actions } = this.#table.seccompLog;
    actions.clear();
    for (const name of names) actions.add(name);
    return 0;
  }
}

function nameOf(action: number): string {
  for (const [name, value] of SECCOMP_ACTIONS) if (value === action) return name;
  return "kill_process";
}

function hex(word: number): string {
  return (word >>> 0).toString(16);
}

/** A name that could forge a line is shown as audit does: in hexadecimal. */
function quoted(comm: string): string {
  if (/^[!#-~]*$/.test(comm)) return `"${comm}"`;
  return [...comm].map((c) => c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")).join("");
}
