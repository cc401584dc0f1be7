/**
 * The oracle: an image's own programs, run by qemu-riscv64 on the host's Linux.
 *
 * The image's files are extracted once into a scratch directory; sandbox.sh
 * makes the rest. Where the host cannot do it (no static QEMU, Linux older
 * than 6.7, no user namespaces) there is a reason instead.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Outcome } from "./compare.ts";

const SANDBOX = new URL("./sandbox.sh", import.meta.url).pathname;
const TREES = join(tmpdir(), "vkernel-oracle-trees");
const TIMEOUT_MS = 400_000;

export type Oracle = (argv: readonly string[], input?: string) => Outcome;

/** Runs commands of the image, or says why this host cannot. */
export function oracleOf(image: string): Oracle | string {
  const qemu = staticQemu();
  if (qemu === null) return "no statically linked qemu-riscv64 (Debian package qemu-user-static)";
  const tree = treeOf(image);
  const oracle: Oracle = (argv, input = "") => run([tree, qemu, ...argv], input);
  const probe = oracle(["true"]);
  return probe.status === 0 ? oracle : `no sandbox: ${probe.stderr.trim()}`;
}

function run(args: readonly string[], input: string): Outcome {
  const r = spawnSync("sh", [SANDBOX, ...args], {
    input,
    encoding: "latin1",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 26,
  });
  return { status: r.status, stdout: r.stdout, stderr: r.stderr };
}

/** $VKERNEL_QEMU, or the first that needs no libraries: inside the sandbox there are none of the host's. */
function staticQemu(): string | null {
  const path = (process.env["PATH"] ?? "").split(":");
  const installed = ["qemu-riscv64-static", "qemu-riscv64"].flatMap((name) =>
    path.map((dir) => join(dir, name)),
  );
  const chosen = process.env["VKERNEL_QEMU"];
  const candidates = chosen === undefined ? installed : [chosen];
  return candidates.find((file) => existsSync(file) && isStatic(file)) ?? null;
}

/** True if the ELF file has no PT_INTERP. */
function isStatic(file: string): boolean {
  const elf = readFileSync(file);
  const PT_INTERP = 3;
  const phoff = Number(elf.readBigUInt64LE(32));
  const phentsize = elf.readUInt16LE(54);
  const phnum = elf.readUInt16LE(56);
  for (let i = 0; i < phnum; i++) {
    if (elf.readUInt32LE(phoff + i * phentsize) === PT_INTERP) return false;
  }
  return true;
}

/** The image's files in a directory; extracted aside, so that it is whole if it is there. */
function treeOf(image: string): string {
  const { size, mtimeMs } = statSync(image);
  const key = createHash("sha256").update(`${image}\n${size}\n${mtimeMs}`).digest("hex");
  const tree = join(TREES, key.slice(0, 24));
  if (existsSync(tree)) return tree;
  mkdirSync(TREES, { recursive: true });
  const aside = mkdtempSync(join(TREES, "new-"));
  const root = join(aside, "root");
  mkdirSync(root);
  const r = spawnSync("debugfs", ["-R", `rdump / ${root}`, image], { encoding: "utf8" });
  if (r.status !== 0) throw new Error(`debugfs: ${r.stderr}`);
  try {
    renameSync(root, tree);
  } catch (error) {
    if (!existsSync(tree)) throw error;
    // Another test process was first; its tree is the same.
    rmSync(root, { recursive: true });
  }
  rmdirSync(aside);
  return tree;
}
