/**
 * Times as a disc has them: seven bytes, or seventeen with digits, and how
 * many quarters of an hour east of Greenwich. Source: ECMA-119 8.4.26.1, 9.1.5.
 */
import type { Timespec } from "../../kern/clock.ts";

export const SHORT_DATE_BYTES = 7;
export const LONG_DATE_BYTES = 17;
/** No place is further from Greenwich, in quarters of an hour; more is no zone. */
const ZONE_MAX = 52;

/** The time at `at`, short form. A date that is none counts on, as mktime(3) would. */
export function shortDate(bytes: Uint8Array, at: number): Timespec {
  const [year, month, day, hour, minute, second, zone] = bytes.subarray(at, at + SHORT_DATE_BYTES);
  return since(1900 + year!, month!, day!, hour!, minute!, second!, 0, zone!);
}

export function longDate(bytes: Uint8Array, at: number): Timespec {
  const digits = (from: number, count: number): number => {
    let n = 0;
    for (let i = at + from; i < at + from + count; i++) n = n * 10 + ((bytes[i]! - 0x30) & 15);
    return n;
  };
  const hundredths = Math.min(99, digits(14, 2));
  const zone = bytes[at + 16]!;
  return since(
    digits(0, 4),
    digits(4, 2),
    digits(6, 2),
    digits(8, 2),
    digits(10, 2),
    digits(12, 2),
    hundredths * 1e7,
    zone,
  );
}

function since(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
  nsec: number,
  zone: number,
): Timespec {
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const cycles = year < 400 ? 1 : 0;
  const ms = Date.UTC(year + cycles * 400, month - 1, day, hour, minute, second);
  const east = (zone << 24) >> 24;
  const offset = Math.abs(east) <= ZONE_MAX ? east * 900 : 0;
  return { sec: ms / 1000 - cycles * SECONDS_IN_400_YEARS - offset, nsec };
}

const SECONDS_IN_400_YEARS = 146097 * 86400;
