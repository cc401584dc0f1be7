#!/usr/bin/env node
/**
 * Where the `vkernel` command starts: starts the kernel's Worker, which takes longer to come up than the rest of
 * the command to load.
 *
 * The build makes one script of this and one of all of the command's modules: forty of them, one by one, take
 * 10 ms more, and for a first file that is a module Node prepares its loader of modules, which takes 6.
 */
import module from "node:module";
import type { Worker } from "node:worker_threads";
import { startWorker } from "../hosts/node/startworker.ts";

const argv = process.argv.slice(2);

if (import.meta.url.endsWith(".ts")) {
  // The Worker's modules are cached too.
  const cached = module.enableCompileCache?.()?.directory;
  if (cached !== undefined) process.env["NODE_COMPILE_CACHE"] ??= cached;
  const worker = startEarly();
  void import("./command.ts").then(({ command }) => command(argv, worker));
} else {
  const worker = startEarly();
  // Keeps V8's compiled form of the command in Node's cache. Node 20 has none.
  module.enableCompileCache?.();
  const require = module.createRequire(import.meta.url);
  const bundle: typeof import("./command.ts") = require("./command.cjs");
  // Now, before the Worker changes settings that it depends on.
  module.flushCompileCache?.();
  bundle.command(argv, worker);
}

/** A machine will most likely be wanted: all that begins otherwise are options of one. */
function startEarly(): Worker | null {
  const others = ["image", "help", "version", "--version", "-h", "--help"];
  const isOther = argv.length === 0 || others.some((word) => argv[0] === word);
  const isQuestion = argv.includes("-h") || argv.includes("--help");
  return isOther || isQuestion ? null : startWorker();
}
