/**
 * Those modules of CPython's tests that take little time: nothing that Linux passes fails in a guest.
 * `node tools/programs.ts --cpython` runs all.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { explained } from "../../tools/programspage.ts";
import { imagePath } from "../cli/cli.ts";
import { differences, linuxRecord, runInGuest, testsOf } from "./cpython.ts";

const MODULES = [
  ...["test_posix", "test_select", "test_epoll", "test_poll", "test_mmap", "test_fcntl"],
  ...["test_pty", "test_openpty", "test_tty", "test_termios", "test_ioctl", "test_fileio"],
  ...["test_resource", "test_file", "test_stat", "test_pwd", "test_grp"],
];

describe("CPython's own tests", () => {
  const dir = mkdtempSync(join(tmpdir(), "vkernel-cpython-"));
  after(() => rmSync(dir, { recursive: true }));
  const { tests, log } = runInGuest(imagePath("cpython"), MODULES, dir);
  const { modules } = linuxRecord();
  for (const module of MODULES) {
    it(module, () => {
      const worse = differences(testsOf(tests, module), modules[module]!);
      const unexplained = worse.filter((d) => explained(d.test) === undefined);
      assert.deepEqual(unexplained, [], log.slice(-4000));
    });
  }
});
