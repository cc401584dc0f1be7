/**
 * /proc/sysrq-trigger: what an administrator asks of the kernel when nothing else helps, a letter
 * each. See sysrq.rst in Linux.
 */
import { EIO, type Errno } from "../../abi/errno.ts";
import { SIGKILL, SIGTERM } from "../../abi/signal.ts";
import { LOG_INFO } from "../../kern/log.ts";
import { panic } from "../../kern/panic.ts";
import type { Thread } from "../../kern/thread.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { relieveMemory } from "../../proc/oom.ts";
import type { Proc } from "../../proc/proc.ts";
import type { ProcTable } from "../../proc/proctable.ts";
import { kernelSignal } from "../../proc/siginfo.ts";
import { psignal } from "../../proc/signal.ts";
import { meminfoText } from "./meminfo.ts";
import { ProcText } from "./node.ts";
import type { ProcFs } from "./procfs.ts";

const HELP =
  "HELP : loglevel(0-9) reboot(b) crash(c) terminate-all-tasks(e) memory-full-oom-kill(f) help(h) " +
  "kill-all-tasks(i) show-memory-usage(m) poweroff(o) sync(s) show-task-states(t) show-blocked-tasks(w)";

export class SysrqTrigger extends ProcText {
  constructor(fs: ProcFs, key: string) {
    super(fs, key, 0o200);
  }

  text(): Errno {
    return EIO;
  }

  /** The first letter counts; after an underscore all do. */
  override writeText(td: Thread, text: string): number {
    const letters = text.startsWith("_") ? text.slice(1).trim() : text.slice(0, 1);
    for (const letter of letters) this.#act(td as Lwp, letter);
    return 0;
  }

  #act(td: Lwp, letter: string): void {
    const { table } = this.fs;
    const say = (line: string): void => {
      table.msgbuf.add(table.cpu.clock.monotonicNs(), LOG_INFO, line);
    };
    if (letter === "c") panic("sysrq triggered crash");
    switch (letter) {
      case "b":
        table.powerRequest = "reboot";
        return;
      case "o":
        say("sysrq: Power Off");
        table.powerRequest = "halt";
        return;
      case "e":
        say("sysrq: Terminate All Tasks");
        signalAll(table, SIGTERM);
        return;
      case "i":
        say("sysrq: Kill All Tasks");
        signalAll(table, SIGKILL);
        return;
      case "f":
        say("sysrq: Manual OOM execution");
        relieveMemory(td);
        return;
      case "s":
        say("sysrq: Emergency Sync");
        for (const m of table.vfs.mounts.all) m.fs.sync();
        say("Emergency Sync complete");
        return;
      case "m":
        say("sysrq: Show Memory");
        for (const line of meminfoText(this.fs).trimEnd().split("\n")) say(line);
        return;
      case "t":
      case "w":
        say(letter === "t" ? "sysrq: Show State" : "sysrq: Show Blocked State");
        for (const p of table.all()) if (letter === "t" || isBlocked(p)) say(stateOf(p));
        return;
      default:
        if (/\d/.test(letter)) {
          say("sysrq: Changing Loglevel");
          table.msgbuf.levels.setConsole(Number(letter));
          say(`sysrq: Loglevel set to ${letter}`);
        } else say(`sysrq: ${HELP}`);
    }
  }
}

/** Everybody but the init. */
function signalAll(table: ProcTable, signo: number): void {
  for (const p of [...table.living()]) if (!p.isInit) psignal(p, signo, kernelSignal(signo));
}

function isBlocked(p: Proc): boolean {
  return p.threads.some((td) => td.state === "sleeping" && td.isUninterruptible);
}

function stateOf(p: Proc): string {
  const td = p.leader;
  const state = p.state === "zombie" ? "Z" : td?.state === "sleeping" ? "S" : "R";
  return `task:${p.comm.padEnd(15)} state:${state} pid:${p.pid} tgid:${p.pid} ppid:${p.parent?.pid ?? 0} ${td?.wmesg ?? ""}`;
}
