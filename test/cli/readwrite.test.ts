/** Roots that are written: for good, for this machine alone, or not; and a machine that is killed in the middle of changing names. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { CLI, imageOf, scratch, vkernel } from "./cli.ts";

const dir = scratch();
after(() => rmSync(dir, { recursive: true }));

const pristine = imageOf(dir, {
  put: `#include <stdio.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "w");
  if (!f) return perror(argv[1]), 1;
  return fputs(argv[2], f) < 0 || fclose(f) != 0;
}`,
  get: `#include <stdio.h>
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "r");
  if (!f) return 1;
  for (int c; (c = getc(f)) != EOF; ) putchar(c);
  return 0;
}`,
  // Names a file that is on the disk, again and again: old ones are overwritten, renamed and removed meanwhile.
  busy: `#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
  char name[64], other[64], block[5000];
  mkdir("/d", 0755);
  for (int i = 0; ; i++) {
    memset(block, 'a' + i % 26, sizeof block);
    snprintf(name, sizeof name, "/d/%06d", i);
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (fd < 0 || write(fd, block, sizeof block) != sizeof block) return perror(name), 1;
    if (i % 4 == 0) {
      if (fsync(fd) != 0) return perror("fsync"), 1;
      printf("%d\\n", i);
      fflush(stdout);
    }
    close(fd);
    if (i % 4 == 1) {
      snprintf(other, sizeof other, "/d/renamed%d", i % 40);
      rename(name, other);
    }
    if (i % 4 == 2) unlink(name);
  }
}`,
  check: `#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  char name[64];
  for (int i = 0; i <= atoi(argv[1]); i += 4) {
    snprintf(name, sizeof name, "/d/%06d", i);
    FILE *f = fopen(name, "r");
    if (!f) return printf("%s is lost\\n", name), 1;
    int n = 0, c;
    while ((c = getc(f)) == 'a' + i % 26) n++;
    if (c != EOF || n != 5000) return printf("%s: %d bytes\\n", name, n), 1;
    fclose(f);
  }
  puts("all there");
  return 0;
}`,
});

const copy = (name: string): string => {
  const path = join(dir, name);
  copyFileSync(pristine, path);
  return path;
};

/** What e2fsck finds without changing anything: its exit status, and its words. */
function fsck(path: string): string {
  const r = spawnSync("e2fsck", ["-fn", path], { encoding: "utf8" });
  return r.status === 0 ? "clean" : `${r.status}: ${r.stdout}${r.stderr}`;
}

test("without an option writes succeed and vanish", () => {
  const before = readFileSync(pristine);
  assert.equal(vkernel(["run", pristine, "--", "/put", "/f", "x"]).status, 0);
  assert.equal(vkernel(["run", pristine, "--", "/get", "/f"]).status, 1);
  assert.ok(before.equals(readFileSync(pristine)), "the image is as it was");
});

test("--rw writes to the image, which stays sound", () => {
  const image = copy("rw.img");
  assert.equal(vkernel(["run", "--rw", image, "--", "/put", "/f", "kept"]).status, 0);
  assert.equal(fsck(image), "clean");
  assert.equal(vkernel(["run", image, "--", "/get", "/f"]).stdout, "kept");
});

test("--ro refuses writes", () => {
  const r = vkernel(["run", "--ro", pristine, "--", "/put", "/f", "x"]);
  assert.deepEqual([r.status, r.stderr], [1, "/f: Read-only file system\n"]);
});

test("a vkernel killed in the middle loses nothing that was synced", async () => {
  const image = copy("killed.img");
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [CLI, "run", "--rw", image, "--", "/busy"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    let last = -1;
    for await (const line of createInterface({ input: child.stdout })) {
      last = Number(line);
      if (last >= 100 + round * 33) child.kill("SIGKILL");
    }
    await exited;
    const r = vkernel(["run", "--rw", image, "--", "/check", String(last)]);
    assert.deepEqual([r.status, r.stdout], [0, "all there\n"]);
    assert.equal(fsck(image), "clean");
  }
});
