/** Arguments that no honest program passes: an errno each, and nothing left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EFAULT, EINVAL, ENAMETOOLONG, ENOMEM, EPERM } from "../../src/abi/errno.ts";
import { MAP_FIXED, MAP_SHARED, PROT_READ, PROT_WRITE } from "../../src/abi/mman.ts";
import { FAULT_MAPERR } from "../../src/vm/faultcode.ts";
import { lockRange, mincore, syncRange } from "../../src/vm/mlock.ts";
import { PAGE_SIZE, USER_END } from "../../src/vm/param.ts";
import { map, PRIVATE_ANON, RW, World } from "./harness.ts";

const WILD = [
  0,
  1,
  4095,
  4096,
  65535,
  65536,
  USER_END - 4096,
  USER_END - 1,
  USER_END,
  USER_END + 4096,
  2 ** 39,
  2 ** 47,
  2 ** 52,
  2 ** 53,
  2 ** 63,
  2 ** 64 - 4096,
  2 ** 64,
  -1,
  -4096,
  -(2 ** 63),
];
const wild = fc.oneof(
  fc.constantFrom(...WILD),
  fc.double({ noNaN: true, min: -1, max: 2 ** 64 }).map(Math.floor),
);
/** Sizes come unsigned from registers. */
const wildSize = wild.map(Math.abs);
const wildFlags = fc.integer();

test("wild addresses fault", () => {
  const world = new World();
  const vs = world.space();
  const bytes = new Uint8Array(16);
  for (const a of WILD) {
    assert.equal(vs.copyin(a, bytes), EFAULT, `copyin ${a}`);
    assert.equal(vs.copyout(a, bytes), EFAULT);
    assert.equal(vs.copyinstr(a, 10), EFAULT);
    assert.equal(vs.loadU32(a), EFAULT);
    assert.equal(vs.loadU64(a), EFAULT);
    assert.equal(vs.storeU32(a, 1), EFAULT);
    assert.equal(vs.storeU64(a, 1), EFAULT);
    assert.equal(vs.zero(a, 1), EFAULT);
    assert.equal(vs.fault(a, PROT_READ), FAULT_MAPERR);
  }
  vs.destroy();
  assert.equal(world.leaked, 0);
});

test("no combination of arguments throws, hangs or leaks", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(9), wild, wildSize, wildFlags, wildSize), { maxLength: 30 }),
      (calls) => {
        const world = new World(256);
        const vs = world.space();
        map(vs, 4, 0x10000);
        vs.setBrkStart(0x100000);
        for (const [which, a, b, flags, c] of calls) {
          let r = 0;
          if (which === 0)
            r = vs.mmap({ addr: a, length: b, prot: flags & 7, flags: (flags & ~3) | 0x22 });
          else if (which === 1) r = vs.munmap(a, b);
          else if (which === 2) r = vs.mprotect(a, b, flags);
          else if (which === 3) r = vs.mremap(a, b, c, flags, a);
          else if (which === 4) r = vs.madvise(a, b, flags);
          else if (which === 5) r = vs.brk(a);
          else if (which === 6) r = mincore(vs, a, Math.min(b, 2 ** 30), c);
          else if (which === 7) r = lockRange(vs, a, Math.min(b, 1 << 20), flags & 8);
          else if (which === 8) r = syncRange(vs, a, b, flags);
          else r = vs.fault(a, flags & 7);
          assert.ok(Number.isSafeInteger(r) || which === 5, `${which} answers ${r}`);
        }
        vs.destroy();
        assert.equal(world.leaked, 0);
      },
    ),
    { numRuns: 500 },
  );
});

test("mmap refuses what Linux refuses", () => {
  const vs = new World().space();
  const at = (addr: number, length: number, flags = PRIVATE_ANON) =>
    vs.mmap({ addr, length, prot: RW, flags });
  assert.equal(at(0, 0), EINVAL);
  assert.equal(at(0, 2 ** 64), ENOMEM);
  assert.equal(at(0x10001, 4096, PRIVATE_ANON | MAP_FIXED), EINVAL);
  assert.equal(at(0, 4096, PRIVATE_ANON | MAP_FIXED), EPERM);
  assert.equal(at(USER_END, 4096, PRIVATE_ANON | MAP_FIXED), ENOMEM);
  assert.equal(at(0, 2 ** 36), ENOMEM, "more than there is memory");
  assert.ok(
    vs.mmap({ addr: 0, length: 2 ** 36, prot: 0, flags: PRIVATE_ANON }) > 0,
    "but address space is free",
  );
  assert.equal(vs.munmap(0x10001, 4096), EINVAL);
  assert.equal(vs.munmap(0x10000, 0), EINVAL);
  assert.equal(vs.munmap(0x10000, 4096), 0, "nothing there is no error");
});

test("a copy that crosses into nothing faults, and a string stops at its page", () => {
  const vs = new World().space();
  const a = map(vs, 1);
  const end = a + PAGE_SIZE;
  assert.equal(vs.copyout(end - 4, new Uint8Array([65, 66, 67, 68])), 0);
  assert.equal(vs.copyout(end - 4, new Uint8Array(5)), EFAULT);
  assert.equal(vs.copyout(end - 4, new Uint8Array([65, 66, 67, 68])), 0);
  assert.equal(vs.copyinstr(end - 4, 100), EFAULT);
  assert.equal(vs.copyinstr(end - 4, 4), ENAMETOOLONG);
  assert.equal(vs.storeU32(end - 4, 0x00434241), 0);
  assert.equal(vs.copyinstr(end - 4, 4), "ABC");
});

test("numbers cross pages and keep their sign and width", () => {
  const vs = new World().space();
  const a = map(vs, 2) + PAGE_SIZE - 3;
  assert.equal(vs.storeU64(a, 2 ** 52 + 12345), 0);
  assert.equal(vs.loadU64(a), 2 ** 52 + 12345);
  assert.equal(vs.storeU64(a, -2), 0);
  assert.equal(vs.loadU32(a), 0xfffffffe);
  assert.equal(vs.loadU32(a + 4), 0xffffffff);
  assert.equal(vs.storeU64(a + 3, -2), 0);
  assert.equal(vs.loadU32(a + 3), 0xfffffffe);
  assert.equal(vs.loadU32(a + 7), 0xffffffff);
});

test("shared memory beyond its end is no memory", () => {
  const world = new World();
  const vs = world.space();
  const a = vs.mmap({
    addr: 0,
    length: 4096,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_SHARED | 0x20,
  });
  assert.equal(vs.mremap(a, 4096, 8192, 1, 0) > 0, true);
  vs.destroy();
  assert.equal(world.leaked, 0);
});
