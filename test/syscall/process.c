/* Making, ending and waiting for processes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "t.h"

static void exit_codes(void) {
  int st;
  pid_t p = fork();
  if (p == 0) _exit(42);
  CHECK(p > 0);
  CHECK(waitpid(p, &st, 0) == p);
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 42);
  CHECK_ERRNO(waitpid(p, &st, 0), ECHILD);
  CHECK_ERRNO(wait(&st), ECHILD);
  p = fork();
  if (p == 0) {
    raise(SIGTERM);
    _exit(1);
  }
  CHECK(waitpid(p, &st, 0) == p);
  CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
  p = fork();
  if (p == 0) _exit(0x1234);
  CHECK(wait(&st) == p && WEXITSTATUS(st) == 0x34);
  ok("exit codes and signals reach the parent");
}

static void memory_is_copied(void) {
  static int shared = 1;
  int st;
  pid_t p = fork();
  if (p == 0) {
    shared = 2;
    _exit(shared);
  }
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 2);
  CHECK(shared == 1);
  ok("fork copies memory");
}

static void wnohang(void) {
  int st = 77, fds[2];
  char c;
  CHECK(pipe(fds) == 0);
  pid_t p = fork();
  if (p == 0) {
    close(fds[1]);
    if (read(fds[0], &c, 1) < 0) _exit(1);
    _exit(3);
  }
  close(fds[0]);
  CHECK(waitpid(p, &st, WNOHANG) == 0);
  CHECK(st == 77);
  close(fds[1]);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 3);
  CHECK_ERRNO(waitpid(-1, &st, WNOHANG), ECHILD);
  CHECK_ERRNO(waitpid(-1, &st, 0x1000), EINVAL);
  ok("WNOHANG answers 0 while the child lives");
}

static void waitid_calls(void) {
  siginfo_t si;
  pid_t p = fork();
  if (p == 0) _exit(9);
  memset(&si, 0, sizeof si);
  CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
  CHECK(si.si_pid == p && si.si_status == 9 && si.si_code == CLD_EXITED && si.si_signo == SIGCHLD);
  memset(&si, 0, sizeof si);
  CHECK(waitid(P_ALL, 0, &si, WEXITED) == 0);
  CHECK(si.si_pid == p && si.si_uid == getuid());
  CHECK_ERRNO(waitid(P_PID, p, &si, WEXITED), ECHILD);
  CHECK_ERRNO(waitid(P_PID, p, &si, 0), EINVAL);
  CHECK_ERRNO(waitid(P_PID, 0, &si, WEXITED), EINVAL);
  p = fork();
  if (p == 0) pause();
  memset(&si, 0x55, sizeof si);
  CHECK(waitid(P_PID, p, &si, WEXITED | WNOHANG) == 0);
  CHECK(si.si_pid == 0 && si.si_signo == 0);
  kill(p, SIGKILL);
  CHECK(waitid(P_PID, p, &si, WEXITED) == 0);
  CHECK(si.si_code == CLD_KILLED && si.si_status == SIGKILL);
  ok("waitid");
}

static void wait_for_group(void) {
  int st;
  pid_t a = fork();
  if (a == 0) {
    setpgid(0, 0);
    pause();
  }
  setpgid(a, a);
  pid_t b = fork();
  if (b == 0) _exit(1);
  CHECK(getpgid(a) == a);
  CHECK(getpgid(b) == getpgrp());
  CHECK(waitpid(0, &st, 0) == b);
  kill(-a, SIGTERM);
  CHECK(waitpid(-a, &st, 0) == a);
  CHECK(WTERMSIG(st) == SIGTERM);
  ok("waiting for a process group");
}

static void orphans(void) {
  int fds[2], st;
  pid_t grandchild, up;
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(pipe(fds) == 0);
  pid_t p = fork();
  if (p == 0) {
    pid_t me = getpid();
    pid_t g = fork();
    if (g == 0) {
      while (getppid() == me) usleep(1000);
      up = getppid();
      if (write(fds[1], &up, sizeof up) < 0) _exit(1);
      _exit(5);
    }
    if (write(fds[1], &g, sizeof g) < 0) _exit(1);
    _exit(0);
  }
  CHECK(waitpid(p, &st, 0) == p);
  CHECK(read(fds[0], &grandchild, sizeof grandchild) == sizeof grandchild);
  CHECK(read(fds[0], &up, sizeof up) == sizeof up);
  CHECK(up == getpid());
  CHECK(waitpid(grandchild, &st, 0) == grandchild && WEXITSTATUS(st) == 5);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
  ok("orphans go to the subreaper");
}

static void autoreap(void) {
  int st;
  CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
  pid_t p = fork();
  if (p == 0) _exit(0);
  CHECK_ERRNO(waitpid(p, &st, 0), ECHILD);
  CHECK_ERRNO(kill(p, 0), ESRCH);
  signal(SIGCHLD, SIG_DFL);
  ok("ignoring SIGCHLD leaves no zombies");
}

static void zombies_are_there(void) {
  int st;
  pid_t p = fork();
  if (p == 0) _exit(0);
  siginfo_t si;
  CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
  CHECK(kill(p, 0) == 0);
  CHECK(kill(p, SIGKILL) == 0);
  CHECK(waitpid(p, &st, 0) == p && WIFEXITED(st));
  CHECK_ERRNO(kill(p, 0), ESRCH);
  ok("a zombie can be signalled, without effect");
}

static void vfork_waits(void) {
  static volatile int order;
  int st;
  order = 0;
  pid_t p = vfork();
  if (p == 0) {
    usleep(20000);
    order = 1;
    _exit(7);
  }
  CHECK(order == 1);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 7);
  ok("vfork shares memory and waits");
}

static void usage(void) {
  struct rusage ru;
  int st;
  pid_t p = fork();
  if (p == 0) {
    struct timespec t;
    do {
      for (volatile int i = 0; i < 100000; i++) {}
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    } while (t.tv_sec == 0 && t.tv_nsec < 30000000);
    _exit(0);
  }
  CHECK(wait4(p, &st, 0, &ru) == p);
  long us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000L + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
  CHECK(us >= 20000);
  CHECK(ru.ru_maxrss > 0);
  CHECK(getrusage(RUSAGE_CHILDREN, &ru) == 0);
  CHECK(ru.ru_utime.tv_sec * 1000000L + ru.ru_utime.tv_usec > 0);
  CHECK_ERRNO(getrusage(77, &ru), EINVAL);
  ok("times of children are counted");
}

static void pidfds(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  pid_t p = fork();
  if (p == 0) {
    char c;
    close(fds[1]);
    _exit(read(fds[0], &c, 1) == 0 ? 4 : 1);
  }
  int fd = syscall(SYS_pidfd_open, p, 0);
  CHECK(fd >= 0);
  CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  close(fds[0]);
  close(fds[1]);
  siginfo_t si;
  CHECK(waitid(3 /* P_PIDFD */, fd, &si, WEXITED) == 0);
  CHECK(si.si_pid == p && si.si_status == 4);
  CHECK_ERRNO(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
  CHECK_ERRNO(syscall(SYS_pidfd_open, 0, 0), EINVAL);
  close(fd);
  ok("pidfd");
}

