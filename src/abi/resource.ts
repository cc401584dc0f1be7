/** Resource use and limits on the wire. See getrusage(2), getrlimit(2), times(2). */
import { i64, struct, u64 } from "../lib/struct.ts";

export const Rusage = struct({
  ru_utime_sec: i64,
  ru_utime_usec: i64,
  ru_stime_sec: i64,
  ru_stime_usec: i64,
  ru_maxrss: i64,
  ru_ixrss: i64,
  ru_idrss: i64,
  ru_isrss: i64,
  ru_minflt: i64,
  ru_majflt: i64,
  ru_nswap: i64,
  ru_inblock: i64,
  ru_oublock: i64,
  ru_msgsnd: i64,
  ru_msgrcv: i64,
  ru_nsignals: i64,
  ru_nvcsw: i64,
  ru_nivcsw: i64,
});

export const RUSAGE_SELF = 0;
export const RUSAGE_CHILDREN = -1;
export const RUSAGE_BOTH = -2;
export const RUSAGE_THREAD = 1;

export const Rlimit64 = struct({ rlim_cur: u64, rlim_max: u64 });
/** struct tms: clock_t of 1/100 s. */
export const Tms = struct({ tms_utime: i64, tms_stime: i64, tms_cutime: i64, tms_cstime: i64 });

export const PRIO_PROCESS = 0;
export const PRIO_PGRP = 1;
export const PRIO_USER = 2;
