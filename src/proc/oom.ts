/**
 * Out of memory: one process ends so that the rest, and the kernel, live.
 *
 * Called when a page fault finds no frame, between system calls, so a victim
 * can be ended on the spot and its memory is free at once. See proc(5), oom_score.
 */
import { SIGKILL } from "../abi/signal.ts";
import { killedStatus } from "../abi/wait.ts";
import { LOG_ERR } from "../kern/log.ts";
import { chooseVictim } from "../vm/oom.ts";
import { exitGroup } from "./exit.ts";
import type { Lwp } from "./lwp.ts";
import { killProc } from "./signal.ts";

/** Makes room for `td`'s page fault; it may be `td` that pays. */
export function relieveMemory(td: Lwp): void {
  const { table } = td.proc;
  const victim = chooseVictim(table.living(), table.pages.totalPages) ?? td.proc;
  const kib = victim.vmspace.rssPages * 4;
  table.msgbuf.add(
    td.cpu.clock.monotonicNs(),
    LOG_ERR,
    `Out of memory: Killed process ${victim.pid} (${victim.comm}) rss:${kib}kB`,
  );
  if (victim === td.proc) killProc(victim);
  else exitGroup(victim, killedStatus(SIGKILL));
}
