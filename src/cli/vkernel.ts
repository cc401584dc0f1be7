#!/usr/bin/env node
/**
 * The `vkernel` command: picks the subcommand, and turns what it answers into the exit status.
 */
import module from "node:module";
import type { Worker } from "node:worker_threads";
import { VERSION } from "../boot/version.ts";
import { tuneProcess } from "../hosts/node/engine.ts";
import { startWorker } from "../hosts/node/startworker.ts";
import { EX_FAILURE, EX_OK, EX_OSERR, EX_RUN_FAILURE } from "./exitcodes.ts";
import { answer, reportError } from "./report.ts";

async function main(argv: readonly string[]): Promise<number> {
  switch (argv[0]) {
    case "run": {
      const worker = startEarly(argv);
      const { runCommand } = await import("./run.ts");
      return runCommand(argv.slice(1), worker);
    }
    case "start": {
      const { startCommand } = await import("./start.ts");
      return startCommand(argv.slice(1));
    }
    case "image": {
      const { imageCommand } = await import("./image.ts");
      return imageCommand(argv.slice(1));
    }
    case "help":
      return main(isCommand(argv[1]) ? [argv[1], "--help"] : ["--help"]);
    case "version":
    case "--version":
      answer(`vkernel ${VERSION}\n`);
      return EX_OK;
    default: {
      const worker = startEarly(argv);
      const { bootCommand } = await import("./bootcmd.ts");
      return bootCommand(argv, worker);
    }
  }
}

/** Most likely it will be needed, and it takes as long to come up as the modules of the command to load. */
function startEarly(argv: readonly string[]): Worker | null {
  const isQuestion = argv.length === 0 || argv.includes("-h") || argv.includes("--help");
  return isQuestion ? null : startWorker();
}

function isCommand(word: string | undefined): word is string {
  return word === "run" || word === "start" || word === "image";
}

/** The exit status of `command` for what went wrong on our side. */
function failureOf(command: string | undefined): number {
  if (command === "run") return EX_RUN_FAILURE;
  return command === "image" || command === "start" ? EX_FAILURE : EX_OSERR;
}

/**
 * Keeps V8's compiled form of our modules in Node's cache, for us and, by the environment, for the Worker: it
 * saves a fifth of the time to the first instruction. Node 20 has no such cache.
 */
function cacheCompiledModules(): void {
  const directory = module.enableCompileCache?.()?.directory;
  if (directory !== undefined) process.env["NODE_COMPILE_CACHE"] ??= directory;
}

// What strips types from sources is WebAssembly, and has run.
if (import.meta.url.endsWith(".js")) tuneProcess();
cacheCompiledModules();
main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (e: unknown) => {
    const status = reportError(e);
    process.exit(status === EX_FAILURE ? failureOf(process.argv[2]) : status);
  },
);
