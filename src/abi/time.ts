/** Time on the wire of system calls: struct layouts and clock ids. See time(7), clock_gettime(2). */
import { i64, struct } from "../lib/struct.ts";

export const TimespecAbi = struct({ tv_sec: i64, tv_nsec: i64 });
export const TimevalAbi = struct({ tv_sec: i64, tv_usec: i64 });
export const Itimerspec = struct({
  interval_sec: i64,
  interval_nsec: i64,
  value_sec: i64,
  value_nsec: i64,
});
export const Itimerval = struct({
  interval_sec: i64,
  interval_usec: i64,
  value_sec: i64,
  value_usec: i64,
});

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_TAI = 11;

export const TIMER_ABSTIME = 1;
