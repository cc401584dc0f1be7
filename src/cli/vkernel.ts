#!/usr/bin/env node
/**
 * The `vkernel` command: picks the subcommand, and turns what it answers into the exit status.
 */
import { bootCommand } from "./bootcmd.ts";
import { EX_FAILURE } from "./exitcodes.ts";
import { complain } from "./report.ts";
import { runCommand } from "./run.ts";

async function main(argv: readonly string[]): Promise<number> {
  switch (argv[0]) {
    case "run":
      return runCommand(argv.slice(1));
    case "start": {
      const { startCommand } = await import("./start.ts");
      return startCommand(argv.slice(1));
    }
    case "image": {
      const { imageCommand } = await import("./image.ts");
      return imageCommand(argv.slice(1));
    }
    default:
      return bootCommand(argv);
  }
}

main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (e: unknown) => {
    complain(e instanceof Error ? e.message : String(e));
    process.exit(EX_FAILURE);
  },
);
