/**
 * The applets of a busybox binary, read from its own table of names.
 *
 * `busybox --install` cannot run on the host. The binary holds the sorted,
 * NUL-separated names of its applets, from "[" on; that table is found and
 * each name gets a link, unless a package has a program of that name.
 */
import type { Assembly } from "./assembly.ts";

const BUSYBOX = "/usr/bin/busybox";
const MAX_APPLETS = 1000;

/** Applets that administer the machine: linked in /usr/sbin. */
const ADMIN = new Set(
  (
    "acpid adjtimex arp arping blockdev brctl chroot crond depmod devmem fdisk findfs freeramdisk " +
    "fsfreeze fstrim getty halt httpd hwclock ifconfig ifdown ifup init insmod ip klogd loadkmap " +
    "logread losetup lsmod mdev mkdosfs mke2fs mkswap modinfo modprobe nameif nologin partprobe " +
    "pivot_root poweroff rdate reboot rmmod route run-init start-stop-daemon sulogin swapoff " +
    "swapon switch_root sysctl syslogd tc telnetd tunctl udhcpc udhcpd uevent vconfig watchdog"
  ).split(" "),
);
/** Applets that stand for Debian's package tools or hide what is missing. */
const UNLINKED = new Set(["dpkg", "dpkg-deb", "rpm", "rpm2cpio", "busybox", "linuxrc"]);

/** The names of all applets, in the order of the table; empty if none is found. */
export function appletsOf(binary: Uint8Array): string[] {
  const bytes = Buffer.from(binary.buffer, binary.byteOffset, binary.length);
  const start = bytes.indexOf("[\0[[\0", 0, "latin1");
  if (start < 0) return [];
  const names: string[] = [];
  let at = start;
  while (names.length < MAX_APPLETS) {
    const end = bytes.indexOf(0, at);
    const name = bytes.toString("latin1", at, end < 0 ? at : end);
    const last = names.at(-1);
    if (!/^(\[\[?|[a-z][a-z0-9_-]*)$/.test(name) || (last !== undefined && name <= last)) break;
    names.push(name);
    at = end + 1;
  }
  return names;
}

/** Links every applet whose name nobody else has; `only` limits them. */
export async function linkApplets(assembly: Assembly, only?: readonly string[]): Promise<void> {
  const binary = await assembly.read(BUSYBOX);
  if (binary === undefined) return;
  for (const name of appletsOf(binary)) {
    if (UNLINKED.has(name) || (only !== undefined && !only.includes(name))) continue;
    if (assembly.has(`/usr/bin/${name}`) || assembly.has(`/usr/sbin/${name}`)) continue;
    if (ADMIN.has(name)) assembly.symlink(`/usr/sbin/${name}`, "../bin/busybox");
    else assembly.symlink(`/usr/bin/${name}`, "busybox");
  }
}
