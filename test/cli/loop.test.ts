/** losetup(8) and mount(8) of util-linux and of busybox, on loop devices in a guest. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { genisoimage, noIsoTools } from "../fs/isoimage.ts";
import { imagePath, scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

/** A disc with two images on it: of a disc, and of a disk. */
function makeDisc(): string {
  const inner = join(dir, "inner");
  const tree = join(dir, "tree");
  mkdirSync(inner);
  mkdirSync(tree);
  writeFileSync(join(inner, "hello"), "from within\n");
  genisoimage(join(tree, "inner.iso"), inner, ["-R"]);
  writeFileSync(join(tree, "disk.img"), "");
  truncateSync(join(tree, "disk.img"), 8 << 20);
  execFileSync("mke2fs", ["-q", "-F", "-d", inner, join(tree, "disk.img")]);
  return genisoimage(join(dir, "disc.iso"), tree, ["-R"]);
}

const SCRIPT = `
cd /tmp; mkdir cd in; mount -r /dev/cdrom cd
$B losetup -f
mount -o loop,ro cd/inner.iso in; cat in/hello; $B losetup -a; umount in
cp cd/disk.img .; $B losetup /dev/loop0 /tmp/disk.img; $B losetup -a
mount -r /dev/loop0 in; cat in/hello; $B umount in; $B losetup -d /dev/loop0
$B losetup -f; grep loop /proc/partitions /proc/mounts
$B mount -o loop,ro -t ext2 disk.img in; cat in/hello; cat /sys/block/loop0/size; umount in; umount cd
$B losetup -a; ls /sys/block/loop0/loop 2>/dev/null
`;

for (const [name, prefix, shown] of [
  ["util-linux", "", (file: string) => `/dev/loop0: [N]:N (${file})`],
  ["busybox", "busybox", (file: string) => `/dev/loop0: 0 ${file}`],
] as const) {
  test(`${name} sets loop devices up and takes them away`, { skip: noIsoTools }, () => {
    const disc = makeDisc();
    const script = `B=${prefix}; ${SCRIPT}`;
    const r = vkernel(["run", "-c", disc, imagePath("debian"), "--", "sh", "-c", script]);
    rmSync(join(dir, "inner"), { recursive: true });
    rmSync(join(dir, "tree"), { recursive: true });
    const lines = r.stdout.replace(/\[\d+\]:\d+/g, "[N]:N").split("\n");
    assert.deepEqual(lines, [
      "/dev/loop0",
      "from within",
      shown("/tmp/cd/inner.iso"),
      shown("/tmp/disk.img"),
      "from within",
      "/dev/loop0",
      "from within",
      "16384",
      "",
    ]);
    assert.equal(r.stderr, "");
  });
}