static void clone3_call(void) {
  struct {
    unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } a;
  memset(&a, 0, sizeof a);
  int st;
  a.exit_signal = SIGCHLD;
  long p = syscall(SYS_clone3, &a, sizeof a);
  if (p == 0) _exit(11);
  CHECK(p > 0);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 11);
  CHECK_ERRNO(syscall(SYS_clone3, &a, 8), EINVAL);
  a.flags = CLONE_THREAD;
  CHECK_ERRNO(syscall(SYS_clone3, &a, sizeof a), EINVAL);
  ok("clone3");
}

static void many(void) {
  int st, n = 0;
  for (int i = 0; i < 60; i++) {
    pid_t p = fork();
    if (p == 0) {
      pid_t q = fork();
      if (q == 0) _exit(1);
      int s;
      waitpid(q, &s, 0);
      _exit(WEXITSTATUS(s) + i % 7);
    }
    CHECK(p > 0);
  }
  long sum = 0;
  while (wait(&st) > 0) {
    n++;
    sum += WEXITSTATUS(st);
  }
  CHECK(n == 60 && sum == 60 + 8 * 21 + 0 + 1 + 2 + 3);
  ok("many children");
}

int main(void) {
  exit_codes();
  memory_is_copied();
  wnohang();
  waitid_calls();
  wait_for_group();
  orphans();
  autoreap();
  zombies_are_there();
  vfork_waits();
  usage();
  pidfds();
  clone3_call();
  many();
  return 0;
}
