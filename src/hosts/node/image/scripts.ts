/**
 * The packages' maintainer scripts, run by the image's own dpkg in a guest.
 *
 * The packages are unpacked already, as the host does it: dpkg's database says
 * "unpacked" of each. What is left is what a script decides: preinst, then
 * `dpkg --configure`, which orders the packages by what they depend on, and
 * pulls all triggers, since a database without a list of those that wait
 * (triggers/Unincorp) is one from before there were triggers to it. Services
 * are not started (policy-rc.d), questions get their defaults.
 * Source: Debian Policy, chapter 6; deb-triggers(5); invoke-rc.d(8).
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ImageError } from "./error.ts";
import type { Progress } from "./progress.ts";

/** What begins a line of the guest's about a package whose scripts failed. */
const FAILED = "vkernel: not configured: ";

export const SCRIPT = `
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C.UTF-8 HOME=/root
export DPKG_MAINTSCRIPT_ARCH=riscv64 DPKG_ROOT= TERM=dumb
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cd /
mkdir -p /run/lock
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
dpkg-query -W -f '\${db:Status-Status} \${binary:Package}\\n' | sed -n 's/^unpacked //p' |
while read -r package; do
  script=/var/lib/dpkg/info/$package.preinst
  [ -e "$script" ] || continue
  DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE=\${package%%:*} "$script" install < /dev/null ||
    echo "preinst of $package failed"
done
dpkg --configure -a --force-confold --abort-after=10000
rm -f /usr/sbin/policy-rc.d
dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' | sed -n '/^ii /!s/^... */${FAILED}/p'
sync
`;

/** Runs them in the image at `path`, which is changed. Packages that cannot be configured are told of. */
export async function runScripts(
  guest: readonly string[],
  path: string,
  packages: number,
  progress: Progress,
): Promise<void> {
  const [program, ...words] = guest;
  progress.start("configuring in a guest", packages, "packages");
  const child = spawn(program!, [...words, "--rw", path, "--", "sh", "-c", SCRIPT], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((done, fail) => {
    child.on("error", fail);
    child.on("close", done);
  });
  const errors: string[] = [];
  createInterface(child.stderr).on("line", (line) => {
    if (errors.push(line) > MAX_ERRORS) errors.shift();
  });
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith("Setting up ")) progress.advance(1);
    if (line.startsWith(FAILED)) progress.note(line.slice("vkernel: ".length));
  }
  const status = await ended;
  if (status !== 0) {
    const last = errors.at(-1) ?? "";
    throw new ImageError(`the packages' scripts could not be run (guest status ${status}) ${last}`);
  }
  progress.finish();
}

const MAX_ERRORS = 20;
