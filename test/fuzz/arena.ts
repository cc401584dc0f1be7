/**
 * The user memory that random system calls point into, and what they point at.
 *
 * A fixed range of each process: pages of data, a read-only page, a forbidden
 * one and nothing; paths in their own pages, so that calls find real files.
 */
import { bytesOf } from "../../src/lib/bytes.ts";
import type { Lwp } from "../../src/proc/lwp.ts";
import type { Random } from "./random.ts";

const MAP_PRIVATE_FIXED = 0x32;
const PAGE = 4096;
const DATA = 0x10_0000_0000 / 16;
const DATA_PAGES = 8;
const PATHS = DATA + 64 * PAGE;
const PATH_PAGES = 2;
const PATH_SLOT = 64;
const READ_ONLY = DATA + 128 * PAGE;
const FORBIDDEN = READ_ONLY + PAGE;
/** Ends where nothing is mapped. */
const LAST = READ_ONLY + 4 * PAGE;
const TWO32 = 2 ** 32;

/** 64 bits as two words, low first. */
export type Word = readonly [number, number];

export const word = (n: number): Word => [n | 0, Math.floor(n / TWO32) | 0];

const WILD: readonly Word[] = [
  ...[0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 100, 255, 256, 1000, 1024, 4095, 4096, 4097, 65536].map(
    word,
  ),
  ...[2 ** 20, 2 ** 24, 2 ** 30, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 38 - 1].map(word),
  ...[2 ** 38 - 4096, 2 ** 38, 2 ** 44, 2 ** 47, 2 ** 52, 2 ** 53].map(word),
  [-1, 0x7fffffff],
  [0, -0x80000000],
  [-1, -1],
  [-2, -1],
  [-22, -1],
  [-100, -1],
  [-4096, -1],
  [0, -1],
];

export const PATH_LIST: readonly string[] = [
  ...[
    "a",
    "b",
    "a/b",
    "d",
    "d/e",
    "d/e/f",
    "../a",
    ".",
    "..",
    "",
    "/",
    "a/",
    "d/../a",
    "link",
    "loop",
  ],
  ...[
    "fifo",
    "none",
    "//a//b//",
    "/tmp",
    "/tmp/x",
    "/tmp/d",
    "/bin/prog",
    "/bin/script",
    "/run",
    "/etc/f",
  ],
  ...[
    "/proc",
    "/proc/self",
    "/proc/self/fd",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/self/fd/5",
  ],
  ...[
    "/proc/self/maps",
    "/proc/self/smaps",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/self/mem",
  ],
  ...[
    "/proc/self/cwd",
    "/proc/self/exe",
    "/proc/self/root/a",
    "/proc/self/task",
    "/proc/self/pagemap",
  ],
  ...[
    "/proc/self/mounts",
    "/proc/self/environ",
    "/proc/self/cmdline",
    "/proc/self/comm",
    "/proc/1/status",
  ],
  ...[
    "/proc/self/oom_score_adj",
    "/proc/self/limits",
    "/proc/self/fdinfo/3",
    "/proc/stat",
    "/proc/locks",
  ],
  ...[
    "/proc/meminfo",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/overcommit_memory",
  ],
  ...[
    "/proc/sys/fs/pipe-max-size",
    "/proc/sysrq-trigger",
    "/proc/kmsg",
    "/proc/1/fd",
    "/proc/2/fd/3",
  ],
  ...[
    "/dev",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
  ],
  ...[
    "/dev/pts/0",
    "/dev/pts/1",
    "/dev/pts",
    "/dev/kmsg",
    "/dev/console",
    "/dev/hvc0",
    "/dev/stdin",
    "/dev/shm",
  ],
  ...[
    "/dev/shm/s",
    "/dev/mem",
    "/sys",
    "/sys/kernel",
    "/sys/devices/system/cpu/online",
    "/sys/block",
  ],
  ...[
    "tmpfs",
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "ext4",
    "ramfs",
    "user.x",
    "user.yy",
    "trusted.z",
  ],
  ...[
    "security.q",
    "user.",
    "system.posix_acl_access",
    "size=1m",
    "mode=777,size=4k",
    "n".repeat(63),
  ],
];

