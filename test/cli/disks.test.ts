/** Disks as the command takes them: overlays, qcow2, partitions, limits, and the locks on their files. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { check, noQemuImg, qemuImg } from "../disk/qemu.ts";
import { imagePath, scratch, vkernel } from "./cli.ts";

const dir = scratch();
const base = join(dir, "base.img");
copyFileSync(imagePath("minimal"), base);
after(() => rmSync(dir, { recursive: true }));

const digest = (path: string): string =>
  createHash("sha256").update(readFileSync(path)).digest("hex");

/** One command in the guest; what it says. */
function guest(args: readonly string[], script: string): string {
  const r = vkernel(["run", ...args, "--", "/bin/sh", "-c", script]);
  assert.equal(r.status, 0, r.stderr);
  return r.stdout;
}

/** Where two files of one size differ, in blocks of 4 KiB, as `image diff` says it. */
function rangesOf(a: Buffer, b: Buffer): string {
  const ranges: [number, number][] = [];
  for (let at = 0; at < b.length; at += 4096) {
    const x = a.subarray(at, at + 4096);
    if (x.equals(b.subarray(at, at + 4096))) continue;
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === at) last[1] += x.length;
    else ranges.push([at, x.length]);
  }
  return ranges.map(([offset, length]) => `${offset} ${length}\n`).join("");
}

describe("an overlay", { skip: noQemuImg }, () => {
  const overlay = join(dir, "over.qcow2");
  const image = `${base},overlay=${overlay}`;
  const before = digest(base);

  it("keeps what was written from machine to machine, and the base as it was", () => {
    guest(
      [image],
      "seq 1 200000 | dd of=/dev/vkd0 bs=1M seek=30 conv=notrunc && echo beta | dd of=/dev/vkd0 bs=1 seek=50000001 && sync",
    );
    const read =
      "dd if=/dev/vkd0 bs=1 skip=50000001 count=5; dd if=/dev/vkd0 bs=1M skip=30 count=1 | head -n 3";
    assert.equal(guest([image], read), "beta\n1\n2\n3\n");
    assert.equal(digest(base), before);
    assert.equal(check(overlay), "");
    assert.match(qemuImg(["info", overlay]), /backing file: base.img/);
  });

  it("differs from its base where qemu-img finds it to", () => {
    const flat = join(dir, "flat.img");
    qemuImg(["convert", "-O", "raw", overlay, flat]);
    const expected = rangesOf(readFileSync(base), readFileSync(flat));
    const r = vkernel(["image", "diff", base, overlay]);
    assert.equal(r.stdout, expected);
    assert.equal(r.status, 1);
    assert.equal(vkernel(["image", "diff", flat, overlay]).status, 0);
    assert.equal(vkernel(["image", "diff", base, base]).status, 0);
    assert.equal(vkernel(["image", "diff", base, join(dir, "none")]).status, 2);
  });

  it("is committed to its base, and empty afterwards", () => {
    const target = join(dir, "committed");
    mkdirSync(target);
    copyFileSync(base, join(target, "base.img"));
    copyFileSync(overlay, join(target, "over.qcow2"));
    const flat = digest(join(dir, "flat.img"));
    const r = vkernel(["image", "commit", join(target, "over.qcow2")]);
    assert.equal(r.status, 0, r.stderr);
    assert.equal(digest(join(target, "base.img")), flat);
    assert.equal(check(join(target, "over.qcow2")), "");
    const diff = ["image", "diff", join(target, "base.img"), join(target, "over.qcow2")];
    assert.equal(vkernel(diff).status, 0);
  });

  it("is committed to a base that is a qcow2 image as well", () => {
    const target = join(dir, "layers");
    mkdirSync(target);
    const [lower, upper] = [join(target, "lower.qcow2"), join(target, "upper.qcow2")];
    qemuImg(["convert", "-O", "qcow2", base, lower]);
    guest([`${lower},overlay=${upper}`], "seq 1 9999 | dd of=/dev/vkd0 bs=1M seek=40 conv=fsync");
    const flat = join(target, "flat");
    qemuImg(["convert", "-O", "raw", upper, flat]);
    assert.equal(vkernel(["image", "commit", upper, lower]).status, 0);
    assert.equal(check(lower) + check(upper), "");
    assert.equal(vkernel(["image", "diff", flat, lower]).status, 0);
  });

  it("is refused above another base, and for a disk of -r", () => {
    const other = join(dir, "other.img");
    copyFileSync(base, other);
    const r = vkernel(["run", `${other},overlay=${overlay}`, "--", "/bin/true"]);
    assert.equal(r.status, 125);
    assert.match(r.stderr, /over\.qcow2 is an overlay of .*base\.img, not of .*other\.img\n$/);
    assert.equal(vkernel(["-r", `${other},overlay=${overlay}`]).status, 64);
  });

  it("takes no more than its limit, and says so", () => {
    const small = join(dir, "small.qcow2");
    const script = "dd if=/dev/urandom of=/dev/vkd0 bs=64k count=100 seek=100 conv=fsync 2>&1";
    const r = vkernel(["run", `${base},overlay=${small},limit=2m`, "--", "/bin/sh", "-c", script]);
    assert.equal(r.status, 1);
    assert.match(r.stdout, /No space left on device/);
    assert.ok(readFileSync(small).length <= 2 << 20);
    assert.equal(check(small, true), "");
  });
});

