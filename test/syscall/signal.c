/* Signals: handlers, masks, queues, restarts, stacks. Those that faults raise: faults.c. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "t.h"

static volatile sig_atomic_t count, last;
static volatile siginfo_t info;
static volatile int onstack;

static void counter(int sig) {
  count++;
  last = sig;
}

static void informed(int sig, siginfo_t *si, void *uc) {
  (void)uc;
  count++;
  last = sig;
  info = *si;
}

static void set(int sig, void (*f)(int), int flags) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_handler = f;
  sa.sa_flags = flags;
  CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void set_info(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = f;
  sa.sa_flags = flags | SA_SIGINFO;
  CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void handlers(void) {
  struct sigaction old;
  count = 0;
  set(SIGUSR1, counter, 0);
  CHECK(raise(SIGUSR1) == 0);
  CHECK(count == 1 && last == SIGUSR1);
  CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == counter);
  set(SIGUSR1, counter, SA_RESETHAND);
  raise(SIGUSR1);
  CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
  CHECK_ERRNO(sigaction(SIGKILL, &old, NULL), EINVAL);
  CHECK_ERRNO(sigaction(65, &old, NULL), EINVAL);
  ok("handlers");
}

static void registers_survive(void) {
  set(SIGUSR1, counter, 0);
  double d = 1.5, e = 2.25;
  long a = 0x123456789abcdefL;
  for (int i = 0; i < 100; i++) {
    d += e;
    a ^= a << 1;
    raise(SIGUSR1);
  }
  CHECK(d == 226.5);
  ok("registers survive handlers");
}

static void masks(void) {
  sigset_t s, o, p;
  count = 0;
  set(SIGUSR1, counter, 0);
  sigemptyset(&s);
  sigaddset(&s, SIGUSR1);
  CHECK(sigprocmask(SIG_BLOCK, &s, &o) == 0);
  raise(SIGUSR1);
  raise(SIGUSR1);
  CHECK(count == 0);
  CHECK(sigpending(&p) == 0 && sigismember(&p, SIGUSR1));
  CHECK(sigprocmask(SIG_SETMASK, &o, NULL) == 0);
  CHECK(count == 1);
  sigfillset(&s);
  CHECK(sigprocmask(SIG_BLOCK, &s, &o) == 0);
  sigprocmask(SIG_SETMASK, NULL, &p);
  CHECK(!sigismember(&p, SIGKILL) && !sigismember(&p, SIGSTOP) && sigismember(&p, SIGTERM));
  sigprocmask(SIG_SETMASK, &o, NULL);
  ok("a blocked signal waits, once");
}

static volatile int depth, deepest;
static void nesting(int sig) {
  if (++depth > deepest) deepest = depth;
  if (depth < 3) raise(sig);
  depth--;
}

static void nodefer(void) {
  deepest = 0;
  set(SIGUSR1, nesting, 0);
  depth = 2;
  raise(SIGUSR1);
  CHECK(deepest == 3);
  depth = 0;
  deepest = 0;
  set(SIGUSR1, nesting, SA_NODEFER);
  raise(SIGUSR1);
  CHECK(deepest == 3);
  ok("SA_NODEFER");
}

static int order[8], orders;
static void ordered(int sig, siginfo_t *si, void *uc) {
  (void)uc;
  (void)sig;
  order[orders++] = si->si_value.sival_int;
}

static void realtime(void) {
  sigset_t s, o;
  orders = 0;
  set_info(SIGRTMIN + 1, ordered, 0);
  set_info(SIGRTMIN + 2, ordered, 0);
  sigemptyset(&s);
  sigaddset(&s, SIGRTMIN + 1);
  sigaddset(&s, SIGRTMIN + 2);
  sigprocmask(SIG_BLOCK, &s, &o);
  union sigval v;
  int values[] = {20, 21, 10, 11};
  for (int i = 0; i < 4; i++) {
    v.sival_int = values[i];
    CHECK(sigqueue(getpid(), SIGRTMIN + (values[i] >= 20 ? 2 : 1), v) == 0);
  }
  struct timespec zero = {0, 0};
  siginfo_t si;
  CHECK(sigtimedwait(&s, &si, &zero) == SIGRTMIN + 1);
  CHECK(si.si_value.sival_int == 10 && si.si_code == SI_QUEUE && si.si_pid == getpid());
  CHECK(sigtimedwait(&s, &si, &zero) == SIGRTMIN + 1 && si.si_value.sival_int == 11);
  sigprocmask(SIG_SETMASK, &o, NULL);
  CHECK(orders == 2 && order[0] == 20 && order[1] == 21);
  CHECK_ERRNO(sigtimedwait(&s, &si, &zero), EAGAIN);
  ok("real-time signals queue, in order, with values");
}

static void information(void) {
  set_info(SIGUSR2, informed, 0);
  kill(getpid(), SIGUSR2);
  CHECK(info.si_signo == SIGUSR2 && info.si_code == SI_USER && info.si_pid == getpid());
  CHECK(info.si_uid == getuid());
  syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
  CHECK(info.si_code == SI_TKILL && info.si_pid == getpid());
  set_info(SIGCHLD, informed, 0);
  count = 0;
  pid_t p = fork();
  if (p == 0) _exit(33);
  while (count == 0) usleep(1000);
  CHECK(info.si_code == CLD_EXITED && info.si_status == 33 && info.si_pid == p);
  int st;
  CHECK(waitpid(p, &st, 0) == p);
  signal(SIGCHLD, SIG_DFL);
  ok("siginfo");
}

static void *poker(void *arg) {
  usleep(30000);
  pthread_kill(*(pthread_t *)arg, SIGUSR1);
  return NULL;
}

static void poke(long first, long then) {
  struct itimerval t = {{0, then}, {0, first}};
  CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
}

static void poke_self(void) { poke(30000, 0); }

/* Again and again, as the first may come before the call that it is to interrupt. */
static void poke_often(void) { poke(30000, 30000); }

