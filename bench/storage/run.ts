/**
 * ext4 in a vkernel beside the host's own ext4, in turns: contents, names, fsync, and Debian's tar, find, git and rm.
 *
 *   node bench/storage/run.ts [--rounds N] [--json FILE] [--dir DIR] [--image FILE|NAME] [--cli FILE]
 *
 * Both get copies of one image, in the same directory of the host: vkernel with `-r`, the host by a loop device
 * (which needs root; else its runs are in a directory beside the images, which the output says). Before the cold part
 * neither the guest, nor the loop device, nor the host has anything of the image in its cache. Times are taken inside, by
 * fsbench.c, so starting vkernel is not part of them; compiling the guest's programs is. After each round
 * e2fsck has a look at vkernel's image.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median, printTable, type Samples } from "../guest/table.ts";
import { makeTree } from "./tree.ts";

const RIVALS = ["native", "vkernel"] as const;
type Rival = (typeof RIVALS)[number];
type Part = "warm" | "cold";

const PACKAGES = "git,findutils,tar,coreutils";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    json: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    image: { type: "string" },
    cli: {
      type: "string",
      default: new URL("../../dist/cli/vkernel.js", import.meta.url).pathname,
    },
  },
});

const scratch = mkdtempSync(join(values.dir, "vkernel-storage-"));
const template = join(scratch, "template.img");
const mountPoint = join(scratch, "native");
/** What `-d` of mke2fs fills the images with: the programs, the archive, and an empty directory. */
const contents = join(scratch, "contents");
const samples: Samples = new Map();

try {
  const root = findRoot();
  const files = prepare();
  const isLoop = canMount();
  for (let round = 0; round < Number(values.rounds); round++) {
    const order = round % 2 === 0 ? RIVALS : [...RIVALS].reverse();
    for (const rival of order) {
      console.error(`round ${round + 1}: ${rival}`);
      const run = rival === "vkernel" ? inGuest(root) : isLoop ? onLoop : inDirectory();
      measure(rival, run, files);
    }
  }
  report(files, isLoop);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Runs one part of fsbench on the file system that `image` has; what it prints. */
type Run = (image: string, part: Part, args: (dir: string) => string[]) => string;

function measure(rival: Rival, run: Run, files: number): void {
  const image = join(scratch, `${rival}.img`);
  execFileSync("cp", ["--sparse=always", template, image]);
  const count = String(files);
  const printed = [run(image, "warm", (dir) => [`${dir}/work`, `${dir}/tree.tar`, count])];
  evict(image);
  printed.push(run(image, "cold", (dir) => [`${dir}/work`, count]));
  for (const line of printed.join("").trim().split("\n")) {
    const [name, value] = line.split("\t") as [string, string];
    const byRival = samples.get(name) ?? new Map<string, number[]>();
    samples.set(name, byRival);
    byRival.set(rival, [...(byRival.get(rival) ?? []), Number(value)]);
  }
  execFileSync("e2fsck", ["-fn", image], { stdio: ["ignore", "ignore", "pipe"] });
  rmSync(image);
}

function inGuest(root: string): Run {
  return (image, part, args) => {
    const work = `mount -t ext4 /dev/vkd1 /mnt && /mnt/fsbench.riscv64 "$@" && umount /mnt`;
    const options = ["run", "-m", "1g", "-r", image, root, "--", "/bin/sh", "-c", work, "sh"];
    return start(process.execPath, [values.cli, ...options, part, ...args("/mnt")]);
  };
}

function onLoop(image: string, part: Part, args: (dir: string) => string[]): string {
  mountLoop(image);
  try {
    return start(join(mountPoint, "fsbench.native"), [part, ...args(mountPoint)]);
  } finally {
    execFileSync("umount", [mountPoint]);
  }
}

/** Without a loop device: a directory of the host's file system stands for the image. */
function inDirectory(): Run {
  return (image, part, args) => {
    const dir = `${image}.dir`;
    if (part === "warm") {
      rmSync(dir, { recursive: true, force: true });
      cpSync(contents, dir, { recursive: true });
    }
    return start(join(dir, "fsbench.native"), [part, ...args(dir)]);
  };
}

function start(file: string, args: readonly string[]): string {
  const r = spawnSync(file, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (r.status !== 0) throw new Error(`${file} ${args.join(" ")}: ${r.status} ${r.stderr}`);
  return r.stdout;
}

/** Takes the image out of the host's cache. */
function evict(image: string): void {
  execFileSync("sync", [image]);
  execFileSync("dd", [`if=${image}`, "iflag=nocache", "count=0", "status=none"]);
}

function canMount(): boolean {
  try {
    mountLoop(template);
    execFileSync("umount", [mountPoint]);
    return true;
  } catch {
    return false;
  }
}

function mountLoop(image: string): void {
  mkdirSync(mountPoint, { recursive: true });
  execFileSync("mount", ["-o", "loop", image, mountPoint], { stdio: "pipe" });
}

/** The image that the guest's programs are on: given, or the named image "bench-storage", made if need be. */
function findRoot(): string {
  if (values.image && existsSync(values.image)) return values.image;
  const name = values.image ?? "bench-storage";
  if (!values.image) {
    const build = ["image", "build", name, "--include", PACKAGES];
    execFileSync(process.execPath, [values.cli, ...build], { stdio: ["ignore", 2, 2] });
  }
  return start(process.execPath, [values.cli, "image", "path", name]).trim();
}

/** Makes the template; how many files the archive in it has. */
function prepare(): number {
  mkdirSync(join(contents, "work"), { recursive: true });
  const source = new URL("fsbench.c", import.meta.url).pathname;
  for (const [compiler, arch] of [
    ["gcc", "native"],
    ["riscv64-linux-gnu-gcc", "riscv64"],
  ] as const) {
    const out = join(contents, `fsbench.${arch}`);
    execFileSync(compiler, ["-O2", "-static", "-o", out, source]);
  }
  const archive = join(scratch, "tree.tar");
  const files = makeTree(join(scratch, "tree"), archive);
  copyFileSync(archive, join(contents, "tree.tar"));
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", contents, template, "2g"]);
  return files;
}

function report(files: number, isLoop: boolean): void {
  const native = isLoop
    ? "ext4 on a loop device over a copy of the image"
    : "a directory of the host's file system; no loop devices here, so nothing was cold";
  console.log(
    `native is ${native}; ${files} files in the tree; ${values.rounds} rounds, medians\n`,
  );
  printTable("microseconds", samples, RIVALS);
  if (!values.json) return;
  const tests = [...samples].map(([name, byRival]) => ({
    name,
    ...Object.fromEntries([...byRival].map(([rival, list]) => [rival, median(list)])),
    samples: Object.fromEntries(byRival),
  }));
  const json = { unit: "us", native, files, rounds: Number(values.rounds), tests };
  writeFileSync(values.json, `${JSON.stringify(json, null, 2)}\n`);
}
