/**
 * The LSB headers of /etc/init.d: what each script provides, and what it wants before and after it.
 * Source: the LSB core specification, "Comment Conventions for Init Scripts"; insserv.conf(5).
 */
import type { Assembly } from "./assembly.ts";
import type { InitScript } from "./sysvinit.ts";

/** What the system's facilities are made of, as Debian's insserv.conf has them. */
const FACILITIES: ReadonlyMap<string, readonly string[]> = new Map([
  ["$local_fs", ["mountall", "mountall-bootclean", "mountoverflowtmp", "umountfs"]],
  ["$network", ["networking", "ifupdown"]],
  ["$named", ["named", "dnsmasq", "lwresd", "bind9", "unbound", "$network"]],
  ["$remote_fs", ["$local_fs", "mountnfs", "mountnfs-bootclean", "umountnfs", "sendsigs"]],
  ["$syslog", ["rsyslog", "sysklogd", "syslog-ng", "dsyslog", "inetutils-syslogd"]],
  ["$portmap", ["rpcbind"]],
  ["$time", ["hwclock"]],
]);
/** Neither scripts, though they lie there. */
const HELPERS = new Set(["rc", "rcS", "README", "skeleton"]);

export async function initScripts(assembly: Assembly): Promise<InitScript[]> {
  const scripts: InitScript[] = [];
  for (const name of assembly.list("/etc/init.d")) {
    if (HELPERS.has(name) || name.startsWith(".")) continue;
    const data = await assembly.read(`/etc/init.d/${name}`);
    const script = data && parseHeader(name, Buffer.from(data).toString("latin1"));
    if (script) scripts.push(script);
  }
  return scripts;
}

/** Null for a script without a header. */
export function parseHeader(name: string, text: string): InitScript | null {
  const header = /^### BEGIN INIT INFO\s*$([\s\S]*?)^### END INIT INFO/m.exec(text)?.[1];
  if (header === undefined) return null;
  const words = (key: string): string[] => {
    const line = new RegExp(`^#\\s*${key}:[ \\t]*(.*)$`, "im").exec(header)?.[1] ?? "";
    return line.split(/\s+/).filter((w) => w !== "");
  };
  const wantsStart = [...words("Required-Start"), ...words("Should-Start")];
  const wantsStop = [...words("Required-Stop"), ...words("Should-Stop")];
  return {
    name,
    provides: [...words("Provides"), name.replace(/\.sh$/, "")],
    starts: words("Default-Start"),
    stops: words("Default-Stop"),
    afterStart: resolved(wantsStart),
    beforeStart: resolved(words("X-Start-Before")),
    beforeStop: resolved(wantsStop),
    isLast: wantsStart.includes("$all"),
  };
}

function resolved(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const parts = FACILITIES.get(name);
    return parts ? resolved(parts) : [name.replace(/\.sh$/, "")];
  });
}