static void restarts(void) {
  int fds[2];
  char c;
  CHECK(pipe(fds) == 0);
  count = 0;
  set(SIGALRM, counter, 0);
  poke_often();
  CHECK_ERRNO(read(fds[0], &c, 1), EINTR);
  CHECK(count >= 1);
  set(SIGALRM, counter, SA_RESTART);
  pid_t p = fork();
  if (p == 0) {
    usleep(80000);
    _exit(write(fds[1], "x", 1) != 1);
  }
  poke_often();
  CHECK(read(fds[0], &c, 1) == 1 && c == 'x');
  CHECK(count >= 2);
  int st;
  while (waitpid(p, &st, 0) < 0) {}
  struct pollfd pf = {fds[0], POLLIN, 0};
  poke_often();
  CHECK_ERRNO(poll(&pf, 1, 30000), EINTR);
  struct timespec ts = {30, 0}, rem = {0, 0};
  poke_often();
  CHECK_ERRNO(nanosleep(&ts, &rem), EINTR);
  CHECK(rem.tv_sec < 30 && rem.tv_sec >= 15);
  poke_often();
  CHECK_ERRNO(pause(), EINTR);
  poke(0, 0);
  ok("interrupted calls: EINTR, or SA_RESTART");
}

static void threads_are_poked(void) {
  pthread_t me = pthread_self(), t;
  sigset_t usr1, o;
  count = 0;
  set(SIGUSR1, counter, 0);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  sigprocmask(SIG_BLOCK, &usr1, &o);
  CHECK(pthread_create(&t, NULL, poker, &me) == 0);
  CHECK_ERRNO(sigsuspend(&o), EINTR);
  sigprocmask(SIG_SETMASK, &o, NULL);
  CHECK(count == 1);
  pthread_join(t, NULL);
  ok("a signal to one thread");
}

static void suspend(void) {
  sigset_t s, o, m;
  count = 0;
  set(SIGALRM, counter, 0);
  sigemptyset(&s);
  sigaddset(&s, SIGALRM);
  sigprocmask(SIG_BLOCK, &s, &o);
  poke_self();
  m = o;
  sigdelset(&m, SIGALRM);
  CHECK_ERRNO(sigsuspend(&m), EINTR);
  CHECK(count == 1);
  sigprocmask(SIG_SETMASK, NULL, &m);
  CHECK(sigismember(&m, SIGALRM));
  poke_self();
  struct timespec ts = {2, 0};
  sigset_t none = o;
  sigdelset(&none, SIGALRM);
  CHECK_ERRNO(ppoll(NULL, 0, &ts, &none), EINTR);
  CHECK(count == 2);
  sigprocmask(SIG_SETMASK, NULL, &m);
  CHECK(sigismember(&m, SIGALRM));
  sigprocmask(SIG_SETMASK, &o, NULL);
  ok("sigsuspend and ppoll change the mask for their time");
}

