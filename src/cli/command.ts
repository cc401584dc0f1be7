/**
 * The `vkernel` command: picks the subcommand, and turns what it answers into the exit status.
 */
import type { Worker } from "node:worker_threads";
import { VERSION } from "../boot/version.ts";
import { sendKernel } from "../hosts/node/kernelfiles.ts";
import { EX_FAILURE, EX_OK, EX_OSERR, EX_RUN_FAILURE } from "./exitcodes.ts";
import { answer, reportError } from "./report.ts";

async function main(argv: readonly string[], worker: Worker | null): Promise<number> {
  switch (argv[0]) {
    case "run": {
      const { runCommand } = await import("./run.ts");
      return runCommand(argv.slice(1), worker);
    }
    case "start": {
      const { startCommand } = await import("./start.ts");
      return startCommand(argv.slice(1), worker);
    }
    case "image": {
      const { imageCommand } = await import("./image.ts");
      return imageCommand(argv.slice(1));
    }
    case "help":
      return main(isCommand(argv[1]) ? [argv[1], "--help"] : ["--help"], null);
    case "version":
    case "--version":
      answer(`vkernel ${VERSION}\n`);
      return EX_OK;
    default: {
      const { bootCommand } = await import("./bootcmd.ts");
      return bootCommand(argv, worker);
    }
  }
}

function isCommand(word: string | undefined): word is string {
  return word === "run" || word === "start" || word === "image";
}

/** The exit status of `command` for what went wrong on our side. */
function failureOf(command: string | undefined): number {
  if (command === "run") return EX_RUN_FAILURE;
  return command === "image" || command === "start" ? EX_FAILURE : EX_OSERR;
}

/** Does what `argv` says; ends the process. `worker`: one that loads the kernel already. */
export function command(argv: readonly string[], worker: Worker | null): void {
  if (worker) sendKernel(worker, true);
  main(argv, worker).then(
    (status) => process.exit(status),
    (e: unknown) => {
      const status = reportError(e);
      process.exit(status === EX_FAILURE ? failureOf(argv[0]) : status);
    },
  );
}
