/* Sessions, process groups, stopping and continuing. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "t.h"

static volatile sig_atomic_t count, last_code;

static void on_chld(int sig, siginfo_t *si, void *uc) {
  (void)sig;
  (void)uc;
  count++;
  last_code = si->si_code;
}

static void catch_chld(int flags) {
  struct sigaction sa = {0};
  sa.sa_sigaction = on_chld;
  sa.sa_flags = SA_SIGINFO | SA_RESTART | flags;
  CHECK(sigaction(SIGCHLD, &sa, NULL) == 0);
  count = 0;
}

/* A child is seen stopped before its parent is told: what comes of that is waited for, a while. */
static void await_chld(void) {
  for (int i = 0; i < 5000 && count == 0; i++) usleep(1000);
}

static pid_t sleeper(void) {
  pid_t p = fork();
  if (p == 0) {
    signal(SIGCHLD, SIG_DFL);
    for (;;) pause();
  }
  CHECK(p > 0);
  /* A group with its parent in another one of the session is not orphaned, so it may stop. */
  CHECK(setpgid(p, p) == 0);
  return p;
}

static void stop_and_continue(void) {
  int st;
  siginfo_t si;
  catch_chld(0);
  pid_t p = sleeper();
  CHECK(kill(p, SIGSTOP) == 0);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  CHECK(WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
  await_chld();
  CHECK(count == 1 && last_code == CLD_STOPPED);
  CHECK(waitpid(p, &st, WUNTRACED | WNOHANG) == 0);
  CHECK(kill(p, SIGCONT) == 0);
  memset(&si, 0, sizeof si);
  CHECK(waitid(P_PID, p, &si, WCONTINUED) == 0);
  CHECK(si.si_code == CLD_CONTINUED && si.si_status == SIGCONT);
  CHECK(kill(p, SIGTSTP) == 0);
  CHECK(waitid(P_PID, p, &si, WSTOPPED) == 0);
  CHECK(si.si_code == CLD_STOPPED && si.si_status == SIGTSTP);
  CHECK(kill(p, SIGCONT) == 0);
  CHECK(waitpid(p, &st, WCONTINUED) == p && WIFCONTINUED(st));
  kill(p, SIGSTOP);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  CHECK(kill(p, SIGKILL) == 0);
  CHECK(waitpid(p, &st, 0) == p && WTERMSIG(st) == SIGKILL);
  signal(SIGCHLD, SIG_DFL);
  ok("stop, continue, kill");
}

static void stopped_keeps_signals(void) {
  int st;
  pid_t p = sleeper();
  kill(p, SIGSTOP);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  kill(p, SIGTERM);
  CHECK(waitpid(p, &st, WNOHANG) == 0);
  kill(p, SIGCONT);
  CHECK(waitpid(p, &st, 0) == p && WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
  ok("a stopped process takes its signals when it continues");
}

static void nocldstop(void) {
  int st;
  catch_chld(SA_NOCLDSTOP);
  pid_t p = sleeper();
  kill(p, SIGSTOP);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  CHECK(count == 0);
  kill(p, SIGKILL);
  CHECK(waitpid(p, &st, 0) == p);
  CHECK(count == 1);
  signal(SIGCHLD, SIG_DFL);
  ok("SA_NOCLDSTOP");
}

static void nocldwait(void) {
  int st;
  catch_chld(SA_NOCLDWAIT);
  pid_t p = fork();
  if (p == 0) _exit(0);
  CHECK_ERRNO(waitpid(p, &st, 0), ECHILD);
  CHECK(count == 1);
  signal(SIGCHLD, SIG_DFL);
  ok("SA_NOCLDWAIT");
}

static volatile sig_atomic_t continued;
static void on_cont(int sig) {
  (void)sig;
  continued = 1;
}

static void call_goes_on(void) {
  int fds[2], st;
  char c = 0;
  CHECK(pipe(fds) == 0);
  pid_t p = fork();
  if (p == 0) {
    close(fds[1]);
    int n = read(fds[0], &c, 1);
    _exit(n == 1 ? c : 99);
  }
  usleep(20000);
  kill(p, SIGSTOP);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  kill(p, SIGCONT);
  usleep(20000);
  CHECK(write(fds[1], "A", 1) == 1);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 'A');
  p = fork();
  if (p == 0) {
    struct timespec ts = {0, 100000000};
    _exit(nanosleep(&ts, NULL) != 0);
  }
  usleep(20000);
  kill(p, SIGSTOP);
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  kill(p, SIGCONT);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 0);
  ok("a call that slept goes on after stop and continue");
}

