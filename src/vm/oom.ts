/**
 * Who dies when memory is out: the process whose end frees most, as its
 * oom_score_adj bends that. See oom_badness() in Linux's mm/oom_kill.c, proc(5).
 */
import type { Vmspace } from "./vmspace.ts";

export const OOM_SCORE_ADJ_MIN = -1000;
export const OOM_SCORE_ADJ_MAX = 1000;

export interface OomCandidate {
  readonly vmspace: Vmspace;
  /** -1000 (never) … 1000. */
  readonly oomScoreAdj: number;
  /** Process 1, and whoever is dying already. */
  readonly isUnkillable: boolean;
  /** Process 1 of a machine that runs one command: with it everything ends. */
  readonly isLastResort?: boolean;
}

/** Such a one must be this much larger than all others. */
const LAST_RESORT_SHARE = 1 / 4;

/** The candidate with the most points, or null if all are exempt. */
export function chooseVictim<T extends OomCandidate>(
  candidates: Iterable<T>,
  totalPages: number,
): T | null {
  let victim: T | null = null;
  let most = Number.NEGATIVE_INFINITY;
  for (const c of candidates) {
    if (c.isUnkillable || c.oomScoreAdj <= OOM_SCORE_ADJ_MIN) continue;
    const full = oomPoints(c.vmspace, c.oomScoreAdj, totalPages);
    const points = c.isLastResort ? full * LAST_RESORT_SHARE : full;
    if (points > most) {
      most = points;
      victim = c;
    }
  }
  return victim;
}

/** Pages that the end of the process would free, plus its adjustment in thousandths of memory. */
function oomPoints(vmspace: Vmspace, adj: number, totalPages: number): number {
  return vmspace.rssPages + vmspace.pageTable.tablePages + (adj * totalPages) / 1000;
}

/** What /proc/PID/oom_score shows: 0 … 2000. */
export function oomScore(vmspace: Vmspace, adj: number, totalPages: number): number {
  if (adj <= OOM_SCORE_ADJ_MIN) return 0;
  const points = oomPoints(vmspace, adj, totalPages);
  return Math.max(0, Math.floor(((1000 + (points * 1000) / totalPages) * 2) / 3));
}
