/** Partition tables as sfdisk(8) writes them, and damaged ones. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EBUSY, EINVAL, EIO } from "../../src/abi/errno.ts";
import { addPartition, readPartitions, rescanPartitions } from "../../src/dev/partition/scan.ts";
import { Vkd } from "../../src/dev/vkd.ts";
import { Disks } from "../../src/vfs/disks.ts";
import { MemoryStore, withTempDir } from "../fs/ext4image.ts";

const MIB = 1 << 20;
const SIZE = 64 * MIB;

function partitioned(script: string): Uint8Array {
  return withTempDir((dir) => {
    const image = join(dir, "disk");
    writeFileSync(image, "");
    truncateSync(image, SIZE);
    execFileSync("sfdisk", ["-q", image], { input: script, stdio: ["pipe", "ignore", "pipe"] });
    return new Uint8Array(readFileSync(image));
  });
}

/** What sfdisk itself reads back. */
function oracle(bytes: Uint8Array): string[] {
  return withTempDir((dir) => {
    const image = join(dir, "disk");
    writeFileSync(image, bytes);
    const dump = JSON.parse(execFileSync("sfdisk", ["-J", image]).toString()) as {
      partitiontable: {
        id: string;
        label: string;
        partitions: { node: string; start: number; size: number; uuid?: string; type: string }[];
      };
    };
    const { id, label, partitions } = dump.partitiontable;
    return partitions.map((p) => {
      const number = Number(p.node.slice(image.length));
      const mbrId = `${id.slice(2)}-${number.toString(16).padStart(2, "0")}`;
      // An extended partition is shown as its first two sectors, as Linux does.
      const size = label === "dos" && ["5", "f"].includes(p.type) ? 2 : p.size;
      return `${number} ${p.start} ${size} ${label === "dos" ? mbrId : p.uuid!.toLowerCase()}`;
    });
  });
}

function diskOf(bytes: Uint8Array): Vkd {
  const options = { isCopyOnWrite: false, overlayLimitBytes: 0, serial: "" };
  return new Vkd(3, new MemoryStore(bytes), options);
}

function found(bytes: Uint8Array): string[] {
  return readPartitions(diskOf(bytes)).map(
    (e) => `${e.number} ${e.startBytes / 512} ${e.sizeBytes / 512} ${e.uuid}`,
  );
}

const MBR = `label: dos
size=8M, type=83
size=8M, type=82
size=32M, type=5
size=4M, type=c, bootable
size=4M
size=6M
size=7M
`;
const GPT = `label: gpt
size=10M, name=root
size=5M, name="a b/c"
size=1M, type=swap
`;

const hasSfdisk = spawnSync("sfdisk", ["--version"]).error === undefined;

describe("partition tables", { skip: hasSfdisk ? false : "no sfdisk(8) here" }, () => {
  for (const [name, script] of [
    ["MBR with logical partitions", MBR],
    ["GPT", GPT],
  ] as const) {
    it(`${name}: found as sfdisk finds it`, () => {
      const bytes = partitioned(script);
      assert.deepEqual(found(bytes), oracle(bytes));
      assert.ok(found(bytes).length >= 3);
    });
  }

  it("a damaged GPT header or array is replaced by the backup; without it there is none", () => {
    const bytes = partitioned(GPT);
    const good = found(bytes);
    const header = bytes.slice();
    header[512 + 40]! ^= 1;
    assert.deepEqual(found(header), good);
    const array = bytes.slice();
    array[1024 + 32]! ^= 1;
    assert.deepEqual(found(array), good);
    array[SIZE - 512 + 17]! ^= 1;
    // What remains is the protective entry, which covers everything.
    assert.deepEqual(found(array), []);
  });

  it("byte flips never bring anything but partitions within the disk", () => {
    for (const script of [MBR, GPT]) {
      const bytes = partitioned(script);
      const places = [];
      for (let at = 0; at < SIZE; at += 512) {
        if (bytes.subarray(at, at + 512).some((b) => b !== 0)) places.push(at);
      }
      let x = 4711;
      const random = (n: number): number => {
        x = (Math.imul(x, 1103515245) + 12345) >>> 0;
        return Math.floor((x / 2 ** 32) * n);
      };
      for (let i = 0; i < 3000; i++) {
        const at = places[random(places.length)]! + random(512);
        const was = bytes[at]!;
        bytes[at] = random(256);
        for (const e of readPartitions(diskOf(bytes))) {
          assert.ok(e.startBytes > 0 && e.startBytes + e.sizeBytes <= SIZE);
        }
        if (random(4) > 0) bytes[at] = was;
      }
    }
  });

  it("a partition is a disk of its own, and reaches nothing else", () => {
    const bytes = partitioned(GPT);
    const disks = new Disks();
    const vkd = diskOf(bytes);
    disks.add(vkd);
    assert.equal(
      rescanPartitions(disks, vkd, () => false),
      0,
    );
    const names = disks.all.map((d) => d.name);
    assert.deepEqual(names, ["vkd3", "vkd3p1", "vkd3p2", "vkd3p3"]);
    const p2 = disks.named("vkd3p2")!;
    assert.equal(p2.rdev, vkd.rdev + 2);
    assert.equal(p2.place!.label, "a_b_c");
    assert.equal(p2.write(0, new Uint8Array(512).fill(7)), 0);
    assert.equal(bytes[p2.place!.startBytes], 7);
    assert.equal(bytes[p2.place!.startBytes - 1], 0);
    assert.equal(p2.write(p2.sizeBytes - 511, new Uint8Array(512)), EIO);
    assert.equal(p2.read(-1, new Uint8Array(1)), EIO);
    const inUse = rescanPartitions(disks, vkd, (d) => d === p2);
    assert.equal(inUse, EBUSY);
    assert.equal(disks.all.length, 4);
    const big = { number: 9, startBytes: 512, sizeBytes: SIZE, uuid: "", label: "" };
    assert.equal(addPartition(disks, vkd, big), EINVAL);
    assert.equal(addPartition(disks, vkd, { ...big, sizeBytes: 512, number: 2 }), EBUSY);
  });
});

it("what is written to a part of a disk lasts as long as the disk", () => {
  const bytes = partitioned(MBR);
  for (const isCopyOnWrite of [false, true]) {
    const options = { isCopyOnWrite, overlayLimitBytes: MIB, serial: "" };
    const vkd = new Vkd(3, new MemoryStore(bytes), options);
    const disks = new Disks();
    disks.add(vkd);
    rescanPartitions(disks, vkd, () => false);
    const parts = disks.all.filter((d) => d.place);
    assert.ok(parts.length > 0);
    assert.ok(parts.every((d) => d.isVolatile === isCopyOnWrite));
  }
});

it("a raw ext4 image, and a FAT one, have no partitions", () => {
  const fat = new Uint8Array(MIB);
  fat.set([0xeb, 0x3c, 0x90]);
  fat.set(new TextEncoder().encode("FAT16   "), 0x36);
  fat.set([0x80, 1, 1, 0, 6, 1, 1, 1, 1, 0, 0, 0, 9, 0, 0, 0], 446);
  fat.set([0x55, 0xaa], 510);
  assert.deepEqual(found(fat), []);
  fat.fill(0, 0x36, 0x3e);
  assert.equal(found(fat).length, 1);
  assert.deepEqual(found(new Uint8Array(MIB)), []);
});