static void sigwait_sleeps(void) {
  sigset_t s, o;
  siginfo_t si;
  sigemptyset(&s);
  sigaddset(&s, SIGALRM);
  sigprocmask(SIG_BLOCK, &s, &o);
  poke_self();
  CHECK(sigwaitinfo(&s, &si) == SIGALRM && si.si_code == SI_KERNEL);
  struct timespec ts = {0, 20000000};
  CHECK_ERRNO(sigtimedwait(&s, &si, &ts), EAGAIN);
  sigprocmask(SIG_SETMASK, &o, NULL);
  ok("sigwaitinfo sleeps");
}

static char altstack[65536] __attribute__((aligned(16)));

static void on_alt(int sig) {
  char here;
  (void)sig;
  stack_t s;
  onstack = &here > altstack && &here < altstack + sizeof altstack;
  CHECK(sigaltstack(NULL, &s) == 0 && s.ss_flags == SS_ONSTACK);
  CHECK_ERRNO(sigaltstack(&s, NULL), EPERM);
}

static void alternate_stack(void) {
  stack_t s = {.ss_sp = altstack, .ss_size = sizeof altstack, .ss_flags = 0}, o;
  CHECK(sigaltstack(&s, NULL) == 0);
  set(SIGUSR1, on_alt, SA_ONSTACK);
  raise(SIGUSR1);
  CHECK(onstack);
  CHECK(sigaltstack(NULL, &o) == 0 && o.ss_sp == altstack && o.ss_flags == 0);
  s.ss_size = 100;
  CHECK_ERRNO(sigaltstack(&s, NULL), ENOMEM);
  s.ss_flags = 77;
  CHECK_ERRNO(sigaltstack(&s, NULL), EINVAL);
  s.ss_flags = SS_DISABLE;
  CHECK(sigaltstack(&s, NULL) == 0);
  CHECK(sigaltstack(NULL, &o) == 0 && o.ss_flags == SS_DISABLE);
  ok("alternate stack");
}

static void sigpipe(void) {
  int fds[2];
  CHECK(pipe(fds) == 0);
  close(fds[0]);
  count = 0;
  set(SIGPIPE, counter, 0);
  CHECK_ERRNO(write(fds[1], "x", 1), EPIPE);
  CHECK(count == 1 && last == SIGPIPE);
  ok("SIGPIPE");
}

static void permissions(void) {
  CHECK_ERRNO(kill(getpid(), 65), EINVAL);
  CHECK_ERRNO(kill(getpid(), -1), EINVAL);
  CHECK_ERRNO(kill(99999999, 0), ESRCH);
  CHECK(kill(0, 0) == 0);
  CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 99999999, 0), ESRCH);
  CHECK_ERRNO(syscall(SYS_tgkill, -1, 1, 0), EINVAL);
  siginfo_t si;
  memset(&si, 0, sizeof si);
  si.si_code = SI_USER;
  CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si), EPERM);
  ok("kill refuses");
}

static void contexts(int sig, siginfo_t *si, void *p) {
  ucontext_t *uc = p;
  (void)sig;
  (void)si;
  sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void frame_is_editable(void) {
  sigset_t s;
  set_info(SIGUSR1, contexts, 0);
  raise(SIGUSR1);
  sigprocmask(SIG_SETMASK, NULL, &s);
  CHECK(sigismember(&s, SIGUSR2));
  sigemptyset(&s);
  sigprocmask(SIG_SETMASK, &s, NULL);
  ok("the mask of a frame is what sigreturn restores");
}

int main(void) {
  handlers();
  registers_survive();
  masks();
  nodefer();
  realtime();
  information();
  restarts();
  threads_are_poked();
  suspend();
  sigwait_sleeps();
  alternate_stack();
  sigpipe();
  permissions();
  frame_is_editable();
  return 0;
}