describe("qcow2 images", { skip: noQemuImg }, () => {
  it("are booted from, compressed or above a base that lies beside them", () => {
    const packed = join(dir, "packed.qcow2");
    qemuImg(["convert", "-c", "-O", "qcow2", base, packed]);
    assert.equal(guest([packed], "cat /proc/sys/hw/vkd0/cow"), "1\n");
    const above = join(dir, "above.qcow2");
    qemuImg(["create", "-q", "-f", "qcow2", "-b", "packed.qcow2", "-F", "qcow2", above]);
    assert.equal(guest([above], "echo up"), "up\n");
  });

  it("name files of other directories in vain, unless they are trusted", () => {
    mkdirSync(join(dir, "away"));
    const sly = join(dir, "away", "sly.qcow2");
    qemuImg(["create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", sly]);
    const r = vkernel(["run", sly, "--", "/bin/true"]);
    assert.equal(r.status, 125);
    assert.match(r.stderr, /its backing file .*base\.img is elsewhere.*backing=any/);
    assert.equal(guest([`${sly},backing=any`], "echo up"), "up\n");
    qemuImg([
      "create",
      "-q",
      "-u",
      "-f",
      "qcow2",
      "-b",
      "nbd://localhost/x",
      "-F",
      "raw",
      sly,
      "1M",
    ]);
    assert.match(vkernel(["-r", `${sly},backing=any`]).stderr, /no ordinary file\n$/);
    qemuImg(["create", "-q", "-u", "-f", "qcow2", "-b", "sly.qcow2", "-F", "qcow2", sly, "1M"]);
    assert.match(vkernel(["-r", sly]).stderr, /is backed by itself\n$/);
  });

  it("are not what a raw disk can be turned into from within", () => {
    const data = join(dir, "data.img");
    writeFileSync(data, new Uint8Array(1 << 20));
    const script = "printf 'QFI\\373' | dd of=/dev/vkd1 conv=notrunc; sync /dev/vkd1; echo $?";
    guest(["-r", data, base], script);
    assert.ok(
      readFileSync(data)
        .subarray(0, 4)
        .every((b) => b === 0),
    );
    guest(["-r", `${data},format=raw`, base], script);
    assert.equal(readFileSync(data).toString("latin1", 0, 3), "QFI");
  });
});

