/** SIGURG: who owns a socket (F_SETOWN) hears of urgent data. See tcp(7), signal(7). */
import { SIGURG } from "../../abi/signal.ts";
import { pgsignal, psignal } from "../../proc/signal.ts";
import type { TcpSocket } from "./tcpsocket.ts";

export function raiseSigurg(s: TcpSocket): void {
  const pid = s.file?.ownerPid ?? 0;
  if (pid === 0 || !s.procs) return;
  if (pid > 0) {
    const p = s.procs.proc(pid) ?? s.procs.thread(pid)?.proc ?? null;
    if (p) psignal(p, SIGURG);
    return;
  }
  const group = s.procs.group(-pid);
  if (group) pgsignal(group, SIGURG);
}
