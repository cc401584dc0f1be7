/** /proc/keys and /proc/key-users: the keys that the reader may see, and what users have. See keyrings(7). */
import { KEY_VIEW, type Key } from "../../proc/keys/key.ts";
import { keySummary, shownGid } from "../../proc/keys/keyctl.ts";
import { permits, possessions } from "../../proc/keys/lookup.ts";
import type { Lwp } from "../../proc/lwp.ts";
import { hex } from "./format.ts";
import type { ProcFs } from "./procfs.ts";

const NS_PER_SEC = 1e9;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

export function keysText(fs: ProcFs): string {
  const td = fs.caller;
  if (!td) return "";
  const keys = [...fs.table.keys.keys.values()].sort((a, b) => a.serial - b.serial);
  const own = possessions(td);
  return keys.map((key) => line(td, key, own.has(key))).join("");
}

function line(td: Lwp, key: Key, isPossessed: boolean): string {
  if (!permits(td, { key, isPossessed }, KEY_VIEW)) return "";
  const flags = `I${key.isRevoked ? "R" : "-"}-Q--${key.isInvalidated ? "i" : "-"}`;
  const uid = td.cred.userns.shownUid(key.uid);
  const ids = `${pad(uid)} ${pad(shownGid(td, key))}`;
  const head = `${hex(key.serial, 8)} ${flags} ${pad(key.refs)} ${expiry(td, key)}`;
  return `${head} ${hex(key.perm, 8)} ${ids} ${key.type.name.padEnd(9)} ${keySummary(key)}\n`;
}

const pad = (n: number): string => String(n).padStart(5);

function expiry(td: Lwp, key: Key): string {
  if (key.expiresAtNs === Number.POSITIVE_INFINITY) return "perm";
  const left = Math.floor((key.expiresAtNs - td.cpu.clock.monotonicNs()) / NS_PER_SEC);
  const units: readonly (readonly [number, number, string])[] = [
    [MINUTE, 1, "s"],
    [HOUR, MINUTE, "m"],
    [DAY, HOUR, "h"],
    [WEEK, DAY, "d"],
    [Number.POSITIVE_INFINITY, WEEK, "w"],
  ];
  const [, unit, letter] = units.find(([below]) => left < below)!;
  return (left < 0 ? "expd" : `${Math.floor(left / unit)}${letter}`).padStart(4);
}

export function keyUsersText(fs: ProcFs): string {
  const { keys } = fs.table;
  const { caller } = fs;
  let s = "";
  for (const u of [...keys.users.values()].sort((a, b) => a.uid - b.uid)) {
    const uid = caller?.cred.userns.uid(u.uid) ?? u.uid;
    if (uid < 0 || uid === 0xffffffff) continue;
    const quota = `${u.quotaKeys}/${keys.keysLimit(u.uid)} ${u.quotaBytes}/${keys.bytesLimit(u.uid)}`;
    s += `${pad(uid)}: ${pad(u.keys)} ${u.keys}/${u.keys} ${quota}\n`;
  }
  return s;
}
