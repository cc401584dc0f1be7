/**
 * dpkg's database: what makes `dpkg -l`, `-L`, `-S` and `--verify` true.
 *
 * Packages count as installed although no maintainer script has run: the
 * riscv64 scripts cannot run on the host. What matters of them is done as data
 * (accounts, alternatives, base configuration); which packages had a script
 * that was not run is kept in /var/lib/vkernel/scripts-not-run. Where they are
 * to run in a guest (scripts.ts), packages count as unpacked.
 * Source: dpkg(1), deb-triggers(5), dpkg's doc/ on the database layout.
 */
import type { Assembly, Unpacked } from "./assembly.ts";
import type { Package } from "./packages.ts";

const INFO = "/var/lib/dpkg/info";

export interface InstalledPackage {
  readonly package: Package;
  readonly control: ReadonlyMap<string, { data: Uint8Array; mode: number }>;
  readonly unpacked: Unpacked;
}

export async function writeDpkgDatabase(
  assembly: Assembly,
  installed: readonly InstalledPackage[],
  architecture: string,
  state: "installed" | "unpacked",
): Promise<void> {
  const status: string[] = [];
  const scripts: string[] = [];
  const triggers = new Map<string, string[]>();
  for (const item of installed) {
    const prefix = `${INFO}/${infoName(item.package)}`;
    status.push(statusStanza(item, state));
    await assembly.file(`${prefix}.list`, `${item.unpacked.paths.join("\n")}\n`);
    for (const [name, { data, mode }] of item.control) {
      if (name !== "control") await assembly.file(`${prefix}.${name}`, data, mode || 0o644);
    }
    if (state === "installed" && item.control.has("postinst")) scripts.push(item.package.name);
    collectTriggers(item, triggers);
  }
  await assembly.file("/var/lib/dpkg/status", `${status.join("\n\n")}\n`);
  for (const name of ["available", "diversions", "statoverride", "lock", "triggers/Lock"]) {
    await assembly.file(`/var/lib/dpkg/${name}`, "");
  }
  await assembly.file(`${INFO}/format`, "1\n");
  await assembly.file("/var/lib/dpkg/arch", `${architecture}\n`);
  for (const [name, lines] of triggers) {
    await assembly.file(`/var/lib/dpkg/triggers/${name}`, `${lines.join("\n")}\n`);
  }
  assembly.dir("/var/lib/dpkg/updates");
  await assembly.file("/var/lib/vkernel/scripts-not-run", scripts.map((s) => `${s}\n`).join(""));
}

/** "name", or "name:arch" for packages that other architectures may have beside it. */
const infoName = (p: Package): string =>
  p.control["Multi-Arch"] === "same" ? `${p.name}:${p.architecture}` : p.name;

function statusStanza(item: InstalledPackage, state: string): string {
  const { package: p, control, unpacked } = item;
  const text = Buffer.from(control.get("control")?.data ?? "")
    .toString("utf8")
    .trimEnd();
  const lines = text.split("\n");
  const at = lines.findIndex((line) => line.startsWith("Package:"));
  const extra = [`Status: install ok ${state}`];
  if (unpacked.conffileSums.size > 0) {
    extra.push("Conffiles:");
    for (const [path, sum] of unpacked.conffileSums) extra.push(` ${path} ${sum}`);
  }
  if (at < 0) return [`Package: ${p.name}`, ...extra, ...lines].join("\n");
  lines.splice(at + 1, 0, ...extra);
  return lines.join("\n");
}

/** The paths that a package declares as configuration. */
export function conffilesOf(control: ReadonlyMap<string, { data: Uint8Array }>): Set<string> {
  const text = Buffer.from(control.get("conffiles")?.data ?? "").toString("utf8");
  return new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith("/")),
  );
}

function collectTriggers({ package: p, control }: InstalledPackage, into: Map<string, string[]>) {
  const text = Buffer.from(control.get("triggers")?.data ?? "").toString("utf8");
  for (const line of text.split("\n")) {
    const m = /^\s*interest(-noawait|-await)?\s+(\S+)/.exec(line);
    if (m === null) continue;
    const suffix = m[1] === "-noawait" ? "/noawait" : "";
    const isFile = m[2]!.startsWith("/");
    if (!isFile && !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(m[2]!)) continue;
    const name = isFile ? "File" : m[2]!;
    const lines = into.get(name) ?? [];
    lines.push(isFile ? `${m[2]} ${p.name}${suffix}` : `${p.name}${suffix}`);
    into.set(name, lines);
  }
}
