/**
 * What maintainer scripts copy, link or concatenate when they run: done as data.
 *
 * Stands for the scripts of base-files, libc-bin, debianutils, readline-common,
 * libpam-runtime, tzdata and ca-certificates. A file that a package ships is
 * never replaced.
 */
import type { Assembly } from "./assembly.ts";

/** Puts the packages' defaults in place. */
export async function writeDefaults(assembly: Assembly): Promise<void> {
  for (const [from, to] of COPIES) {
    const data = await assembly.read(from);
    if (data !== undefined && !assembly.has(to)) await assembly.file(to, data);
  }
  await writeProfile(assembly);
  await writePam(assembly);
  await writeShells(assembly);
  await bundleCertificates(assembly);
  if (assembly.has("/etc/dpkg/origins/debian")) {
    assembly.symlink("/etc/dpkg/origins/default", "debian");
  }
  if (assembly.has("/usr/share/zoneinfo/Etc/UTC")) {
    assembly.symlink("/etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
  }
}

/** Defaults, and where the scripts copy them. */
const COPIES: readonly (readonly [from: string, to: string])[] = [
  ["/usr/share/base-files/motd", "/etc/motd"],
  ["/usr/share/base-files/dot.bashrc", "/root/.bashrc"],
  ["/usr/share/base-files/dot.profile", "/root/.profile"],
  ["/usr/share/libc-bin/nsswitch.conf", "/etc/nsswitch.conf"],
  ["/usr/share/readline/inputrc", "/etc/inputrc"],
];

const PLAIN_PROFILE = `# Read by login shells.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
[ "$PS1" ] && PS1='\\h:\\w\\$ '
for script in /etc/profile.d/*.sh; do [ -r "$script" ] && . "$script"; done
unset script
`;

/** Debian's profile needs debianutils' run-parts; without it a plain one does. */
async function writeProfile(assembly: Assembly): Promise<void> {
  const isDebian = assembly.tree.lget("/usr/bin/run-parts")?.kind === "file";
  const theirs = await assembly.read("/usr/share/base-files/profile");
  await assembly.file("/etc/profile", isDebian && theirs !== undefined ? theirs : PLAIN_PROFILE);
}

/** What pam-auth-update makes of Debian's profile "unix". */
const PAM: Readonly<Record<string, string>> = {
  auth: "auth [success=1 default=ignore] pam_unix.so nullok",
  account: "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so",
  password: "password [success=1 default=ignore] pam_unix.so obscure yescrypt",
  session: "session [default=1] pam_permit.so",
};

/** A login is a session of systemd-logind, where that is. */
const PAM_SYSTEMD = "/usr/lib/riscv64-linux-gnu/security/pam_systemd.so";

async function writePam(assembly: Assembly): Promise<void> {
  if (!assembly.has("/usr/share/pam/common-auth")) return;
  for (const [kind, first] of Object.entries(PAM)) {
    const lines = [first, `${kind} requisite pam_deny.so`, `${kind} required pam_permit.so`];
    if (kind === "session") {
      lines.push("session optional pam_umask.so", "session required pam_unix.so");
      await assembly.file("/etc/pam.d/common-session-noninteractive", `${lines.join("\n")}\n`);
      if (assembly.has(PAM_SYSTEMD)) lines.push("session optional pam_systemd.so");
    }
    await assembly.file(`/etc/pam.d/common-${kind}`, `${lines.join("\n")}\n`);
  }
  await assembly.file("/etc/security/opasswd", "", 0o600);
  if (!assembly.has("/etc/environment")) await assembly.file("/etc/environment", "");
}

async function writeShells(assembly: Assembly): Promise<void> {
  const shells = ["/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/dash"];
  const present = shells.filter((path) => assembly.has(path));
  await assembly.file("/etc/shells", present.map((path) => `${path}\n`).join(""));
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
