/** `vkernel image` as a process of its own, for tests that kill it or read its streams. */
import { imageCommand } from "../../src/cli/image.ts";

process.exitCode = await imageCommand(process.argv.slice(2));
