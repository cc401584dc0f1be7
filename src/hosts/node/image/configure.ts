/**
 * What makes unpacked packages a system that boots: /etc, /dev, init.
 *
 * Stands for the maintainer scripts of base-files, libc-bin, debianutils,
 * tzdata and ca-certificates, and adds an init table: busybox init mounts the
 * kernel's file systems and keeps a root shell on the console. With a
 * read-only root the places that programs write to become tmpfs.
 */
import type { Assembly } from "./assembly.ts";

export interface SystemOptions {
  readonly shell: string;
  readonly hostname: string;
  readonly mirror: string;
  readonly suite: string;
}

export async function configureSystem(assembly: Assembly, options: SystemOptions): Promise<void> {
  makeDirectories(assembly);
  makeDevices(assembly);
  await copyDefaults(assembly);
  await writeEtc(assembly, options);
  await writeInit(assembly, options.shell);
  await bundleCertificates(assembly);
}

const RC = `#!/usr/bin/busybox sh
# Brings the system up: mounts what programs expect. Run once by init.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount() { busybox mount "$@"; }
mkdir() { busybox mkdir "$@"; }

mounted() {
  while read -r _ dir _; do [ "$dir" = "$1" ] && return 0; done </proc/mounts
  return 1
}
attach() { # type directory options
  mounted "$2" || { [ -d "$2" ] || mkdir -p "$2"; mount -t "$1" -o "$3" "$1" "$2"; }
} 2>/dev/null

[ -e /proc/mounts ] || mount -t proc -o nosuid,nodev,noexec proc /proc
attach sysfs /sys nosuid,nodev,noexec
attach devtmpfs /dev mode=755,nosuid
attach devpts /dev/pts gid=5,mode=620,ptmxmode=666
attach tmpfs /dev/shm mode=1777,nosuid,nodev
attach tmpfs /run mode=755,nosuid,nodev
attach tmpfs /tmp mode=1777,nosuid,nodev
mkdir -p /run/lock /run/user
if ! (: >/var/.writable) 2>/dev/null; then
  mount -o remount,rw / 2>/dev/null
fi
if ! (: >/var/.writable) 2>/dev/null; then
  attach tmpfs /var/tmp mode=1777
  attach tmpfs /var/log mode=755
  attach tmpfs /root mode=700
else
  busybox rm -f /var/.writable
fi
busybox hostname -F /etc/hostname 2>/dev/null
busybox ip link set lo up 2>/dev/null
for script in /etc/rc.d/*; do [ -x "$script" ] && "$script"; done
:
`;

const INITTAB = `# Read by busybox init: id:runlevels:action:process
::sysinit:/etc/rc
::respawn:-/etc/rc.console
::ctrlaltdel:/usr/bin/busybox reboot
::shutdown:/usr/bin/busybox umount -a -r
`;

const rcConsole = (shell: string) => `#!/usr/bin/busybox sh
# A root shell on the console; init starts it again when it ends.
export HOME=/root USER=root LOGNAME=root SHELL=${shell} TERM="\${TERM:-linux}"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root 2>/dev/null || cd /
exec ${shell} -l
`;

/** Files that base-files and libc-bin ship as defaults, and where their scripts copy them. */
const DEFAULTS: readonly (readonly [from: string, to: string])[] = [
  ["/usr/share/base-files/profile", "/etc/profile"],
  ["/usr/share/base-files/motd", "/etc/motd"],
  ["/usr/share/base-files/dot.bashrc", "/root/.bashrc"],
  ["/usr/share/base-files/dot.profile", "/root/.profile"],
  ["/usr/share/base-files/networks", "/etc/networks"],
  ["/usr/share/libc-bin/nsswitch.conf", "/etc/nsswitch.conf"],
];

