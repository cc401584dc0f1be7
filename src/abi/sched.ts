/** Scheduling policies and what is told of them. Source: linux/sched.h, linux/sched/types.h; sched(7). */
import { i32, struct, u32, u64 } from "../lib/struct.ts";

export const SCHED_OTHER = 0;
export const SCHED_FIFO = 1;
export const SCHED_RR = 2;
export const SCHED_BATCH = 3;
export const SCHED_IDLE = 5;
export const SCHED_DEADLINE = 6;
/** Or'ed to a policy: sched_setscheduler(2). */
export const SCHED_RESET_ON_FORK = 0x40000000;

export const SCHED_FLAG_RESET_ON_FORK = 0x01;
export const SCHED_FLAG_RECLAIM = 0x02;
export const SCHED_FLAG_DL_OVERRUN = 0x04;
export const SCHED_FLAG_KEEP_POLICY = 0x08;
export const SCHED_FLAG_KEEP_PARAMS = 0x10;
export const SCHED_FLAG_UTIL_CLAMP = 0x60;
export const SCHED_FLAG_ALL = 0x7f;

export const MAX_PRIORITY = 99;

export const SchedAttr = struct({
  size: u32,
  policy: u32,
  flags: u64,
  nice: i32,
  priority: u32,
  runtime: u64,
  deadline: u64,
  period: u64,
  util_min: u32,
  util_max: u32,
});
/** As it was first: without the utilisation clamps. */
export const SCHED_ATTR_BYTES_VER0 = 48;
