/**
 * `--volume DIR:PATH[:ro|rw][,uid=N][,gid=N]`: directories of the host that a machine may use.
 */
import { resolve } from "node:path";
import type { ShareSpec } from "../hosts/node/machinespec.ts";
import { openShare } from "../hosts/node/share/share.ts";

/** More would be a mistake, and each keeps a descriptor. */
const MAX_VOLUMES = 64;
const MAX_ID = 2 ** 32 - 2;

/** Adds what `text` names; a complaint, or null. */
export function addVolume(shares: ShareSpec[], text: string): string | null {
  if (shares.length === MAX_VOLUMES) return `more than ${MAX_VOLUMES} --volume`;
  const parsed = parseVolume(text);
  if (typeof parsed === "string") return `--volume ${text}: ${parsed}`;
  shares.push(parsed);
  return null;
}

/** A complaint about the first directory that cannot be shared, or null. */
export function checkVolumes(shares: readonly ShareSpec[]): string | null {
  for (const { path, isReadOnly } of shares) {
    const share = openShare(path, isReadOnly);
    if (typeof share === "string") return `${path}: ${share}`;
    share.end();
  }
  return null;
}

/** The colon before the guest's path is the last that a slash follows: so a host path may have colons in it. */
function parseVolume(text: string): ShareSpec | string {
  const colon = text.lastIndexOf(":/");
  if (colon < 0) {
    return text.includes(":")
      ? "the path in the guest must begin with /"
      : "want DIR:PATH, a directory here and a path in the guest";
  }
  if (colon === 0) return "no directory named before the colon";
  const rest = /^([^:]*?)((?:[:,](?:ro|rw|[ug]id=[^,:]*))*)$/.exec(text.slice(colon + 1));
  if (!rest) return "after the path want ro, rw, uid=N or gid=N";
  const at = rest[1]!;
  if (at.split("/").every((name) => name === "" || name === ".")) return "cannot cover the root /";
  if (at.split("/").includes("..")) return "the path in the guest must not have .. in it";
  const spec = { path: resolve(text.slice(0, colon)), at, isReadOnly: false, uid: 0, gid: 0 };
  for (const option of rest[2]!.split(/[:,]/).slice(1)) {
    const [name = "", value = ""] = option.split("=");
    if (name === "ro" || name === "rw") spec.isReadOnly = name === "ro";
    else if (!/^\d{1,10}$/.test(value) || Number(value) > MAX_ID) return `${option}: not a number`;
    else spec[name as "uid" | "gid"] = Number(value);
  }
  return spec;
}
