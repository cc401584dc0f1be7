/* Users, groups, capabilities, prctl. Needs root; says so and passes where it is not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "t.h"

#define SETUID_BIT 7
#define KILL_BIT 5

struct head {
  unsigned version;
  int pid;
};
struct data {
  unsigned effective, permitted, inheritable;
};

static char self[256], copy[64];

static int child(void (*f)(void)) {
  int st;
  fflush(stdout);
  pid_t p = fork();
  if (p == 0) {
    f();
    _exit(0);
  }
  CHECK(waitpid(p, &st, 0) == p);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static int has_cap(int cap) {
  struct head h = {0x20080522, 0};
  struct data d[2];
  CHECK(syscall(SYS_capget, &h, d) == 0);
  return (d[cap / 32].effective >> (cap % 32)) & 1;
}

static void is(uid_t r, uid_t e, uid_t s) {
  uid_t a, b, c;
  CHECK(getresuid(&a, &b, &c) == 0);
  CHECK(a == r && b == e && c == s);
}

static void drop_for_good(void) {
  CHECK(has_cap(SETUID_BIT));
  CHECK(setuid(1000) == 0);
  is(1000, 1000, 1000);
  CHECK(!has_cap(SETUID_BIT));
  CHECK_ERRNO(setuid(0), EPERM);
  CHECK_ERRNO(seteuid(0), EPERM);
  CHECK_ERRNO(setgroups(0, NULL), EPERM);
  CHECK_ERRNO(setresuid(-1, 5, -1), EPERM);
  CHECK(setresuid(-1, -1, -1) == 0);
  CHECK_ERRNO(kill(1, 0), EPERM);
}

static void drop_for_now(void) {
  CHECK(seteuid(1000) == 0);
  is(0, 1000, 0);
  CHECK(!has_cap(SETUID_BIT));
  CHECK(seteuid(0) == 0);
  CHECK(has_cap(SETUID_BIT));
  CHECK(setreuid(1000, 2000) == 0);
  is(1000, 2000, 2000);
  CHECK(setreuid(2000, 1000) == 0);
  is(2000, 1000, 1000);
  CHECK_ERRNO(setreuid(3000, -1), EPERM);
}

static void saved(void) {
  CHECK(setresuid(1, 2, 3) == 0);
  is(1, 2, 3);
  CHECK(setresuid(3, 1, 2) == 0);
  is(3, 1, 2);
  CHECK(seteuid(3) == 0 && seteuid(2) == 0);
  CHECK_ERRNO(seteuid(9), EPERM);
}

static void groups(void) {
  gid_t g[] = {5, 3, 4}, out[8];
  CHECK(setgroups(3, g) == 0);
  CHECK(getgroups(0, NULL) == 3);
  CHECK(getgroups(8, out) == 3);
  CHECK_ERRNO(getgroups(2, out), EINVAL);
  CHECK_ERRNO(setgroups(100000, g), EINVAL);
  CHECK(setresgid(7, 8, 9) == 0);
  CHECK(getgid() == 7 && getegid() == 8);
  CHECK(setegid(9) == 0 && getegid() == 9);
  CHECK(setfsgid(7) == 9 && setfsgid(-1) == 7);
  CHECK(setfsuid(1000) == 0 && setfsuid(-1) == 1000);
}

static void keepcaps(void) {
  CHECK(prctl(PR_GET_KEEPCAPS) == 0);
  CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
  CHECK(setuid(1000) == 0);
  CHECK(!has_cap(KILL_BIT));
  struct head h = {0x20080522, 0};
  struct data d[2];
  CHECK(syscall(SYS_capget, &h, d) == 0);
  CHECK(d[0].permitted & (1 << KILL_BIT));
  d[0].effective = d[0].permitted = 1 << KILL_BIT;
  d[1].effective = d[1].permitted = 0;
  CHECK(syscall(SYS_capset, &h, d) == 0);
  CHECK(has_cap(KILL_BIT) && !has_cap(SETUID_BIT));
  d[0].permitted |= 1 << SETUID_BIT;
  CHECK_ERRNO(syscall(SYS_capset, &h, d), EPERM);
}

static void versions(void) {
  struct head h = {0x1234, 0};
  struct data d[2];
  CHECK_ERRNO(syscall(SYS_capget, &h, d), EINVAL);
  CHECK(h.version == 0x20080522);
  h.pid = 99999999;
  CHECK_ERRNO(syscall(SYS_capget, &h, d), ESRCH);
  CHECK(prctl(PR_CAPBSET_READ, SETUID_BIT) == 1);
  CHECK_ERRNO(prctl(PR_CAPBSET_READ, 99), EINVAL);
  CHECK(prctl(PR_CAPBSET_DROP, SETUID_BIT) == 0);
  CHECK(prctl(PR_CAPBSET_READ, SETUID_BIT) == 0);
}

static void run_copy(const char *how) {
  execl(copy, copy, how, NULL);
  _exit(99);
}

static void setuid_program(void) {
  CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
  run_copy("--suid");
}

static void no_new_privs(void) {
  CHECK(setresuid(1000, 1000, 1000) == 0);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
  CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
  run_copy("--nosuid");
}

static void capable_program(void) {
  CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
  run_copy("--caps");
}

static void plain_program(void) {
  CHECK(setresuid(1000, 1000, 0) == 0);
  run_copy("--plain");
}

static void dumpable(void) {
  CHECK(prctl(PR_GET_DUMPABLE) == 1);
  CHECK(prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_GET_DUMPABLE) == 0);
  CHECK_ERRNO(prctl(PR_SET_DUMPABLE, 2), EINVAL);
  CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
  CHECK(setresuid(-1, 1000, -1) == 0);
  CHECK(prctl(PR_GET_DUMPABLE) == 0);
  CHECK_ERRNO(prctl(123456), EINVAL);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    if (!strcmp(argv[1], "--suid"))
      return getuid() == 1000 && geteuid() == 0 && getgid() == 1000 && getegid() == 7 && getauxval(AT_SECURE) == 1 &&
                     has_cap(SETUID_BIT)
                 ? 70
                 : 1;
    if (!strcmp(argv[1], "--nosuid")) return geteuid() == 1000 && !has_cap(SETUID_BIT) ? 71 : 1;
    if (!strcmp(argv[1], "--plain")) return 72;
    if (!strcmp(argv[1], "--caps"))
      return geteuid() == 1000 && has_cap(KILL_BIT) && !has_cap(SETUID_BIT) && getauxval(AT_SECURE) == 1 ? 73 : 1;
  }
  if (geteuid() != 0) {
    printf("ok: skipped, not root\n");
    return 0;
  }
  CHECK(child(drop_for_good) == 0);
  ok("setuid of root is for good");
  CHECK(child(drop_for_now) == 0);
  ok("seteuid is for now");
  CHECK(child(saved) == 0);
  ok("real, effective, saved");
  CHECK(child(groups) == 0);
  ok("groups");
  CHECK(child(keepcaps) == 0);
  ok("PR_SET_KEEPCAPS and capset");
  CHECK(child(versions) == 0);
  ok("capability versions and the bounding set");
  CHECK(child(dumpable) == 0);
  ok("dumpable");

  CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  /* Not in /tmp, which may be mounted nosuid. */
  snprintf(copy, sizeof copy, "/var/tmp/cred-test.%d", getpid());
  static char buf[65536];
  int in = open(self, O_RDONLY), out = open(copy, O_CREAT | O_WRONLY | O_TRUNC, 0755);
  ssize_t n;
  while ((n = read(in, buf, sizeof buf)) > 0) CHECK(write(out, buf, n) == n);
  close(in);
  CHECK(fchown(out, 0, 7) == 0 && fchmod(out, 06755) == 0);
  close(out);
  CHECK(child(setuid_program) == 70);
  ok("set-user-ID and set-group-ID programs");
  CHECK(child(no_new_privs) == 71);
  ok("PR_SET_NO_NEW_PRIVS");
  CHECK(chmod(copy, 0755) == 0);
  CHECK(child(plain_program) == 72);
  ok("a plain program");
  unsigned caps[5] = {0x02000001, 1 << KILL_BIT};
  CHECK(setxattr(copy, "security.capability", caps, sizeof caps, 0) == 0);
  CHECK(child(capable_program) == 73);
  ok("a program with capabilities of its own");
  unlink(copy);
  return 0;
}
