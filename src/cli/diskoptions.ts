/**
 * `file[:serno][,option=value…]` of -r, -R and -c, and of the IMAGE of `run`.
 *
 * A file that has all of the text as its name is meant as a whole: names may
 * hold colons and commas.
 */
import { existsSync } from "node:fs";
import type { DiskSpec } from "../hosts/node/machinespec.ts";
import { parseSize } from "./size.ts";

export type DiskLetter = "r" | "R" | "c";

export const MAX_DISKS = 16;
const MAX_SERIAL = 64;
const MAX_IOPS = 1e9;

/** One setting of what becomes a DiskSpec, or a complaint. */
type Setting = Partial<DiskSpec> | string;

const OPTIONS: ReadonlyMap<string, (value: string, letter: DiskLetter) => Setting> = new Map([
  ["overlay", overlay],
  ["format", format],
  ["backing", backing],
  ["limit", limit],
  ["iops", iops],
  ["bw", bandwidth],
] as const);

/** The disk, or a complaint that begins with the option. */
export function parseDisk(text: string, letter: DiskLetter): DiskSpec | string {
  const plain: DiskSpec = {
    path: text,
    isCopyOnWrite: letter !== "r",
    ...(letter === "c" ? { isCd: true } : {}),
    serial: "",
  };
  if (existsSync(text)) return plain;
  const at = firstOption(text);
  let spec = { ...plain, ...nameAndSerial(text.slice(0, at)) };
  for (const setting of text.slice(at + 1).split(",")) {
    if (at === text.length) break;
    const eq = setting.indexOf("=");
    const set = OPTIONS.get(setting.slice(0, Math.max(eq, 0)));
    const known = [...OPTIONS.keys()].join(", ");
    const made = set ? set(setting.slice(eq + 1), letter) : `no option of a disk (${known})`;
    if (typeof made === "string") return `-${letter} ${text}: ${setting}: ${made}`;
    spec = { ...spec, ...made, ...bothRates(spec, made) };
  }
  if (!/^[\x20-\x7e]*$/.test(spec.serial) || spec.serial.length > MAX_SERIAL) {
    return `-${letter} ${text}: a serial number has up to ${MAX_SERIAL} printable characters`;
  }
  return spec;
}

/** A complaint if there are too many of a kind. */
export function checkCount(disks: readonly DiskSpec[]): string | null {
  const cdroms = disks.filter((d) => d.isCd).length;
  if (disks.length - cdroms > MAX_DISKS) return `more than ${MAX_DISKS} disks`;
  return cdroms > MAX_DISKS ? `more than ${MAX_DISKS} CD-ROMs` : null;
}

/** Where the options begin: after the longest name that exists, else at the first word with "=". */
function firstOption(text: string): number {
  const commas = [...text.matchAll(/,(?=[a-z]+=)/g)].map((m) => m.index);
  const best = commas.findLast((at) => existsSync(nameAndSerial(text.slice(0, at)).path));
  return best ?? commas[0] ?? text.length;
}

function nameAndSerial(text: string): { readonly path: string; readonly serial: string } {
  const colon = text.lastIndexOf(":");
  const hasSerial = !existsSync(text) && colon > 0 && !text.slice(colon + 1).includes("/");
  return hasSerial
    ? { path: text.slice(0, colon), serial: text.slice(colon + 1) }
    : { path: text, serial: "" };
}

function overlay(value: string, letter: DiskLetter): Setting {
  if (letter !== "R") return "only a disk of -R has an overlay";
  return value === "" ? "want the name of a file" : { overlay: value };
}

function format(value: string): Setting {
  return value === "raw" || value === "qcow2" ? { format: value } : "want raw or qcow2";
}

function backing(value: string): Setting {
  return value === "any" || value === "beside" ? { backing: value } : "want beside or any";
}

function limit(value: string, letter: DiskLetter): Setting {
  const limitBytes = parseSize(value);
  if (letter === "c") return "a CD-ROM is not written";
  return limitBytes ? { limitBytes } : "want a size (try 256m)";
}

function iops(value: string): Setting {
  const n = /^\d+$/.test(value) ? Number(value) : 0;
  return n > 0 && n <= MAX_IOPS
    ? { rates: { iops: n, bytesPerSec: 0 } }
    : "want a number of transfers a second";
}

function bandwidth(value: string): Setting {
  const bytesPerSec = parseSize(value);
  return bytesPerSec
    ? { rates: { iops: 0, bytesPerSec } }
    : "want a size, for each second (try 10m)";
}

/** Two options make one setting. */
function bothRates(a: Partial<DiskSpec>, b: Partial<DiskSpec>): Partial<DiskSpec> {
  if (!a.rates || !b.rates) return {};
  return {
    rates: {
      iops: b.rates.iops || a.rates.iops,
      bytesPerSec: b.rates.bytesPerSec || a.rates.bytesPerSec,
    },
  };
}
