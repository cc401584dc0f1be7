import { test } from "node:test";
import type { Vmspace } from "../../src/vm/vmspace.ts";
import { GuestWorld } from "./guestworld.ts";
import { World } from "./harness.ts";
import { type Access, checkModel } from "./model.ts";

const PAGES = 2048;

class KernelWorld extends World implements Access {
  load(vs: Vmspace, va: number): number {
    return vs.loadU32(va);
  }

  store(vs: Vmspace, va: number, value: number): number {
    return vs.storeU32(va, value);
  }
}

test("address spaces behave as cells in a table, through fork, mprotect, mremap and truncate", () => {
  checkModel(200, () => new KernelWorld(PAGES));
});

test("a program's loads and stores find the same cells, whatever the TLBs remember", () => {
  checkModel(100, () => new GuestWorld(PAGES, false));
});

test("so they do when faults are resolved under the program", () => {
  checkModel(100, () => new GuestWorld(PAGES, true));
});