function makeDirectories(assembly: Assembly): void {
  for (const path of ["/dev/pts", "/dev/shm", "/proc", "/sys", "/run", "/mnt", "/srv", "/media"]) {
    if (!assembly.has(path)) assembly.dir(path);
  }
  for (const path of ["/var/log", "/var/mail", "/var/cache", "/var/lib", "/etc/profile.d"]) {
    if (!assembly.has(path)) assembly.dir(path);
  }
  assembly.dir("/root", 0o700);
  assembly.dir("/tmp", 0o1777);
  assembly.dir("/var/tmp", 0o1777);
  if (!assembly.has("/var/run")) assembly.symlink("/var/run", "/run");
  if (!assembly.has("/var/lock")) assembly.symlink("/var/lock", "/run/lock");
}

function makeDevices(assembly: Assembly): void {
  assembly.device("/dev/console", 5, 1, 0o600);
  assembly.device("/dev/tty", 5, 0, 0o666);
  assembly.device("/dev/ptmx", 5, 2, 0o666);
  assembly.device("/dev/null", 1, 3, 0o666);
  assembly.device("/dev/zero", 1, 5, 0o666);
  assembly.device("/dev/full", 1, 7, 0o666);
  assembly.device("/dev/random", 1, 8, 0o666);
  assembly.device("/dev/urandom", 1, 9, 0o666);
  assembly.symlink("/dev/fd", "/proc/self/fd");
  assembly.symlink("/dev/stdin", "/proc/self/fd/0");
  assembly.symlink("/dev/stdout", "/proc/self/fd/1");
  assembly.symlink("/dev/stderr", "/proc/self/fd/2");
}

async function copyDefaults(assembly: Assembly): Promise<void> {
  for (const [from, to] of DEFAULTS) {
    const data = await assembly.read(from);
    if (data !== undefined && !assembly.has(to)) await assembly.file(to, data);
  }
}

async function writeEtc(assembly: Assembly, options: SystemOptions): Promise<void> {
  const { hostname, mirror, suite } = options;
  await assembly.file("/etc/hostname", `${hostname}\n`);
  await assembly.file(
    "/etc/hosts",
    `127.0.0.1\tlocalhost\n127.0.1.1\t${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`,
  );
  await assembly.file("/etc/resolv.conf", "nameserver 10.0.2.3\n");
  await assembly.file("/etc/fstab", "/dev/root\t/\text4\tdefaults\t0\t1\n");
  assembly.symlink("/etc/mtab", "../proc/self/mounts");
  await assembly.file("/etc/machine-id", "");
  if (assembly.has("/usr/share/zoneinfo/Etc/UTC")) {
    assembly.symlink("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
  }
  await assembly.file("/etc/timezone", "Etc/UTC\n");
  const shells = ["/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/dash"];
  const present = shells.filter((path) => assembly.has(path));
  await assembly.file("/etc/shells", present.map((path) => `${path}\n`).join(""));
  if (assembly.has("/etc/apt")) {
    await assembly.file(
      "/etc/apt/sources.list.d/debian.sources",
      `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\n` +
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    );
  }
}

async function writeInit(assembly: Assembly, shell: string): Promise<void> {
  await assembly.file("/etc/rc", RC, 0o755);
  await assembly.file("/etc/rc.console", rcConsole(shell), 0o755);
  await assembly.file("/etc/inittab", INITTAB);
  assembly.dir("/etc/rc.d");
}

/** All of Mozilla's certificates in one file, as update-ca-certificates makes it. */
async function bundleCertificates(assembly: Assembly): Promise<void> {
  const dir = "/usr/share/ca-certificates/mozilla";
  const names = assembly.list(dir).filter((name) => name.endsWith(".crt"));
  if (names.length === 0) return;
  const parts: string[] = [];
  for (const name of names) {
    const data = await assembly.read(`${dir}/${name}`);
    if (data !== undefined) parts.push(data.toString("utf8"));
  }
  await assembly.file("/etc/ssl/certs/ca-certificates.crt", parts.join(""));
  const conf = names.map((name) => `mozilla/${name}\n`).join("");
  await assembly.file("/etc/ca-certificates.conf", conf);
}
