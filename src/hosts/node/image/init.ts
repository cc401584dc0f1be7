/**
 * How an image comes up: the init that its packages bring (sysvinit.ts, systemd), or else busybox
 * init, its table, and two scripts.
 *
 * /etc/rc mounts the kernel's file systems; with a read-only root the places
 * that programs write to become tmpfs. /etc/rc.console keeps a root shell on
 * the console. Source: busybox's init/init.c and examples/inittab.
 */
import type { Assembly } from "./assembly.ts";
import { writeSysvinit } from "./sysvinit.ts";

/** Writes the init table and its scripts; `shell` is what the console gives. */
export async function writeInit(assembly: Assembly, shell: string): Promise<void> {
  if (await writeSysvinit(assembly)) return;
  if (assembly.has("/usr/lib/systemd/systemd")) {
    assembly.dir("/etc/systemd/system/serial-getty@.service.d");
    await assembly.file("/etc/systemd/system/serial-getty@.service.d/console.conf", AUTOLOGIN);
    // Half of the first boot, for names of hardware that is not there.
    assembly.symlink("/etc/systemd/system/systemd-hwdb-update.service", "/dev/null");
  }
  await assembly.file("/etc/rc", RC, 0o755);
  await assembly.file("/etc/rc.console", rcConsole(shell), 0o755);
  await assembly.file("/etc/inittab", INITTAB);
  assembly.dir("/etc/rc.d");
}

/** The console belongs to whoever started the machine: root, without a password. */
const AUTOLOGIN = `[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,57600,38400,9600 - xterm
`;

/**
 * Names its programs without "busybox": those of them that need no exec then run in the shell's
 * own child (busybox's FEATURE_PREFER_APPLETS, as Debian builds it).
 */
const RC = `#!/usr/bin/busybox sh
# Brings the system up: mounts what programs expect. Run once by init.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

mounted() { case $mounts in *"$nl$1$nl"*) return 0 ;; esac; return 1; }
attach() { # type directory options
  mounted "$2" || { [ -d "$2" ] || mkdir -p "$2"; mount -t "$1" -o "$3" "$1" "$2"; }
} 2>/dev/null

[ -e /proc/mounts ] || mount -t proc -o nosuid,nodev,noexec proc /proc
nl='
'
# Not with read, which takes a byte at a time: that was an eighth of a boot.
mounts=$nl$(cut -d ' ' -f 2 /proc/mounts)$nl
attach sysfs /sys nosuid,nodev,noexec
attach devtmpfs /dev mode=755,nosuid
attach devpts /dev/pts gid=5,mode=620,ptmxmode=666
attach tmpfs /dev/shm mode=1777,nosuid,nodev
attach tmpfs /run mode=755,nosuid,nodev
attach tmpfs /tmp mode=1777,nosuid,nodev
mkdir -p /run/lock /run/user
isWritable() { true >>/etc/inittab; } 2>/dev/null
isWritable || mount -o remount,rw / 2>/dev/null
if ! isWritable; then
  attach tmpfs /var/tmp mode=1777
  attach tmpfs /var/log mode=755
  attach tmpfs /root mode=700
fi
hostname -F /etc/hostname 2>/dev/null
ip link set lo up 2>/dev/null
for script in /etc/rc.d/*; do [ -x "$script" ] && "$script"; done
:
`;

const INITTAB = `# Read by busybox init: id:runlevels:action:process
::sysinit:/etc/rc
::respawn:-/etc/rc.console
::ctrlaltdel:/usr/bin/busybox reboot
::shutdown:/usr/bin/busybox sync
`;

const rcConsole = (shell: string) => `#!/usr/bin/busybox sh
# A root shell on the console; init starts it again when it ends.
export HOME=/root USER=root LOGNAME=root SHELL=${shell}
# init calls every console a vt102; what the kernel was told is in its first environment
TERM=linux
while IFS= read -r -d '' variable; do
  case $variable in TERM=?*) TERM=\${variable#TERM=} ;; esac
done 2>/dev/null </proc/1/environ
export TERM
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /root 2>/dev/null || cd /
exec ${shell} -l
`;
