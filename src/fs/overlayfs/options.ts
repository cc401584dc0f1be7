/**
 * Mount options of overlayfs. See Documentation/filesystems/overlayfs.rst.
 *
 * Off and staying off: metacopy, index, nfs_export, verity and data-only
 * layers; asking for one of them is an error, so that nobody relies on it.
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";

/** "on": directories of lower layers can be renamed. "follow": what another mount renamed is found. */
export type RedirectDir = "on" | "follow" | "nofollow";

export interface OverlayOptions {
  /** Topmost first; escapes are resolved. */
  readonly lower: readonly string[];
  /** "": none, the overlay is read-only. */
  readonly upper: string;
  readonly work: string;
  readonly redirect: RedirectDir;
  /** Attributes of its own are user.overlay.*, not trusted.overlay.*. */
  readonly isUserxattr: boolean;
  /** Nothing is ever synced; what is in the upper directory after a crash is lost. */
  readonly isVolatile: boolean;
  /** As /proc/mounts shows them. */
  readonly shown: string;
}

/** Values that change nothing here, by option. */
const HARMLESS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ["index", new Set(["off"])],
  ["nfs_export", new Set(["off"])],
  ["metacopy", new Set(["off"])],
  ["verity", new Set(["off"])],
  ["xino", new Set(["off", "auto", "on"])],
  ["uuid", new Set(["off", "null", "auto", "on"])],
]);

const MAX_LAYERS = 500;

export function parseOverlayOptions(data: string): OverlayOptions | Errno {
  let lower: string[] = [];
  let upper = "";
  let work = "";
  let redirect: RedirectDir | "" = "";
  let isUserxattr = false;
  let isVolatile = false;
  for (const option of splitEscaped(data, ",")) {
    if (option === "" || option === "default_permissions") continue;
    const eq = option.indexOf("=");
    const key = eq < 0 ? option : option.slice(0, eq);
    const value = eq < 0 ? "" : option.slice(eq + 1);
    if (key === "lowerdir") lower = splitEscaped(value, ":");
    else if (key === "lowerdir+") lower.push(value);
    else if (key === "upperdir") upper = value;
    else if (key === "workdir") work = value;
    else if (key === "userxattr" && eq < 0) isUserxattr = true;
    else if (key === "volatile" && eq < 0) isVolatile = true;
    else if (key === "redirect_dir") {
      if (!["on", "off", "follow", "nofollow"].includes(value)) return EINVAL;
      redirect = value === "off" ? "follow" : (value as RedirectDir);
    } else if (!HARMLESS.get(key)?.has(value)) return EINVAL;
  }
  if (lower.length === 0 || lower.length > MAX_LAYERS || lower.includes("")) return EINVAL;
  if (upper === "" ? lower.length < 2 : work === "") return EINVAL;
  if (isUserxattr && (redirect === "on" || redirect === "follow")) return EINVAL;
  const usual = isUserxattr ? "nofollow" : "follow";
  const shown = [`lowerdir=${lower.map(escapeColons).join(":")}`];
  if (upper !== "") shown.push(`upperdir=${upper}`, `workdir=${work}`);
  if (redirect !== "" && redirect !== usual) shown.push(`redirect_dir=${redirect}`);
  if (isUserxattr) shown.push("userxattr");
  if (isVolatile) shown.push("volatile");
  return {
    lower,
    upper,
    work: upper === "" ? "" : work,
    redirect: redirect === "" ? usual : redirect,
    isUserxattr,
    isVolatile: isVolatile && upper !== "",
    shown: shown.join(","),
  };
}

/** Parts between `mark`s; a backslash takes the next byte as it is, but keeps what it need not escape. */
function splitEscaped(s: string, mark: "," | ":"): string[] {
  const parts = [""];
  for (let i = 0; i < s.length; i++) {
    const c = s[i]!;
    const next = s[i + 1];
    if (c === "\\" && next !== undefined && (next === mark || (mark === ":" && next === "\\"))) {
      parts[parts.length - 1] += next;
      i++;
    } else if (c === mark) parts.push("");
    else parts[parts.length - 1] += c;
  }
  return parts;
}

function escapeColons(path: string): string {
  return path.replace(/[\\:]/g, "\\$&");
}
