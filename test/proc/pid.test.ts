/** What outlives a process in open files: its id alone. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { IoOwner } from "../../src/proc/ioowner.ts";
import { PidFile } from "../../src/proc/pidfd.ts";
import { killProc } from "../../src/proc/signal.ts";
import { TestKernel } from "../harness/kernel.ts";

it("a process that was waited for is held by no pidfd and by no owner of a file", () => {
  const kernel = new TestKernel();
  const td = kernel.makeProcess([]);
  const p = td.proc;
  const pidfd = new PidFile(p);
  const ofProcess = new IoOwner(p, td.cred);
  const ofThread = new IoOwner(td, td.cred);
  const ofGroup = new IoOwner(p.pgrp, td.cred);
  assert.equal(pidfd.proc, p);
  assert.deepEqual([ofProcess.target, ofThread.target, ofGroup.target], [p, td, p.pgrp]);
  td.state = "stopped";
  killProc(p);
  kernel.killAll();
  assert.equal(p.state, "dead");
  assert.equal(pidfd.proc, null);
  assert.deepEqual([ofProcess.target, ofThread.target, ofGroup.target], [null, null, null]);
  assert.equal(pidfd.fdinfo(kernel.init), "Pid:\t-1\nNSpid:\t-1\n");
});
