/** cpu.weight, cpu.max and cpu.idle of one control group: what its RunGroup is set to. */
import { DEFAULT_WEIGHT } from "../rungroup.ts";

/** Weights of nice -20 … 19, of which 1024 is cpu.weight 100: Linux's sched_prio_to_weight. */
const NICE_WEIGHTS: readonly number[] = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
  3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
  70, 56, 45, 36, 29, 23, 18, 15,
];
const NICE_0 = 20;
const NICE_0_WEIGHT = 1024;

export class CpuGroup {
  weight = DEFAULT_WEIGHT;
  isIdle = false;

  /** The nice value whose weight is nearest. */
  get nice(): number {
    let best = 0;
    const wanted = (this.weight * NICE_0_WEIGHT) / DEFAULT_WEIGHT;
    for (const [i, weight] of NICE_WEIGHTS.entries()) {
      if (Math.abs(weight - wanted) < Math.abs(NICE_WEIGHTS[best]! - wanted)) best = i;
    }
    return best - NICE_0;
  }

  setNice(nice: number): void {
    const weight = (NICE_WEIGHTS[nice + NICE_0]! * DEFAULT_WEIGHT) / NICE_0_WEIGHT;
    this.weight = Math.max(1, Math.round(weight));
  }
}
