/**
 * Pieces of the kernel one by one, without guest code: `node bench/kernel/pieces.ts [filter]`.
 *
 * A process without a program makes its system calls through the real dispatcher: registers in, `call`,
 * result out. Hart and instructions are not in these numbers.
 */
import { bench, run, summary } from "mitata";
import { MAP_ANONYMOUS, MAP_PRIVATE } from "../../src/abi/mman.ts";
import type { Lwp } from "../../src/proc/lwp.ts";
import { buildTable } from "../../src/syscall/table.ts";
import { Dispatcher } from "../../src/trap/dispatch.ts";
import { namei, WALK_FOLLOW } from "../../src/vfs/namei.ts";
import { forkVmspace } from "../../src/vm/fork.ts";
import { TestKernel } from "../../test/harness/kernel.ts";

const A0 = 10;
const A7 = 17;
const SYS_GETPPID = 173;
const SYS_PIPE2 = 59;
const SYS_CLOSE = 57;
const SYS_READ = 63;
const SYS_WRITE = 64;
const SYS_OPENAT = 56;
const SYS_NEWFSTATAT = 79;
const AT_FDCWD = -100;
const MADV_DONTNEED = 4;
const PROT_READ_WRITE = 3;
const PAGE = 4096;
const BUFFER_BYTES = 1 << 20;
const PATH = "/usr/lib/deep/file";

const kernel = new TestKernel();
const dispatcher = new Dispatcher(buildTable());
const td = kernel.makeProcess([]);
kernel.kernel.cpu.current = td;
const vs = td.proc.vmspace;
const buffer = vs.mmap({
  addr: 0,
  length: BUFFER_BYTES,
  prot: PROT_READ_WRITE,
  flags: MAP_PRIVATE | MAP_ANONYMOUS,
});
vs.populate(buffer, buffer + BUFFER_BYTES);
for (const dir of ["/usr", "/usr/lib", "/usr/lib/deep"]) kernel.mkdir(dir);
kernel.writeFile(PATH, new Uint8Array(65536));
const pathAddr = buffer;
check(vs.copyout(pathAddr, new TextEncoder().encode(`${PATH}\0`)));
const data = buffer + 65536;
check(call(td, SYS_PIPE2, data, 0));
const [readEnd, writeEnd] = [vs.loadU32(data), vs.loadU32(data + 4)];
const bytes = new Uint8Array(64);

bench("null call (getppid)", () => call(td, SYS_GETPPID));
bench("namei, 4 names, cached", () => namei(td.fs, td, PATH, WALK_FOLLOW));
bench("fstatat, the same", () => call(td, SYS_NEWFSTATAT, AT_FDCWD, pathAddr, data, 0));
bench("openat and close", () => call(td, SYS_CLOSE, call(td, SYS_OPENAT, AT_FDCWD, pathAddr, 0)));
summary(() => {
  bench("copyin 64 bytes", () => vs.copyin(data, bytes));
  bench("copyout 64 bytes", () => vs.copyout(data, bytes));
});
bench("pipe, 1 byte in and out", () => {
  call(td, SYS_WRITE, writeEnd, data, 1);
  return call(td, SYS_READ, readEnd, data, 1);
});
bench("pipe, 64 KiB in and out", () => {
  call(td, SYS_WRITE, writeEnd, data, 65536);
  return call(td, SYS_READ, readEnd, data, 65536);
});
bench("anonymous page fault, and its madvise", () => {
  vs.madvise(data, PAGE, MADV_DONTNEED);
  return vs.storeU32(data, 1);
});
bench("fork and release of a 1 MiB address space", () => {
  const child = forkVmspace(vs);
  if (typeof child === "number") throw new Error("fork failed");
  child.release();
});

await run({ filter: new RegExp(process.argv[2] ?? ".") });

/** One system call, as the loop makes it when the hart stops at an `ecall`. */
function call(caller: Lwp, number: number, ...args: number[]): number {
  const { context } = caller;
  context.setX(A7, number);
  for (const [i, arg] of args.entries()) context.setX(A0 + i, arg);
  dispatcher.call(caller);
  return context.getX(A0);
}

function check(result: number): void {
  if (result !== 0) throw new Error(`setup failed: ${result}`);
}