static void cont_handler(void) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    signal(SIGCONT, on_cont);
    raise(SIGSTOP);
    _exit(continued ? 0 : 1);
  }
  CHECK(waitpid(p, &st, WUNTRACED) == p && WIFSTOPPED(st));
  kill(p, SIGCONT);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 0);
  ok("SIGCONT continues, and its handler runs");
}

static void groups(void) {
  pid_t p = fork();
  int st;
  if (p == 0) {
    CHECK(setpgid(0, 0) == 0 && getpgrp() == getpid());
    CHECK(setpgid(0, 0) == 0);
    CHECK_ERRNO(setpgid(0, 12345), EPERM);
    CHECK_ERRNO(setpgid(getpid(), -5), EINVAL);
    CHECK_ERRNO(setpgid(99999999, 0), ESRCH);
    CHECK_ERRNO(setsid(), EPERM);
    pid_t q = fork();
    if (q == 0) {
      CHECK(getpgrp() == getppid());
      CHECK(setsid() == getpid());
      CHECK(getsid(0) == getpid() && getpgrp() == getpid());
      CHECK_ERRNO(setsid(), EPERM);
      CHECK_ERRNO(setpgid(0, 0), EPERM);
      _exit(0);
    }
    CHECK(waitpid(q, &st, 0) == q && st == 0);
    _exit(0);
  }
  CHECK(waitpid(p, &st, 0) == p && st == 0);
  CHECK_ERRNO(getpgid(99999999), ESRCH);
  CHECK_ERRNO(getsid(99999999), ESRCH);
  ok("setpgid and setsid");
}

static void kill_group(void) {
  int st, n = 0;
  pid_t leader = fork();
  if (leader == 0) {
    setpgid(0, 0);
    for (;;) pause();
  }
  setpgid(leader, leader);
  for (int i = 0; i < 3; i++) {
    pid_t p = fork();
    if (p == 0)
      for (;;) pause();
    CHECK(setpgid(p, leader) == 0);
  }
  CHECK(kill(-leader, SIGINT) == 0);
  while (waitpid(-leader, &st, 0) > 0) {
    CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGINT);
    n++;
  }
  CHECK(n == 4);
  CHECK_ERRNO(kill(-leader, 0), ESRCH);
  ok("a signal to a group");
}

/* A stopped group that loses its last link to the session gets SIGHUP and SIGCONT. */
static void orphaned_group(void) {
  int fds[2], st;
  pid_t who;
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(pipe(fds) == 0);
  pid_t p = fork();
  if (p == 0) {
    setsid();
    pid_t q = fork();
    if (q == 0) {
      setpgid(0, 0);
      raise(SIGTSTP);
      for (;;) pause();
    }
    setpgid(q, q);
    int s;
    waitpid(q, &s, WUNTRACED);
    if (write(fds[1], &q, sizeof q) < 0) _exit(1);
    _exit(WIFSTOPPED(s) ? 0 : 1);
  }
  CHECK(waitpid(p, &st, 0) == p && st == 0);
  CHECK(read(fds[0], &who, sizeof who) == sizeof who);
  CHECK(waitpid(who, &st, 0) == who);
  CHECK(WIFSIGNALED(st) && WTERMSIG(st) == SIGHUP);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
  ok("a stopped group that is orphaned gets SIGHUP");
}

static void orphans_do_not_stop(void) {
  int st;
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  pid_t p = fork();
  if (p == 0) {
    setsid();
    raise(SIGTSTP);
    _exit(6);
  }
  CHECK(waitpid(p, &st, WUNTRACED) == p);
  CHECK(WIFEXITED(st) && WEXITSTATUS(st) == 6);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
  ok("an orphaned group does not stop at the keyboard's wish");
}

static void death_signal(void) {
  int fds[2];
  pid_t who;
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  CHECK(pipe(fds) == 0);
  int st;
  pid_t p = fork();
  if (p == 0) {
    pid_t q = fork();
    if (q == 0) {
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      pid_t me = getpid();
      if (write(fds[1], &me, sizeof me) < 0) _exit(1);
      for (;;) pause();
    }
    char c;
    if (read(fds[0], &who, sizeof who) < 0) _exit(1);
    if (write(fds[1], &who, sizeof who) < 0) _exit(1);
    (void)c;
    _exit(0);
  }
  CHECK(waitpid(p, &st, 0) == p);
  CHECK(read(fds[0], &who, sizeof who) == sizeof who);
  CHECK(waitpid(who, &st, 0) == who && WTERMSIG(st) == SIGUSR1);
  CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
  ok("PR_SET_PDEATHSIG");
}

int main(void) {
  stop_and_continue();
  stopped_keeps_signals();
  nocldstop();
  nocldwait();
  call_goes_on();
  cont_handler();
  groups();
  kill_group();
  orphaned_group();
  orphans_do_not_stop();
  death_signal();
  return 0;
}
