/**
 * Debian's sysvinit, as its maintainer scripts would leave it: the table of init, and the links by
 * which each runlevel starts and stops scripts, in an order that their LSB headers allow.
 *
 * A script's number is one more than the largest of those that it waits for.
 * Source: insserv(8), inittab(5), Debian Policy 9.3.
 */
import type { Assembly } from "./assembly.ts";
import { initScripts } from "./initscripts.ts";

/** Only if the image has sysvinit; true if so. */
export async function writeSysvinit(assembly: Assembly): Promise<boolean> {
  if (!assembly.has("/usr/share/sysvinit/inittab")) return false;
  await assembly.file("/etc/inittab", INITTAB);
  assembly.dir("/etc/inittab.d");
  assembly.dir("/var/log/fsck");
  const scripts = await initScripts(assembly);
  for (const level of ["S", "0", "1", "2", "3", "4", "5", "6"]) {
    const dir = `/etc/rc${level}.d`;
    if (!assembly.has(dir)) assembly.dir(dir);
    for (const [name, number] of order(
      scripts.filter((s) => s.starts.includes(level)),
      true,
    )) {
      link(assembly, dir, `S${number}`, name);
    }
    const stopped = scripts.filter((s) => s.stops.includes(level));
    for (const [name, number] of order(stopped, false)) link(assembly, dir, `K${number}`, name);
  }
  return true;
}

function link(assembly: Assembly, dir: string, prefix: string, name: string): void {
  assembly.symlink(`${dir}/${prefix}${name}`, `../init.d/${name}`);
}

/** What a script says of itself; facilities are resolved to the names that provide them. */
export interface InitScript {
  readonly name: string;
  readonly provides: readonly string[];
  /** Runlevels. */
  readonly starts: readonly string[];
  readonly stops: readonly string[];
  /** What must have started, and what must not have stopped yet. */
  readonly afterStart: readonly string[];
  readonly beforeStart: readonly string[];
  readonly beforeStop: readonly string[];
  /** It waits for all others. */
  readonly isLast: boolean;
}

/** Two-digit numbers by script. */
export function order(scripts: readonly InitScript[], isStart: boolean): Map<string, string> {
  const byName = new Map<string, InitScript[]>();
  for (const s of scripts) {
    for (const name of s.provides) byName.set(name, [...(byName.get(name) ?? []), s]);
  }
  const waits = new Map<InitScript, Set<InitScript>>(scripts.map((s) => [s, new Set()]));
  const wait = (who: InitScript, forWhom: InitScript): void => {
    if (who !== forWhom) waits.get(who)!.add(forWhom);
  };
  for (const s of scripts) {
    const first = isStart ? s.afterStart : [];
    const later = isStart ? s.beforeStart : s.beforeStop;
    for (const name of first) for (const other of byName.get(name) ?? []) wait(s, other);
    for (const name of later) for (const other of byName.get(name) ?? []) wait(other, s);
  }
  const last = scripts.filter((s) => s.isLast);
  for (const s of isStart ? last : []) for (const o of scripts) if (!o.isLast) wait(s, o);
  const numbers = new Map<InitScript, number>();
  for (const s of scripts) numberOf(s, waits, numbers, new Set());
  return new Map(scripts.map((s) => [s.name, String(numbers.get(s)).padStart(2, "0")]));
}

/** One in a circle does not wait for those before it. */
function numberOf(
  script: InitScript,
  waits: ReadonlyMap<InitScript, ReadonlySet<InitScript>>,
  numbers: Map<InitScript, number>,
  path: Set<InitScript>,
): number {
  const known = numbers.get(script);
  if (known !== undefined) return known;
  path.add(script);
  let number = 1;
  for (const other of waits.get(script)!) {
    if (!path.has(other)) number = Math.max(number, 1 + numberOf(other, waits, numbers, path));
  }
  path.delete(script);
  numbers.set(script, number);
  return number;
}

const INITTAB = `# Read by sysvinit's init: id:runlevels:action:process; see inittab(5)
id:2:initdefault:
si::sysinit:/etc/init.d/rcS
~~:S:wait:/sbin/sulogin --force
l0:0:wait:/etc/init.d/rc 0
l1:1:wait:/etc/init.d/rc 1
l2:2:wait:/etc/init.d/rc 2
l3:3:wait:/etc/init.d/rc 3
l4:4:wait:/etc/init.d/rc 4
l5:5:wait:/etc/init.d/rc 5
l6:6:wait:/etc/init.d/rc 6
z6:6:respawn:/sbin/sulogin --force
# What SIGTERM to vkernel becomes
pf::powerwait:/sbin/shutdown -h now
ca:12345:ctrlaltdel:/sbin/shutdown -t1 -a -r now
# The console belongs to whoever started the machine: root, without a password.
co:12345:respawn:/sbin/getty --autologin root --noclear --keep-baud hvc0 115200,38400 xterm
`;
