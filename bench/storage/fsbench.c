/*
 * Work for file systems, the same on every kernel: prints "name<TAB>microseconds per operation".
 *
 *   fsbench warm DIR TAR FILES   in an empty directory: files, names, and a tree of FILES files from TAR
 *   fsbench cold DIR FILES       what "warm" left, right after the file system was mounted
 *
 * Whatever stands before the colon of a name is measured apart from preparation and from flushing,
 * unless the name says that it ends with fsync.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MIB = 1 << 20, FILE_MIB = 256, CACHED_MIB = 64, RANDOM = 20000, DIRS = 50, PER_DIR = 100, PASSES = 8, REREADS = 100 };

static char *buffer;
static uint64_t seed = 88172645463325252u;
static double started;

static void die(const char *what) {
  fprintf(stderr, "fsbench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long check(long r, const char *what) {
  if (r < 0) die(what);
  return r;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void start(void) { started = now(); }

static void stop(const char *name, double operations) {
  printf("%s\t%.3f\n", name, (now() - started) / operations);
  fflush(stdout);
}

static uint64_t xorshift(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

static void transfer(int fd, int writes, long size, long bytes) {
  check(lseek(fd, 0, SEEK_SET), "lseek");
  for (long done = 0; done < bytes; done += size) {
    long n = writes ? write(fd, buffer, size) : read(fd, buffer, size);
    if (n != size) die(writes ? "write" : "read");
  }
}

static void at_random(int fd, int writes, long bytes, int count) {
  for (int i = 0; i < count; i++) {
    off_t at = (off_t)(xorshift() % (bytes >> 12)) << 12;
    if ((writes ? pwrite(fd, buffer, 4096, at) : pread(fd, buffer, 4096, at)) != 4096)
      die("random access");
  }
}

/* Drops what this kernel has cached of the file; what is below the file system keeps its own cache. */
static void forget(int fd) {
  check(fsync(fd), "fsync");
  errno = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (errno) die("posix_fadvise");
}

static void contents(void) {
  const long whole = (long)FILE_MIB * MIB, cached = (long)CACHED_MIB * MIB;
  int fd = check(open("big", O_RDWR | O_CREAT | O_EXCL, 0644), "big");
  start();
  transfer(fd, 1, MIB, whole);
  check(fsync(fd), "fsync");
  stop("write+fsync, MiB", FILE_MIB);

  forget(fd);
  start();
  transfer(fd, 0, MIB, whole);
  stop("read, MiB", FILE_MIB);
  forget(fd);
  start();
  at_random(fd, 0, whole, 4000);
  stop("random read 4K", 4000);

  int small = check(open("cached", O_RDWR | O_CREAT | O_EXCL, 0644), "cached");
  transfer(small, 1, MIB, cached);
  transfer(small, 0, 1 << 16, cached);
  start();
  /* Some tenths of a second: how fast it is, not how soon. */
  for (int i = 0; i < REREADS; i++) transfer(small, 0, 1 << 16, cached);
  stop("reread 64K", REREADS * (cached >> 16));
  at_random(small, 0, cached, RANDOM);
  start();
  at_random(small, 0, cached, 20 * RANDOM);
  stop("random reread 4K", 20 * RANDOM);
  check(fsync(small), "fsync");
  start();
  transfer(small, 1, 1 << 16, cached);
  stop("rewrite 64K", cached >> 16);
  check(fsync(small), "fsync");
  start();
  at_random(small, 1, cached, RANDOM);
  stop("random rewrite 4K", RANDOM);
  check(fsync(small), "fsync");
  start();
  at_random(fd, 1, whole, 4000);
  check(fsync(fd), "fsync");
  stop("random 4K, fsync", 4000);

  volatile char sum = 0;
  start();
  for (int pass = 0; pass < PASSES; pass++) {
    char *map = mmap(0, cached, PROT_READ, MAP_SHARED, small, 0);
    if (map == MAP_FAILED) die("mmap");
    for (long i = 0; i < cached; i += 4096) sum += map[i];
    munmap(map, cached);
  }
  stop("map fault, page", PASSES * (cached >> 12));
  close(small);
  close(fd);

  int log = check(open("log", O_WRONLY | O_CREAT | O_APPEND, 0644), "log");
  start();
  for (int i = 0; i < 300; i++) {
    if (write(log, buffer, 4096) != 4096) die("log");
    check(fsync(log), "fsync");
  }
  stop("append 4K+fsync", 300);
  start();
  for (int i = 0; i < 300; i++) {
    if (pwrite(log, buffer, 4096, 4096L * i) != 4096) die("log");
    check(fdatasync(log), "fdatasync");
  }
  stop("4K+fdatasync", 300);
  close(log);
}

