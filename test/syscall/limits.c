/* Resource limits and priorities. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>

#include "t.h"

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

static void set(int what, rlim_t soft, rlim_t hard) {
  struct rlimit r = {soft, hard};
  CHECK(setrlimit(what, &r) == 0);
}

static void values(void) {
  struct rlimit r;
  CHECK(getrlimit(RLIMIT_STACK, &r) == 0 && r.rlim_cur > 0);
  CHECK_ERRNO(getrlimit(77, &r), EINVAL);
  r.rlim_cur = 2;
  r.rlim_max = 1;
  CHECK_ERRNO(setrlimit(RLIMIT_CORE, &r), EINVAL);
  set(RLIMIT_FSIZE, 1000, 2000);
  CHECK(getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur == 1000 && r.rlim_max == 2000);
  CHECK(prlimit(0, RLIMIT_FSIZE, NULL, &r) == 0 && r.rlim_max == 2000);
  CHECK(prlimit(getpid(), RLIMIT_FSIZE, NULL, &r) == 0);
  CHECK_ERRNO(prlimit(99999999, RLIMIT_FSIZE, NULL, &r), ESRCH);
  pid_t p = fork();
  if (p == 0) _exit(getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur == 1000 ? 0 : 1);
  int st;
  CHECK(waitpid(p, &st, 0) == p && st == 0);
}

static void nofile(void) {
  set(RLIMIT_NOFILE, 10, 10);
  int n = 0, fd;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) n = fd;
  CHECK(errno == EMFILE && n == 9);
  CHECK_ERRNO(dup2(0, 10), EBADF);
  CHECK_ERRNO(fcntl(0, F_DUPFD, 10), EINVAL);
}

static void fsize(void) {
  char name[64], buf[100] = {0};
  snprintf(name, sizeof name, "/tmp/limits.%d", getpid());
  int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);
  unlink(name);
  signal(SIGXFSZ, SIG_IGN);
  set(RLIMIT_FSIZE, 150, 150);
  CHECK(write(fd, buf, 100) == 100);
  CHECK(write(fd, buf, 100) == 50);
  CHECK_ERRNO(write(fd, buf, 1), EFBIG);
  CHECK_ERRNO(ftruncate(fd, 151), EFBIG);
  signal(SIGXFSZ, SIG_DFL);
  if (write(fd, buf, 1) < 0) _exit(1);
}

static void address_space(void) {
  set(RLIMIT_AS, 200 << 20, 200 << 20);
  CHECK_ERRNO(mmap(NULL, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
  void *p = mmap(NULL, 50 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(p != MAP_FAILED);
}

static int deep(int n) {
  volatile char big[65536];
  big[0] = n;
  return n == 0 ? big[0] : deep(n - 1) + big[0];
}

static void stack(void) {
  set(RLIMIT_STACK, 1 << 20, 1 << 20);
  deep(4);
  deep(100);
}

static void stack_grows(void) {
  deep(60);
}

static void cpu(void) {
  set(RLIMIT_CPU, 1, 3);
  for (;;) {}
}

static void priority(void) {
  errno = 0;
  CHECK(getpriority(PRIO_PROCESS, 0) == 0 && errno == 0);
  CHECK(setpriority(PRIO_PROCESS, 0, 5) == 0);
  CHECK(getpriority(PRIO_PROCESS, 0) == 5);
  CHECK(nice(3) == 8);
  CHECK(setpriority(PRIO_PROCESS, 0, 100) == 0 && getpriority(PRIO_PROCESS, 0) == 19);
  CHECK_ERRNO(getpriority(9, 0), EINVAL);
  CHECK_ERRNO(getpriority(PRIO_PROCESS, 99999999), ESRCH);
  CHECK_ERRNO(setpriority(PRIO_PROCESS, 99999999, 1), ESRCH);
}

static void clocks(void) {
  struct tms a, b;
  clock_t t0 = times(&a);
  struct timespec c0, c1;
  CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c0) == 0);
  for (volatile long i = 0;; i++) {
    if (i % 100000 == 0) {
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c1);
      if ((c1.tv_sec - c0.tv_sec) * 1000 + (c1.tv_nsec - c0.tv_nsec) / 1000000 >= 40) break;
    }
  }
  clock_t t1 = times(&b);
  CHECK(t1 - t0 >= 3);
  CHECK(b.tms_utime + b.tms_stime - a.tms_utime - a.tms_stime >= 3);
}

int main(void) {
  CHECK(child(values) == 0);
  ok("limits are kept and inherited");
  CHECK(child(nofile) == 0);
  ok("RLIMIT_NOFILE");
  CHECK(child(fsize) == 1000 + SIGXFSZ);
  ok("RLIMIT_FSIZE");
  CHECK(child(address_space) == 0);
  ok("RLIMIT_AS");
  CHECK(child(stack) == 1000 + SIGSEGV);
  CHECK(child(stack_grows) == 0);
  ok("RLIMIT_STACK");
  CHECK(child(cpu) == 1000 + SIGXCPU);
  ok("RLIMIT_CPU");
  CHECK(child(priority) == 0);
  ok("priorities");
  CHECK(child(clocks) == 0);
  ok("CPU time clocks advance");
  return 0;
}
