/* Signals that faults raise: what they tell, handlers that repair, and what ends a process all the same. See sigaction(2). */
#include "t.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile sig_atomic_t count, last;
static volatile siginfo_t info;

static void handle(int sig, void (*f)(int, siginfo_t *, void *)) {
  struct sigaction sa;
  memset(&sa, 0, sizeof sa);
  sa.sa_sigaction = f;
  sa.sa_flags = SA_SIGINFO;
  CHECK(sigaction(sig, &sa, NULL) == 0);
}

static sigjmp_buf out;
static volatile void *fault_at;
static void faulted(int sig, siginfo_t *si, void *uc) {
  (void)uc;
  last = sig;
  info = *si;
  fault_at = si->si_addr;
  siglongjmp(out, 1);
}

static void faults(void) {
  handle(SIGSEGV, faulted);
  handle(SIGBUS, faulted);
  handle(SIGILL, faulted);
  handle(SIGTRAP, faulted);
  if (sigsetjmp(out, 1) == 0) *(volatile int *)0x10 = 1;
  CHECK(last == SIGSEGV && fault_at == (void *)0x10 && info.si_code == SEGV_MAPERR);
  char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(out, 1) == 0) p[5] = 1;
  CHECK(last == SIGSEGV && fault_at == p + 5 && info.si_code == SEGV_ACCERR);
  if (sigsetjmp(out, 1) == 0) ((void (*)(void))p)();
  CHECK(last == SIGSEGV && fault_at == p && info.si_code == SEGV_ACCERR);
  int fd = memfd_create("x", 0);
  CHECK(fd >= 0 && ftruncate(fd, 4096) == 0);
  char *q = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (sigsetjmp(out, 1) == 0) q[4096] = 1;
  CHECK(last == SIGBUS && fault_at == q + 4096 && info.si_code == BUS_ADRERR);
  last = 0;
#ifdef __riscv
  if (sigsetjmp(out, 1) == 0) __asm__ volatile("unimp");
  CHECK(last == SIGILL && info.si_code == ILL_ILLOPC);
  if (sigsetjmp(out, 1) == 0) __asm__ volatile("ebreak");
  CHECK(last == SIGTRAP && info.si_code == TRAP_BRKPT);
#endif
  ok("faults tell where");
}

static long page;
static void opener(int sig, siginfo_t *si, void *uc) {
  (void)sig;
  (void)uc;
  count++;
  mprotect((void *)((long)si->si_addr & -4096), 4096, PROT_READ | PROT_WRITE);
}

static void retry(void) {
  count = 0;
  handle(SIGSEGV, opener);
  volatile int *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page = (long)p;
  p[3] = 7;
  CHECK(count == 1 && p[3] == 7);
  ok("a handler repairs a fault and the access is made again");
}

static int death_of(void (*f)(void)) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    f();
    _exit(0);
  }
  waitpid(p, &st, 0);
  return WIFSIGNALED(st) ? WTERMSIG(st) : 0;
}

static void crash(void) {
  signal(SIGSEGV, SIG_DFL);
  *(volatile int *)0x10 = 1;
}
static void crash_blocked(void) {
  sigset_t s;
  sigfillset(&s);
  sigprocmask(SIG_BLOCK, &s, NULL);
  *(volatile int *)0x10 = 1;
}
static void crash_ignored(void) {
  signal(SIGSEGV, SIG_IGN);
  *(volatile int *)0x10 = 1;
}
static char altstack[65536] __attribute__((aligned(16)));
static void unreached(int sig) { (void)sig; }

/* A handler that would have to run on a stack that is not there. */
static void overflow(void) {
  stack_t s = {.ss_sp = altstack, .ss_size = sizeof altstack, .ss_flags = SS_DISABLE};
  sigaltstack(&s, NULL);
  signal(SIGUSR1, unreached);
#ifdef __riscv
  __asm__ volatile("li sp, 64");
#else
  __asm__ volatile("mov $64, %rsp");
#endif
#ifdef __riscv
  register long a7 __asm__("a7") = SYS_gettid;
  register long a0 __asm__("a0");
  __asm__ volatile("ecall\n mv a1, a0\n li a0, 0\n mv a0, a1\n li a7, %1\n li a1, %2\n ecall" : "=r"(a0) : "i"(SYS_tkill), "i"(SIGUSR1), "r"(a7) : "a1", "memory");
#else
  long r;
  __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_gettid) : "rcx", "r11", "memory");
  __asm__ volatile("syscall" : "=a"(r) : "a"(SYS_tkill), "D"(r), "S"(SIGUSR1) : "rcx", "r11", "memory");
#endif
  for (;;) {}
}

static void deaths(void) {
  CHECK(death_of(crash) == SIGSEGV);
  CHECK(death_of(crash_blocked) == SIGSEGV);
  CHECK(death_of(crash_ignored) == SIGSEGV);
  CHECK(death_of(overflow) == SIGSEGV);
  ok("faults that cannot be handled kill");
}

int main(void) {
  faults();
  retry();
  deaths();
  return 0;
}
