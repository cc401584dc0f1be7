/** The model that ext4 is compared with, itself compared with tmpfs. */
import { it } from "node:test";
import { Random } from "../fuzz/random.ts";
import { FileWorld, step } from "./ext4world.ts";
import { Model, type OpName } from "./model.ts";

const KINDS: readonly OpName[] = [
  "mkdir",
  "create",
  "create",
  "fifo",
  "symlink",
  "rmdir",
  "unlink",
  "link",
  "rename",
  "rename",
  "write",
  "write",
  "write",
  "truncate",
  "allocate",
  "setxattr",
  "removexattr",
  "fsync",
  "open",
  "close",
];

it("the model agrees with tmpfs", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const world = new FileWorld(16 << 20);
    world.attach(world.newTmpfs());
    const model = new Model();
    const random = new Random(seed);
    for (let i = 0; i < 500; i++) {
      const o = model.choose(random, KINDS, 20);
      step(world, model, o, `seed ${seed}, ${i}: ${JSON.stringify(o)}`);
      if (i % 50 === 0) world.compare(model, `seed ${seed} after ${i}`);
    }
    world.compare(model, `seed ${seed}`);
  }
});
