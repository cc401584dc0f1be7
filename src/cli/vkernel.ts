#!/usr/bin/env node
/**
 * Where the `vkernel` command starts: sets V8 up before any of it is loaded.
 *
 * The build makes one script of all of the command's modules: forty of them, one by one, take 10 ms more.
 */
import module from "node:module";
import { tuneProcess } from "../hosts/node/engine.ts";

/** Keeps V8's compiled form of our modules in Node's cache. Node 20 has none. */
const cached = module.enableCompileCache?.()?.directory;
const argv = process.argv.slice(2);

if (import.meta.url.endsWith(".js")) {
  tuneProcess();
  const require = module.createRequire(import.meta.url);
  const bundle: typeof import("./command.ts") = require("../hosts/node/command.cjs");
  bundle.command(argv);
} else {
  // What strips types from sources is WebAssembly, and has run: nothing to be set up. The Worker's modules are cached too.
  if (cached !== undefined) process.env["NODE_COMPILE_CACHE"] ??= cached;
  const { command } = await import("./command.ts");
  command(argv);
}
