/** Maintainer scripts in a guest: what the builder hands over, and what Debian's dpkg makes of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { buildImage } from "../../src/hosts/node/image/build.ts";
import { Cache } from "../../src/hosts/node/image/cache.ts";
import { imagePath as fileOf } from "../../src/hosts/node/image/images.ts";
import { silent } from "../../src/hosts/node/image/progress.ts";
import { SCRIPT } from "../../src/hosts/node/image/scripts.ts";
import { imagePath, vkernel } from "../cli/cli.ts";
import { BASE, FakeArchive } from "./fakearchive.ts";

const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };
const hasTools = ["gpg", "gpgv", "xz", "tar", "debugfs"].every(
  (tool) => spawnSync("sh", ["-c", `command -v ${tool}`], { env }).status === 0,
);

/** In the guest's place: looks at what it was given, leaves a file, and speaks as dpkg does. */
const STAND_IN = `
const { spawnSync } = require("node:child_process");
const [rw, image, dashes, sh, c, script] = process.argv.slice(2);
if ([rw, dashes, sh, c].join(" ") !== "--rw -- sh -c" || !script.includes("dpkg --configure")) process.exit(2);
const run = (...words) => spawnSync("debugfs", [...words, image], { encoding: "utf8" }).stdout;
const status = run("-R", "cat /var/lib/dpkg/status");
if (!/Package: small\\nStatus: install ok unpacked/.test(status)) process.exit(3);
run("-w", "-R", "write " + __filename + " /left-by-a-script");
console.log("Setting up small (1.0) ...\\nvkernel: not configured: big");
`;

it("hands packages that are unpacked to a guest, and keeps what it made of them", {
  skip: hasTools ? false : "needs gpg, xz, tar and e2fsprogs",
}, async () => {
  const archive = new FakeArchive();
  const home = mkdtempSync(join(tmpdir(), "vkernel-scripts-"));
  try {
    const small = { name: "small", control: { postinst: "#!/bin/sh\n" } };
    const big = { name: "big", fields: { Depends: "small" } };
    const base = BASE.map((p) => ({ ...p, fields: {} }));
    await archive.start([...base, small, big]);
    writeFileSync(join(home, "guest.cjs"), STAND_IN);
    const cache = new Cache(join(home, "vkernel"));
    const notes: string[] = [];
    const manifest = await buildImage({
      name: "t",
      include: ["big"],
      mirror: archive.url,
      keyring: archive.keyring,
      env: { ...env, XDG_CACHE_HOME: home },
      cache,
      progress: { ...silent, note: (line) => notes.push(line) },
      guest: [process.execPath, join(home, "guest.cjs")],
      runsScripts: true,
    });
    assert.deepEqual(notes, ["not configured: big"]);
    const image = fileOf(cache, manifest);
    const cat = (path: string) =>
      spawnSync("debugfs", ["-R", `cat ${path}`, image], { env, encoding: "utf8" }).stdout;
    assert.equal(cat("/left-by-a-script"), STAND_IN);
    assert.equal(cat("/var/lib/vkernel/scripts-not-run"), "");
  } finally {
    archive.stop();
    rmSync(home, { recursive: true });
  }
});

it("Debian's dpkg configures packages and pulls the triggers", () => {
  const before =
    "sed -i '/^Package: \\(libc-bin\\|dash\\)$/,/^Status/" +
    "s/ok installed/ok unpacked/' /var/lib/dpkg/status; rm -f /etc/ld.so.cache; " +
    "rm /var/lib/dpkg/info/ca-certificates.triggers /var/lib/dpkg/triggers/update-ca*";
  const after = "ls /etc/ld.so.cache; test -e /usr/sbin/policy-rc.d || echo gone";
  const r = vkernel([
    "run",
    imagePath("debian"),
    "--",
    "sh",
    "-c",
    `${before}\n${SCRIPT}\n${after}`,
  ]);
  assert.equal(r.status, 0, r.stderr);
  for (const name of ["libc-bin", "dash"]) {
    assert.match(r.stdout, new RegExp(`^Setting up ${name} \\(`, "m"));
  }
  assert.match(r.stdout, /\n\/etc\/ld\.so\.cache\ngone\n$/);
  assert.doesNotMatch(r.stdout, /not configured|failed/);
});
