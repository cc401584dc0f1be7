/**
 * The image that real programs are taken from, and its tree as files for qemu.
 *
 * Both are kept: the image as a named image, the tree in the cache directory, under a name that changes
 * with the image.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";

const NAME = "bench";
const PACKAGES = "gcc,git,libc6-dev";

/** The path of the image: `given`, a file or a name; else the named image "bench", made if need be. */
export function findImage(cli: string, given: string | undefined): string {
  if (given && existsSync(given)) return given;
  const vkernel = (...args: string[]) => [cli, "image", ...args];
  if (!given) {
    console.error(`image ${NAME}: building, or up to date`);
    const build = ["build", NAME, "--from", "debian", "--include", PACKAGES, "--compile-python"];
    execFileSync(process.execPath, vkernel(...build), { stdio: ["ignore", 2, 2] });
  }
  return execFileSync(process.execPath, vkernel("path", given ?? NAME), {
    encoding: "utf8",
  }).trim();
}

/** A directory with what the image has: extracted once. */
export function treeOf(image: string): string {
  const { size, mtimeMs } = statSync(image);
  const cache = join(
    process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    "vkernel",
    "bench",
  );
  const tree = join(cache, `${basename(image)}-${size}-${Math.floor(mtimeMs)}`);
  if (existsSync(tree)) return tree;
  console.error(`extracting ${image} to ${tree}`);
  const partial = `${tree}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const dump = spawnSync("debugfs", ["-R", `rdump / ${partial}`, image], { encoding: "utf8" });
  if (dump.status !== 0) throw new Error(`debugfs: ${dump.stderr}`);
  renameSync(partial, tree);
  return tree;
}

/** qemu-riscv64: QEMU_RISCV64, or what PATH has. */
export function findQemu(): string {
  const named = process.env["QEMU_RISCV64"];
  if (named) return named;
  for (const name of ["qemu-riscv64", "qemu-riscv64-static"]) {
    if (spawnSync(name, ["--version"]).status === 0) return name;
  }
  throw new Error("no qemu-riscv64: install qemu-user, or set QEMU_RISCV64");
}
