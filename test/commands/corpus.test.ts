/** The command lines of commands.tsv whose programs the `debian` image has; tools/compatibility.ts runs all. */
import { imagePath } from "../cli/cli.ts";
import { readCorpus } from "./corpus.ts";
import { sameAsOracle } from "./same.ts";

/** Needs packages beyond `debian`, or sockets or ptrace. */
const ELSEWHERE = new Set([
  "gcc-hello",
  "make",
  "git-init-commit",
  "node-hello",
  "openssl",
  "redis-bench",
  "python3-asyncio-http",
  "ip-ss",
  "ping-nc",
  "iperf3",
  "strace-ls",
  // Covered by the tool: it compiles the whole library.
  "python3-venv-pyc",
]);

sameAsOracle(
  imagePath("debian"),
  readCorpus().filter(({ name }) => !ELSEWHERE.has(name)),
);
