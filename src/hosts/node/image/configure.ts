/**
 * What makes unpacked packages a system that boots: directories, /dev, /etc, init.
 *
 * A file system that the kernel mounts over /dev hides the nodes made here;
 * they are for the moment before, and for programs that look at the image.
 * Source: hier(7), and the maintainer scripts of base-files.
 */
import type { Assembly } from "./assembly.ts";
import { writeDefaults } from "./defaults.ts";
import { writeInit } from "./init.ts";

export interface SystemOptions {
  readonly shell: string;
  readonly hostname: string;
  readonly mirror: string;
  readonly suite: string;
  /** Of the image's file system. */
  readonly uuid: string;
}

export async function configureSystem(assembly: Assembly, options: SystemOptions): Promise<void> {
  makeDirectories(assembly);
  makeDevices(assembly);
  await writeDefaults(assembly);
  await writeEtc(assembly, options);
  await writeInit(assembly, options.shell);
}

const MAIL_GID = 8;

const DIRECTORIES =
  "/dev/pts /dev/shm /proc /sys /run /mnt /srv /media /opt /etc/opt /etc/profile.d /var/cache " +
  "/var/lib /var/local /var/log /var/opt /var/spool /usr/local/bin /usr/local/etc " +
  "/usr/local/games /usr/local/include /usr/local/lib /usr/local/libexec /usr/local/sbin " +
  "/usr/local/share/man /usr/local/src";

function makeDirectories(assembly: Assembly): void {
  for (const path of DIRECTORIES.split(" ")) if (!assembly.has(path)) assembly.dir(path);
  assembly.dir("/root", 0o700);
  assembly.dir("/tmp", 0o1777);
  assembly.dir("/var/tmp", 0o1777);
  assembly.dir("/var/mail", 0o2775, MAIL_GID);
  if (!assembly.has("/var/spool/mail")) assembly.symlink("/var/spool/mail", "../mail");
  replaceDirectory(assembly, "/var/run", "/run");
  replaceDirectory(assembly, "/var/lock", "/run/lock");
}

/** Makes an empty directory a symlink, as base-files does with those that moved to /run. */
function replaceDirectory(assembly: Assembly, path: string, target: string): void {
  if (assembly.tree.removeEmpty(path)) assembly.symlink(path, target);
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

async function writeEtc(assembly: Assembly, options: SystemOptions): Promise<void> {
  const { hostname, mirror, suite } = options;
  await assembly.file("/etc/hostname", `${hostname}\n`);
  await assembly.file(
    "/etc/hosts",
    `127.0.0.1\tlocalhost\n127.0.1.1\t${hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n`,
  );
  await assembly.file(
    "/etc/networks",
    "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n",
  );
  await assembly.file("/etc/resolv.conf", "nameserver 10.0.2.3\n");
  await assembly.file("/etc/fstab", `UUID=${options.uuid}\t/\text4\tdefaults\t0\t1\n`);
  assembly.symlink("/etc/mtab", "../proc/self/mounts");
  await assembly.file("/etc/machine-id", "");
  await assembly.file("/etc/timezone", "Etc/UTC\n");
  if (assembly.has("/etc/apt")) {
    await assembly.file(
      "/etc/apt/sources.list.d/debian.sources",
      `Types: deb\nURIs: ${mirror}\nSuites: ${suite}\nComponents: main\n` +
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    );
  }
}
