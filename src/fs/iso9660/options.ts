/**
 * Mount options of iso9660, as Linux's isofs takes and shows them. See mount(8).
 */
import { EINVAL, type Errno } from "../../abi/errno.ts";

export interface IsoOptions {
  readonly useRockRidge: boolean;
  readonly useJoliet: boolean;
  /** Plain ISO names: in lower case without their version, as they are, or as RISC OS meant them. */
  readonly map: "n" | "o" | "a";
  /** Relaxed: case is no difference; strict; null: as the volume is. */
  readonly check: "r" | "s" | null;
  /** The high byte of sizes is something else. */
  readonly isCruft: boolean;
  /** Leaves out what the disc calls hidden. */
  readonly hidesHidden: boolean;
  readonly showsAssociated: boolean;
  readonly noCompress: boolean;
  /** `mode` and `dmode` count although Rock Ridge has modes. */
  readonly overridesModes: boolean;
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: number | null;
  readonly dmode: number | null;
  /** As given; names are UTF-8 in any case. */
  readonly iocharset: string | null;
}

const switches: Readonly<Record<string, Partial<IsoOptions>>> = {
  norock: { useRockRidge: false },
  nojoliet: { useJoliet: false },
  hide: { hidesHidden: true },
  unhide: { showsAssociated: true },
  showassoc: { showsAssociated: true },
  cruft: { isCruft: true },
  nocompress: { noCompress: true },
  overriderockperm: { overridesModes: true },
  utf8: { iocharset: "utf8" },
  // Accepted by Linux without effect.
  "conv=b": {},
  "conv=binary": {},
  "conv=t": {},
  "conv=text": {},
  "conv=m": {},
  "conv=mtext": {},
  "conv=a": {},
  "conv=auto": {},
  "block=512": {},
  "block=1024": {},
  "block=2048": {},
  "map=n": { map: "n" },
  "map=normal": { map: "n" },
  "map=o": { map: "o" },
  "map=off": { map: "o" },
  "map=a": { map: "a" },
  "map=acorn": { map: "a" },
  "check=r": { check: "r" },
  "check=relaxed": { check: "r" },
  "check=s": { check: "s" },
  "check=strict": { check: "s" },
  "iocharset=utf8": { iocharset: "utf8" },
  "iocharset=utf-8": { iocharset: "utf8" },
};

/** EINVAL for what is not known: sessions, other character sets, misspellings. */
export function parseIsoOptions(data: string): IsoOptions | Errno {
  let o: IsoOptions = DEFAULTS;
  for (const option of data.split(",")) {
    if (option === "") continue;
    const change = Object.hasOwn(switches, option) ? switches[option] : numbered(option);
    if (!change) return EINVAL;
    o = { ...o, ...change };
  }
  return o;
}

/** uid, gid, mode and dmode; numbers in C's notation, as Linux reads them. */
function numbered(option: string): Partial<IsoOptions> | null {
  const m = /^(uid|gid|mode|dmode)=(0x[0-9a-f]{1,8}|0[0-7]{0,11}|[1-9][0-9]{0,9})$/i.exec(option);
  if (!m) return null;
  const [, name, digits] = m;
  const isOctal = /^0[0-7]+$/.test(digits!);
  const n = isOctal ? Number.parseInt(digits!, 8) : Number(digits);
  if (n >= 2 ** 32 - 1) return null;
  // Nobody is to mark every file of a disc set-user-ID.
  if (name === "mode") return { mode: n & 0o777 };
  if (name === "dmode") return { dmode: n & 0o777 };
  return name === "uid" ? { uid: n } : { gid: n };
}

const DEFAULTS: IsoOptions = {
  useRockRidge: true,
  useJoliet: true,
  map: "n",
  check: null,
  isCruft: false,
  hidesHidden: false,
  showsAssociated: false,
  noCompress: false,
  overridesModes: false,
  uid: null,
  gid: null,
  mode: null,
  dmode: null,
  iocharset: null,
};

/** What the volume turned out to be. */
export interface IsoFound {
  readonly isRockRidge: boolean;
  readonly isJoliet: boolean;
  readonly isCaseless: boolean;
  readonly blockSize: number;
}

/** As /proc/mounts shows them. */
export function showIsoOptions(o: IsoOptions, found: IsoFound): string {
  const shown: string[] = [];
  if (!found.isRockRidge) shown.push("norock");
  else if (!found.isJoliet) shown.push("nojoliet");
  if (o.isCruft) shown.push("cruft");
  if (o.hidesHidden) shown.push("hide");
  if (o.noCompress) shown.push("nocompress");
  if (o.overridesModes) shown.push("overriderockperm");
  if (o.showsAssociated) shown.push("showassoc");
  shown.push(`check=${found.isCaseless ? "r" : "s"}`, `map=${o.map}`);
  if (found.blockSize !== 1024) shown.push(`blocksize=${found.blockSize}`);
  if (o.uid !== null) shown.push(`uid=${o.uid}`);
  if (o.gid !== null) shown.push(`gid=${o.gid}`);
  if (o.dmode !== null) shown.push(`dmode=${o.dmode.toString(8)}`);
  if (o.mode !== null) shown.push(`fmode=${o.mode.toString(8)}`);
  if (o.iocharset !== null) shown.push(`iocharset=${o.iocharset}`);
  return shown.join(",");
}
