/*
 * Random system calls with random arguments: argv[1] is the first seed,
 * argv[2] the number of children, argv[3] calls of each. Whatever they do to
 * themselves, the kernel must live; each child has a second of its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;

static unsigned long rnd(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static char pool[65536] __attribute__((aligned(4096)));
static const char *paths[] = {"/",        "/tmp",         "/tmp/a",   "/tmp/b/c", "/dev/null", "/proc/self/maps", ".",
                              "/dev/ptmx", "/proc/self/fd", "/dev/zero", "",        "/tmp/x/../y", "/proc/self/mem", "/etc"};

static unsigned long argument(void) {
  switch (rnd() % 14) {
    case 0:
      return 0;
    case 1:
      return rnd() % 16;
    case 2:
      return rnd() % 8192;
    case 3:
      return -1UL - rnd() % 130;
    case 4:
      return 1UL << (rnd() % 64);
    case 5:
      return rnd();
    case 6:
      return (unsigned long)pool + rnd() % sizeof pool;
    case 7:
    case 8:
      return (unsigned long)pool + (rnd() % 512) * 8;
    case 9:
    case 10:
      return (unsigned long)paths[rnd() % (sizeof paths / sizeof *paths)];
    case 11:
      return (unsigned long)pool & -4096UL;
    case 12:
      return rnd() % 0x10000000;
    default:
      return 3 + rnd() % 12;
  }
}

/* Calls that would end the experiment instead of being one. */
static int is_excluded(long nr) {
  switch (nr) {
    case SYS_reboot:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_kill: /* -1 would reach the parent */
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigqueueinfo:
    case SYS_rt_tgsigqueueinfo:
    case SYS_setpriority:
    case SYS_umount2:
    case SYS_chroot:
    case SYS_pivot_root:
    case SYS_ppoll:
    case SYS_pselect6:
    case SYS_pidfd_send_signal:
    case SYS_rt_sigsuspend:
    case SYS_prlimit64:
      return 1;
    default:
      return 0;
  }
}

static void child(unsigned long seed, long calls) {
  state = seed * 2654435761UL + 88172645463325252UL;
  struct rlimit cpu = {1, 2}, core = {0, 0}, files = {64, 64}, nproc = {40, 40};
  setrlimit(RLIMIT_CPU, &cpu);
  setrlimit(RLIMIT_CORE, &core);
  setrlimit(RLIMIT_NOFILE, &files);
  setrlimit(RLIMIT_NPROC, &nproc);
  setsid();
  /* Something of every kind to be handed to calls that want a descriptor. */
  int pipes[2];
  if (pipe(pipes) < 0) _exit(1);
  open("/tmp/a", O_RDWR | O_CREAT, 0600);
  open("/tmp", O_RDONLY | O_DIRECTORY);
  syscall(SYS_epoll_create1, 0);
  syscall(SYS_eventfd2, 1, O_NONBLOCK);
  open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  syscall(SYS_timerfd_create, 1, O_NONBLOCK);
  syscall(SYS_memfd_create, "m", 0);
  syscall(SYS_inotify_init1, O_NONBLOCK);
  open("/proc/self", O_RDONLY);
  for (unsigned i = 0; i < sizeof pool; i += 8) *(unsigned long *)(pool + i) = i % 64 < 40 ? argument() : rnd();
  for (long i = 0; i < calls; i++) {
    long nr = rnd() % 300;
    if (rnd() % 16 == 0) nr = 403 + rnd() % 60;
    if (is_excluded(nr)) continue;
    alarm(1);
    syscall(nr, argument(), argument(), argument(), argument(), argument(), argument());
  }
  _exit(0);
}

int main(int argc, char **argv) {
  unsigned long seed = argc > 1 ? strtoul(argv[1], 0, 0) : 1;
  long children = argc > 2 ? atol(argv[2]) : 20, calls = argc > 3 ? atol(argv[3]) : 400;
  for (long i = 0; i < children; i++, seed++) {
    int st;
    pid_t p = fork();
    if (p == 0) child(seed, calls);
    if (p < 0) {
      printf("no fork\n");
      return 1;
    }
    for (int tries = 0; waitpid(p, &st, WNOHANG) == 0; tries++) {
      usleep(tries < 50 ? 1000 : 20000);
      if (tries > 120) kill(p, SIGKILL), kill(-p, SIGKILL);
    }
    kill(-p, SIGKILL);
  }
  printf("alive\n");
  return 0;
}