export class Arena {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Maps what is missing in `td`'s memory, and fills it. Without memory it stays as it is. */
  prepare(td: Lwp): void {
    const vm = td.proc.vmspace;
    const limits = { ...vm.limits };
    Object.assign(vm.limits, { asBytes: Infinity, dataBytes: Infinity });
    this.#map(td, DATA, DATA_PAGES, 3);
    this.#map(td, PATHS, PATH_PAGES, 3);
    this.#map(td, READ_ONLY, 1, 1);
    this.#map(td, FORBIDDEN, 1, 0);
    this.#map(td, LAST - PAGE, 1, 3);
    vm.munmap(LAST, PAGE);
    Object.assign(vm.limits, limits);
    for (const [i, path] of PATH_LIST.entries()) {
      vm.copyout(PATHS + i * PATH_SLOT, bytesOf(`${path}\0`));
    }
    for (let i = 0; i < 64; i++) this.scribble(td);
    vm.ranOut = false;
  }

  #map(td: Lwp, addr: number, pages: number, prot: number): void {
    const flags = MAP_PRIVATE_FIXED;
    td.proc.vmspace.mmap({ addr, length: pages * PAGE, prot, flags });
  }

  /** Changes a few words of the data. */
  scribble(td: Lwp): void {
    const random = this.#random;
    const vm = td.proc.vmspace;
    const bytes = new Uint8Array(8 * (1 + random.below(6)));
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < bytes.length; i += 8) {
      const [lo, hi] = this.value();
      view.setInt32(i, lo, true);
      view.setInt32(i + 4, hi, true);
    }
    vm.copyout(this.data(), bytes);
    if (random.oneIn(8)) this.#message(td);
    vm.ranOut = false;
  }

  /** A struct msghdr that means something: an abstract name, segments, open files or credentials. */
  #message(td: Lwp): void {
    const random = this.#random;
    const words = new BigUint64Array(24);
    const view = new DataView(words.buffer);
    const at = this.data();
    const control = at + 14 * 8;
    words.set([BigInt(at + 11 * 8), BigInt(random.below(12)), BigInt(at + 7 * 8), 2n]);
    words.set([BigInt(control), BigInt(random.below(64)), 0n], 4);
    words.set([BigInt(this.data()), BigInt(random.below(5000))], 7);
    words.set([BigInt(this.data()), BigInt(random.below(16))], 9);
    view.setUint32(11 * 8, 1 + 0x410000 * random.below(2), true);
    const files = random.below(4);
    const isCreds = random.oneIn(4);
    view.setUint32(14 * 8, 16 + (isCreds ? 12 : files * 4), true);
    view.setUint32(15 * 8, 1, true);
    view.setUint32(15 * 8 + 4, isCreds ? 2 : 1, true);
    for (let i = 0; i < files; i++) view.setUint32(16 * 8 + i * 4, random.below(24), true);
    td.proc.vmspace.copyout(at, new Uint8Array(words.buffer));
  }

  /** An address in the writable data; hot at its beginning, so that what is scribbled is read. */
  data(): number {
    const random = this.#random;
    return DATA + 8 * random.below(random.oneIn(4) ? DATA_PAGES * 500 : 40);
  }

  /** What a field of a struct might hold. */
  value(): Word {
    const random = this.#random;
    switch (random.below(8)) {
      case 0:
      case 1:
        return [random.below(24), random.below(24)];
      case 2:
        return word(this.data());
      case 3:
        return word(this.path());
      case 4:
        return this.wild();
      case 5:
        return word(random.below(5000));
      case 6:
        return [1 << random.below(32), 0];
      default:
        return [0, 0];
    }
  }

  wild(): Word {
    const random = this.#random;
    if (random.oneIn(4)) return [random.u32(), random.u32()];
    return random.pick(WILD);
  }

  path(): number {
    return PATHS + this.#random.below(PATH_LIST.length) * PATH_SLOT;
  }

  pointer(): Word {
    const random = this.#random;
    switch (random.below(16)) {
      case 0:
        return this.wild();
      case 1:
        return word(LAST - random.below(64));
      case 2:
        return word(READ_ONLY + random.below(4096));
      case 3:
        return word(FORBIDDEN - random.below(16));
      case 4:
        return word(this.data() + random.below(8));
      case 5:
      case 6:
        return [0, 0];
      case 7:
        return word(this.path());
      default:
        return word(this.data());
    }
  }
}
