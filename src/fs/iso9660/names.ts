/**
 * What a record's file is called: by Rock Ridge, by Joliet, or by its plain
 * name as `map` wants it. Names are byte strings, UTF-8 where they are Unicode.
 *
 * Source: ECMA-119 7.5; Joliet; fs/isofs/{dir,joliet,util}.c of Linux.
 */
import { LOG_WARNING } from "../../kern/log.ts";
import { byteString, utf8 } from "../../lib/bytes.ts";
import { FLAG_ASSOCIATED, FLAG_DIRECTORY, FLAG_HIDDEN } from "./layout.ts";
import type { DirRecord } from "./record.ts";
import { rockRidgeName } from "./rockridge.ts";
import type { Volume } from "./volume.ts";

const NAME_MAX = 255;
/** What RISC OS adds to a record: its type and attributes. */
const ACORN_BYTES = 32;

/** The name that users see, or null if they are not to see the file. */
export function nameOf(volume: Volume, record: DirRecord): string | null {
  const o = volume.options;
  if (o.hidesHidden && record.has(FLAG_HIDDEN)) return null;
  if (!o.showsAssociated && record.has(FLAG_ASSOCIATED)) return null;
  let name = volume.hasSystemUse ? rockRidgeName(volume, record) : "";
  if (name === null) return null;
  if (name === "") {
    if (volume.isJoliet) name = jolietName(record.name);
    else if (o.map === "o") name = byteString(record.name);
    else name = plainName(record.name);
    if (!volume.isJoliet && o.map === "a") name = acornName(record, name);
  }
  if (isUsable(name)) return name;
  volume.say(LOG_WARNING, `unusable name in block ${record.block}`);
  return null;
}

/** Names are the same if these are. */
export function foldName(volume: Volume, isCaseless: boolean, name: string): string {
  let end = name.length;
  // Windows does not like a period at the end of a name, nor does Joliet.
  if (volume.isJoliet) while (end > 1 && name[end - 1] === ".") end--;
  const kept = end < name.length ? name.slice(0, end) : name;
  return isCaseless ? kept.replace(/[A-Z]+/g, (s) => s.toLowerCase()) : kept;
}

function isUsable(name: string): boolean {
  if (name === "" || name === "." || name === ".." || name.length > NAME_MAX) return false;
  return !name.includes("/") && !name.includes("\0");
}

/** In lower case, without the version 1 or a period that only separates it. */
function plainName(bytes: Uint8Array): string {
  let name = byteString(bytes);
  const nul = name.indexOf("\0");
  if (nul >= 0) name = name.slice(0, nul);
  name = name.replace(/\.?;1$/, "").replace(/[A-Z]+/g, (s) => s.toLowerCase());
  return name.replace(/[;/]/g, ".");
}

function jolietName(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    text += String.fromCharCode((bytes[i]! << 8) | bytes[i + 1]!);
  }
  text = text.replace(/(?<=.);1$/s, "").toWellFormed();
  return utf8(text.replace(/(?<=.)\.+$/s, ""));
}

/** A RISC OS file has its type in its name: "!Run,feb". */
function acornName(record: DirRecord, name: string): string {
  const extra = record.systemUse;
  if (extra.length !== ACORN_BYTES || byteString(extra, 0, 10) !== "ARCHIMEDES") return name;
  const shown = name.startsWith("_") && (extra[19]! & 1) !== 0 ? `!${name.slice(1)}` : name;
  const hasType = extra[13] === 0xff && (extra[12]! & 0xf0) === 0xf0;
  if (record.has(FLAG_DIRECTORY) || !hasType) return shown;
  const type = ((extra[12]! & 15) << 8) | extra[11]!;
  return `${shown},${type.toString(16).padStart(3, "0")}`;
}
