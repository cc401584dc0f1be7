/** Debian's own tools on the guest's block devices: blkdiscard, blockdev, partx and lsblk of util-linux. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, it } from "node:test";
import { pattern } from "../fs/ext4image.ts";
import { scratch, vkernel } from "./cli.ts";

const MIB = 1 << 20;
const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

function guest(args: readonly string[], script: string): string {
  const r = vkernel(["run", ...args, "debian", "--", "/bin/sh", "-c", `exec 2>&1; ${script}`]);
  assert.equal(r.status, 0, r.stdout + r.stderr);
  return r.stdout;
}

it("what is discarded goes back to the host, and nothing else is touched", () => {
  const disk = join(dir, "data");
  const bytes = pattern(48 * MIB, 1);
  writeFileSync(disk, bytes);
  const before = statSync(disk).blocks;
  const out = guest(
    ["-r", `${disk}:SER-1`],
    `blkdiscard -o 1M -l 16M /dev/vkd1 && blkdiscard -z -o 20M -l 1M /dev/vkd1
     blkdiscard -z -o 21M -l 512 /dev/vkd1
     fallocate -p -o 24M -l 1M /dev/vkd1; fallocate -z -o 25M -l 1M /dev/vkd1
     fallocate -l 1M /dev/vkd1; fallocate -p -o 100 -l 512 /dev/vkd1
     blkdiscard -o 100 -l 512 /dev/vkd1; blkdiscard -s -l 1M /dev/vkd1
     blockdev --getsize64 --getss --getpbsz --getro --getra --getbsz /dev/vkd1
     blockdev --setro --getro /dev/vkd1; dd if=/dev/zero of=/dev/vkd1 count=1 status=none
     blockdev --setrw --setra 64 --getra --getro --flushbufs /dev/vkd1
     cat /sys/block/vkd1/queue/discard_granularity /sys/block/vkd1/queue/read_ahead_kb
     readlink /dev/disk/by-id/vkd-SER-1`,
  );
  assert.deepEqual(out.trim().split("\n"), [
    "fallocate: fallocate failed: Operation not supported",
    "fallocate: fallocate failed: Invalid argument",
    "blkdiscard: /dev/vkd1: offset 100 is not aligned to sector size 512",
    "blkdiscard: BLKSECDISCARD: /dev/vkd1 ioctl failed: Operation not supported",
    `${48 * MIB}`,
    "512",
    "4096",
    "0",
    "256",
    "4096",
    "1",
    "dd: failed to open '/dev/vkd1': Permission denied",
    "64",
    "0",
    "4096",
    "32",
    "../../vkd1",
  ]);
  bytes.fill(0, MIB, 17 * MIB);
  bytes.fill(0, 20 * MIB, 21 * MIB + 512);
  bytes.fill(0, 24 * MIB, 26 * MIB);
  assert.ok(readFileSync(disk).equals(bytes));
  // In sectors. Where the host's file system has no holes, all is as it was.
  const freed = before - statSync(disk).blocks;
  assert.ok(freed === 0 || freed >= (15 * MIB) / 512, `${freed}`);
});

it("a partition table is read when it is asked to be, but not while a partition is mounted", () => {
  const table = join(dir, "table");
  writeFileSync(table, "");
  truncateSync(table, 32 * MIB);
  const script = "label: dos\nx1: size=8M, type=83\nx2: size=16M, type=5\nx5: size=4M, type=83\n";
  execFileSync("sfdisk", ["-q", table], { input: script, stdio: ["pipe", "ignore", "pipe"] });
  const ext4 = join(dir, "ext4");
  execFileSync("mke2fs", ["-q", "-F", "-t", "ext4", ext4, "8m"]);
  const bytes = readFileSync(table);
  readFileSync(ext4).copy(bytes, MIB);
  writeFileSync(table, bytes);
  const empty = join(dir, "empty");
  writeFileSync(empty, new Uint8Array(32 * MIB));
  const out = guest(
    ["-r", empty, "-R", table],
    `lsblk -nro NAME,SIZE,TYPE,RO; echo -- copied
     dd if=/dev/vkd2 of=/dev/vkd1 bs=1M status=none; blockdev --rereadpt /dev/vkd1
     lsblk -nro NAME,SIZE,TYPE /dev/vkd1; ls /sys/block/vkd1 | grep vkd1p
     cat /sys/class/block/vkd1p5/start; grep vkd1 /proc/partitions | wc -l
     mkdir /tmp/m; mount -o ro /dev/vkd1p1 /tmp/m; ls /tmp/m; echo -- busy
     blockdev --rereadpt /dev/vkd1; partx -d --nr 1 /dev/vkd1; umount /tmp/m; echo -- free
     partx -d --nr 5 /dev/vkd1; partx -d --nr 1 /dev/vkd1; ls /dev/vkd1*
     partx -a --nr 1 /dev/vkd1; ls /dev/vkd1*; dd if=/dev/vkd1p1 bs=1k skip=1 count=1 status=none | od -An -tx2 -j56 -N2`,
  );
  const text = out.replaceAll(/ +$/gm, "").trim().split("\n");
  const at = (mark: string): number => text.indexOf(`-- ${mark}`);
  const names = text.slice(0, at("copied")).map((line) => line.split(" ").slice(0, 3).join(" "));
  assert.deepEqual(names.slice(1), [
    "vkd1 32M disk",
    "vkd2 32M disk",
    "vkd2p1 8M part",
    "vkd2p2 1K part",
    "vkd2p5 4M part",
  ]);
  assert.deepEqual(text.slice(at("copied") + 1, at("busy")), [
    "vkd1 32M disk",
    "vkd1p1 8M part",
    "vkd1p2 1K part",
    "vkd1p5 4M part",
    "vkd1p1",
    "vkd1p2",
    "vkd1p5",
    "20480",
    "4",
    "lost+found",
  ]);
  const busy = text.slice(at("busy") + 1, at("free"));
  assert.match(busy[0]!, /BLKRRPART: Device or resource busy/);
  assert.match(busy[1]!, /error deleting partition 1/);
  assert.deepEqual(text.slice(at("free") + 1), [
    "/dev/vkd1",
    "/dev/vkd1p2",
    "/dev/vkd1",
    "/dev/vkd1p1",
    "/dev/vkd1p2",
    " ef53",
  ]);
});