describe("the lock on an image", () => {
  /** Somebody else who has it. */
  async function holding(flag: string, path: string): Promise<ChildProcess> {
    const child = spawn("flock", [flag, path, "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout!, "data");
    return child;
  }

  async function release(child: ChildProcess): Promise<void> {
    child.stdin!.end();
    await once(child, "close");
  }

  for (const [flag, letter, isRefused] of [
    ["-s", "-R", false],
    ["-s", "-r", true],
    ["-x", "-R", true],
    ["-x", "-r", true],
  ] as const) {
    it(`held ${flag === "-s" ? "shared" : "alone"}: ${letter} ${isRefused ? "is refused" : "goes on"}`, async () => {
      const extra = join(dir, "extra.img");
      writeFileSync(extra, new Uint8Array(1 << 20));
      const child = await holding(flag, extra);
      const r = vkernel(["run", letter, extra, base, "--", "/bin/true"]);
      await release(child);
      assert.equal(r.status, isRefused ? 125 : 0, r.stderr);
      if (isRefused) assert.match(r.stderr, /extra\.img: in use by another vkernel\n$/);
    });
  }

  it("keeps a base from being committed to while a machine has it", {
    skip: noQemuImg,
  }, async () => {
    const child = await holding("-s", base);
    const r = vkernel(["image", "commit", join(dir, "over.qcow2")]);
    await release(child);
    assert.equal(r.status, 1);
    assert.match(r.stderr, /base\.img: in use/);
  });
});

it("the root may be on a partition", () => {
  const disk = join(dir, "disk.img");
  const root = readFileSync(base);
  const bytes = Buffer.alloc(root.length + (4 << 20));
  root.copy(bytes, 1 << 20);
  writeFileSync(disk, bytes);
  const script = `label: gpt\nstart=2048, size=${root.length / 512}, name=root\nsize=1M\n`;
  execFileSync("sfdisk", ["-q", disk], { input: script, stdio: ["pipe", "ignore", "pipe"] });
  const bad = vkernel(["-R", disk]);
  assert.equal(bad.status, 66);
  assert.match(bad.stderr, /partitioned: try -e vfs\.root\.mountfrom=vkd0p1\)\n$/);
  for (const from of ["vkd0p1", "ext4:vkd0p1", "/dev/vkd0p1"]) {
    const args = ["-s", "-e", `vfs.root.mountfrom=${from}:a=b`, "-R", `${disk}:S1`];
    const r = vkernel(args, "echo sum $((6*7)); readlink /dev/disk/by-id/vkd-S1-part1; exit 3\n");
    assert.equal(r.status, 3, r.stderr);
    assert.match(r.stdout, /sum 42\r?\n\.\.\/\.\.\/vkd0p1/);
  }
  const none = vkernel(["-e", "vfs.root.mountfrom=vkd0p9", "-R", disk]);
  assert.equal(none.status, 66);
  assert.match(none.stderr, /no such disk; there are vkd0, vkd0p1, vkd0p2\n$/);
});

it("a disk with a limit is slow, and no faster than that", () => {
  const extra = join(dir, "slow.img");
  writeFileSync(extra, new Uint8Array(8 << 20));
  const script = `
    t0=$(cut -d. -f1 /proc/uptime)
    dd if=/dev/vkd1 of=/dev/null bs=64k count=32 2>/dev/null
    t1=$(cut -d. -f1 /proc/uptime)
    echo $((t1 - t0))`;
  const seconds = Number(guest(["-R", `${extra},bw=1m`, base], script));
  // 2 MiB, of which a tenth of a second's worth is free, and a second is lost in rounding.
  assert.ok(seconds >= 1, `${seconds}`);
  const limits = "cat /proc/sys/hw/vkd1/bw_limit /proc/sys/hw/vkd1/iops_limit";
  assert.equal(guest(["-R", `${extra},bw=1m,iops=500`, base], limits), "1048576\n500\n");
});

it("whoever owes a disk time sleeps, and nobody else does; a signal that kills ends that", () => {
  const extra = join(dir, "slow.img");
  writeFileSync(extra, new Uint8Array(8 << 20));
  // It would be two minutes, longer than the machine is waited for.
  const script = `
    dd if=/dev/vkd1 of=/dev/null bs=8M count=1 2>/dev/null & p=$!
    until grep -q iolimit /proc/$p/wchan; do :; done
    echo waits; kill -CONT $p
    until grep -q iolimit /proc/$p/wchan; do :; done
    echo still; kill -TERM $p; wait $p; echo $?`;
  assert.equal(guest(["-R", `${extra},bw=64k`, base], script), "waits\nstill\n143\n");
});

it("wrong options are named, and a file whose name looks like options is a file", () => {
  for (const [text, words] of [
    [`${base},iops=many`, /iops=many: want a number/],
    [`${base},speed=1`, /speed=1: no option of a disk/],
    [`${base},bw=1x`, /bw=1x: want a size/],
    [`${base},format=vmdk`, /want raw or qcow2/],
    [`${base}:${"x".repeat(80)}`, /serial number/],
  ] as const) {
    const r = vkernel(["-R", text]);
    assert.equal(r.status, 64, text);
    assert.match(r.stderr, words);
  }
  const odd = join(dir, "a:b,iops=1.img");
  copyFileSync(base, odd);
  assert.ok(existsSync(odd));
  assert.equal(guest([odd], "echo up"), "up\n");
});
