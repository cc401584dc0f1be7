/**
 * The named images, as data: which packages, and which shell the console gives.
 */
export interface Recipe {
  readonly summary: string;
  /** Taken without what they depend on. */
  readonly bare: readonly string[];
  /** Taken with everything they depend on. */
  readonly packages: readonly string[];
  /** Whether the suite's essential and required packages are in. */
  readonly isFull: boolean;
  /** busybox applets to link; undefined for all. */
  readonly applets?: readonly string[];
  readonly shell: string;
  /** Free space beside the contents, in bytes, unless --size says otherwise. */
  readonly freeBytes: number;
}

const MIB = 1048576;

export const RECIPES: Readonly<Record<string, Recipe>> = {
  minimal: {
    summary: "busybox and Debian's base files: a shell in a few megabytes",
    bare: ["base-files", "base-passwd", "busybox-static"],
    packages: [],
    isFull: false,
    shell: "/bin/sh",
    freeBytes: 48 * MIB,
  },
  debian: {
    summary: "a working Debian: bash, apt, python3, perl, vim, sqlite3, networking tools",
    bare: ["busybox-static"],
    packages: [
      "bzip2",
      "ca-certificates",
      "curl",
      "e2fsprogs",
      "file",
      "iproute2",
      "iputils-ping",
      "less",
      "netbase",
      "netcat-openbsd",
      "perl",
      "procps",
      "psmisc",
      "python3",
      "sqlite3",
      "vim-tiny",
      "xz-utils",
      "zstd",
    ],
    isFull: true,
    applets: ["init", "halt", "poweroff", "reboot"],
    shell: "/bin/bash",
    freeBytes: 512 * MIB,
  },
  sysvinit: {
    summary: "a small Debian that sysvinit brings up and down",
    bare: [],
    packages: [
      "bash",
      "coreutils",
      "dash",
      "e2fsprogs",
      "findutils",
      "gawk",
      "grep",
      "hostname",
      "initscripts",
      "login",
      "logsave",
      "mount",
      "ncurses-base",
      "passwd",
      "procps",
      "sed",
      "sysv-rc",
      "sysvinit-core",
      "util-linux",
    ],
    isFull: false,
    shell: "/bin/bash",
    freeBytes: 48 * MIB,
  },
  systemd: {
    summary: "Debian as systemd brings it up, with udev, D-Bus and logins",
    bare: [],
    packages: [
      "dbus",
      "e2fsprogs",
      "iproute2",
      "kmod",
      "less",
      "libpam-systemd",
      "procps",
      "systemd",
      "systemd-sysv",
      "udev",
    ],
    isFull: true,
    shell: "/bin/bash",
    freeBytes: 256 * MIB,
  },
};