typedef void Each(const char *path);

static void create(const char *path) {
  int fd = check(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644), path);
  if (write(fd, buffer, 1024) != 1024) die(path);
  close(fd);
}

static void look(const char *path) {
  struct stat st;
  check(stat(path, &st), path);
}

static void reopen(const char *path) {
  int fd = check(open(path, O_RDONLY), path);
  if (read(fd, buffer, 1024) != 1024) die(path);
  close(fd);
}

static void move(const char *path) {
  char to[80];
  snprintf(to, sizeof to, "%s.new", path);
  check(rename(path, to), path);
  check(rename(to, path), to);
}

static void erase(const char *path) { check(unlink(path), path); }

static void for_names(const char *name, int passes, Each *each) {
  char path[64];
  start();
  for (int pass = 0; pass < passes; pass++)
    for (int d = 0; d < DIRS; d++)
      for (int f = 0; f < PER_DIR; f++) {
        snprintf(path, sizeof path, "names/%d/a-file-%d", d, f);
        each(path);
      }
  stop(name, passes * DIRS * PER_DIR);
}

static void names(void) {
  char path[64];
  check(mkdir("names", 0755), "names");
  for (int d = 0; d < DIRS; d++) {
    snprintf(path, sizeof path, "names/%d", d);
    check(mkdir(path, 0755), path);
  }
  for_names("create 1K file", 1, create);
  for_names("stat", PASSES, look);
  for_names("open, read, close", PASSES, reopen);
  for_names("rename", 1, move);
  for_names("unlink", 1, erase);
}

/* Runs a command without output, as often as asked, and reports the last time. */
static void command(const char *name, double operations, int times, char *const argv[]) {
  for (int i = 0; i < times; i++) {
    start();
    pid_t pid = check(fork(), "fork");
    if (pid == 0) {
      int null = open("/dev/null", O_WRONLY);
      dup2(null, 1);
      execv(argv[0], argv);
      die(argv[0]);
    }
    int status;
    check(waitpid(pid, &status, 0), "waitpid");
    if (status != 0) {
      fprintf(stderr, "fsbench: %s: status %#x\n", argv[0], status);
      exit(1);
    }
    if (i == times - 1) stop(name, operations);
  }
}

static void tree(char *tar, double files) {
  command("untar, file", files, 1, (char *[]){"/usr/bin/tar", "-xf", tar, 0});
  start();
  sync();
  stop("sync after untar, file", files);
  command("find, file", files, 3, (char *[]){"/usr/bin/find", "tree", "-size", "+1000000c", 0});
  char *const status[] = {"/usr/bin/git", "-c", "safe.directory=*", "-C", "tree", "status", "-s", 0};
  command("git status, first, file", files, 1, status);
  command("git status, file", files, 3, status);
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  (void)st, (void)ftw;
  if (type != FTW_F) return 0;
  int fd = check(open(path, O_RDONLY), path);
  while (check(read(fd, buffer, MIB), path) > 0) continue;
  close(fd);
  return 0;
}

static void cold(double files) {
  int fd = check(open("big", O_RDONLY), "big");
  start();
  transfer(fd, 0, MIB, (long)FILE_MIB * MIB);
  stop("cold read, MiB", FILE_MIB);
  close(fd);
  command("cold find, file", files, 1,
          (char *[]){"/usr/bin/find", "tree", "-size", "+1000000c", 0});
  start();
  check(nftw("tree", visit, 64, FTW_PHYS), "tree");
  stop("cold read of tree, file", files);
  command("rm -rf, file", files, 1, (char *[]){"/usr/bin/rm", "-rf", "tree", 0});
}

int main(int argc, char **argv) {
  buffer = aligned_alloc(4096, MIB);
  for (int i = 0; i < MIB; i++) buffer[i] = xorshift() >> 32;
  if (argc < 4) return 2;
  check(chdir(argv[2]), argv[2]);
  if (strcmp(argv[1], "cold") == 0) {
    cold(atof(argv[3]));
    return 0;
  }
  contents();
  names();
  tree(argv[3], atof(argv[4]));
  return 0;
}
