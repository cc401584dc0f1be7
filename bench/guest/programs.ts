/**
 * Debian's own programs: under qemu-riscv64 and in a vkernel, interleaved in one run.
 *
 *   node bench/guest/programs.ts [--rounds N] [--json FILE] [--cli FILE] IMAGE ROOT [NAME…]
 *
 * IMAGE is an ext4 image, ROOT a directory with the same files (`debugfs -R "rdump / ROOT" IMAGE`) for
 * qemu, which QEMU_RISCV64 names. vkernel's time is that of the whole command: Node.js, boot, program.
 * Programs that the image does not have are left out; so are those that start others, which
 * qemu-user cannot do alone.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printTable } from "./table.ts";

const PYTHON_WORK = `
def work(n):
    d = {}
    for i in range(n):
        d[i % 97] = d.get(i % 97, 0) + i * 3
    return sum(d.values()), len("".join(str(i) for i in range(n // 10)))
print(work(300000))`;
const PERL_WORK = `my %h; for my $i (1..200000) { $h{$i % 1000} .= "x" if $i =~ /[37]$/; } print scalar(keys %h), "\\n"`;
const SQL_WORK =
  "create table t(a,b);with recursive c(x) as (select 1 union all select x+1 from c where x<60000)" +
  " insert into t select x, x*7%1000 from c;select b,count(*),sum(a) from t group by b order by 3 limit 3;";

/** Name, program, arguments. */
const CASES: readonly (readonly [string, string, ...string[]])[] = [
  ["true", "/usr/bin/true"],
  ["python3 -c pass", "/usr/bin/python3", "-c", "pass"],
  ["python3 work", "/usr/bin/python3", "-c", PYTHON_WORK],
  ["bash loop", "/usr/bin/bash", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"],
  ["perl", "/usr/bin/perl", "-e", PERL_WORK],
  ["sqlite3", "/usr/bin/sqlite3", ":memory:", SQL_WORK],
  ["sha256sum", "/usr/bin/sha256sum", "/usr/bin/python3.13"],
  ["gzip", "/usr/bin/gzip", "-c", "/usr/bin/python3.13"],
  ["xz", "/usr/bin/xz", "-1c", "/usr/bin/bash"],
  [
    "git diff",
    "/usr/bin/git",
    "diff",
    "--no-index",
    "--stat",
    "/usr/lib/python3.13/json",
    "/usr/lib/python3.13/email",
  ],
  [
    "cc1 -O2",
    "/usr/libexec/gcc/riscv64-linux-gnu/14/cc1",
    "-quiet",
    "-O2",
    "/usr/include/stdlib.h",
    "-o",
    "/dev/null",
  ],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
    cli: {
      type: "string",
      default: new URL("../../dist/cli/vkernel.js", import.meta.url).pathname,
    },
  },
});
const [image, root, ...names] = positionals;
if (!image || !root) {
  console.error("usage: programs.ts [--rounds N] [--json FILE] [--cli FILE] IMAGE ROOT [NAME ...]");
  process.exit(64);
}
const qemu = process.env["QEMU_RISCV64"] ?? "qemu-riscv64";
const scratch = mkdtempSync(join(tmpdir(), "vkernel-bench-"));
const wall = new Map<string, Map<string, number[]>>();
const cpu = new Map<string, Map<string, number[]>>();
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [name, program, ...args] of CASES) {
    if (!existsSync(join(root, program))) continue;
    if (names.length > 0 && !names.includes(name)) continue;
    const inRoot = args.map((a) => (a.startsWith("/usr/") ? join(root, a) : a));
    measure(name, "qemu", [qemu, "-L", root, join(root, program), ...inRoot]);
    const run = [values.cli, "run", "-m", "512m", image, "--", program, ...args];
    measure(name, "vkernel", [process.execPath, ...run]);
  }
}
rmSync(scratch, { recursive: true });
printTable("wall seconds", wall, ["qemu", "vkernel"]);
printTable("CPU seconds", cpu, ["qemu", "vkernel"]);
if (values.json) {
  const plain = (m: typeof wall) =>
    Object.fromEntries([...m].map(([k, v]) => [k, Object.fromEntries(v)]));
  writeFileSync(values.json, JSON.stringify({ wall: plain(wall), cpu: plain(cpu) }, null, 2));
}

function measure(name: string, rival: string, argv: readonly string[]): void {
  const times = join(scratch, "times");
  const r = spawnSync("/usr/bin/time", ["-f", "%e %U %S", "-o", times, ...argv], {
    maxBuffer: 1 << 28,
    env: { PATH: process.env["PATH"], HOME: "/root" },
  });
  // git diff --no-index tells by status 1 that there are differences.
  if (r.status === null || r.status > 1) throw new Error(`${name} (${rival}): ${r.stderr}`);
  const last = readFileSync(times, "utf8").trim().split("\n").at(-1)!;
  const [seconds, user, system] = last.split(" ").map(Number) as [number, number, number];
  note(wall, name, rival, seconds);
  note(cpu, name, rival, user + system);
}

function note(into: typeof wall, name: string, rival: string, value: number): void {
  const byRival = into.get(name) ?? new Map<string, number[]>();
  into.set(name, byRival);
  byRival.set(rival, [...(byRival.get(rival) ?? []), value]);
}
