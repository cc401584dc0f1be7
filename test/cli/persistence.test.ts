/** What a guest wrote to its root and synced is there afterwards, also if vkernel is killed. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, it } from "node:test";
import { check, noQemuImg, qemuImg } from "../disk/qemu.ts";
import { CLI, imagePath, scratch, vkernel } from "./cli.ts";

const dir = scratch();
const base = join(dir, "base.img");
copyFileSync(imagePath("minimal"), base);
after(() => rmSync(dir, { recursive: true }));

/** Complaints of e2fsck about the file system of an image; "" if there are none. */
function fsck(raw: string): string {
  const r = spawnSync("e2fsck", ["-fn", raw], { encoding: "utf8" });
  return r.status === 0 ? "" : r.stdout + r.stderr;
}

it("run --rw changes the image, and leaves a file system that e2fsck finds whole", () => {
  const image = join(dir, "own.img");
  copyFileSync(base, image);
  const script = "mkdir -p /new/deep && seq 1 50000 >/new/deep/file && ln -s deep/file /new/link";
  const first = vkernel(["run", "--rw", image, "--", "/bin/sh", "-c", script]);
  assert.equal(first.status, 0, first.stderr);
  assert.equal(fsck(image), "");
  const lines = [
    "run",
    "--ro",
    image,
    "--",
    "/bin/sh",
    "-c",
    "wc -l </new/link; touch /x 2>/dev/null",
  ];
  const second = vkernel(lines);
  assert.equal(second.stdout, "50000\n");
  assert.equal(second.status, 1);
});

/** Kills vkernel when it has said so many lines; all that it has said. */
async function killedAfter(args: readonly string[], lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("latin1");
  child.stdout.on("data", (part: string) => {
    text += part;
    if (text.split("\n").length > lines) child.kill("SIGKILL");
  });
  await once(child, "close");
  return text.split("\n").slice(0, -1);
}

const LOOP = `i=0
  while :; do
    i=$((i + 1))
    seq 1 $((i * 50)) | dd of=/kept.$i conv=fsync 2>/dev/null && echo $i
  done`;

for (const [what, overlay] of [
  ["a raw image", null],
  ["an overlay", join(dir, "kill.qcow2")],
] as const) {
  it(`kill -9: all that was synced to ${what} is there`, {
    skip: overlay ? noQemuImg : false,
  }, async () => {
    const image = join(dir, "killed.img");
    copyFileSync(base, image);
    const disk = overlay ? [`${image},overlay=${overlay}`] : ["--rw", image];
    const said = await killedAfter(["run", ...disk, "--", "/bin/sh", "-c", LOOP], 12);
    assert.ok(said.length >= 12);
    if (overlay) assert.equal(check(overlay, true), "");
    const last = Number(said.at(-1));
    const script = `for i in $(seq 1 ${last}); do seq 1 $((i * 50)) | cmp - /kept.$i || exit 1; done`;
    const r = vkernel(["run", ...disk, "--", "/bin/sh", "-c", script]);
    assert.equal(r.status, 0, r.stderr);
    let raw = image;
    if (overlay) {
      raw = join(dir, "flat.img");
      qemuImg(["convert", "-O", "raw", overlay, raw]);
    }
    assert.equal(fsck(raw), "");
  });
}
