/*
 * System calls, signals and faults at the bottom of many calls, in loops hot enough to be
 * compiled: every caller finds its registers, and nobody returns into code that has changed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

#include "t.h"

#define DEPTH 90
#define PAGE 4096

static volatile sig_atomic_t signals;
static int (*bottom)(int);
static sigjmp_buf out;

/* Keeps integers and doubles alive over a call at every level; with a system call on the way back. */
__attribute__((noinline)) static long dive(int depth, long a, double d)
{
	long b = a * 3 + depth, c = a ^ (b << 2);
	double e = d * 1.25 + depth;
	long r = depth > 1 ? dive(depth - 1, b & 0xffff, e / 2) : bottom((int)a);
	if (depth % 16 == 0) r += getppid() > 0;
	return r + (a & 7) + (b & 3) + (c & 1) + (long)(d + e) % 5;
}

/* What `dive` adds to what the bottom returned. */
static long added(int depth, long a, double d)
{
	long b = a * 3 + depth, c = a ^ (b << 2);
	double e = d * 1.25 + depth;
	long r = depth > 1 ? added(depth - 1, b & 0xffff, e / 2) : 0;
	return r + (depth % 16 == 0) + (a & 7) + (b & 3) + (c & 1) + (long)(d + e) % 5;
}

/* Dives `rounds` times: how many results were wrong. */
static int rounds_of(int (*f)(int), int rounds, int expected)
{
	int wrong = 0;
	bottom = f;
	for (int i = 0; i < rounds; i++)
		wrong += dive(DEPTH, i, i * 0.5) != added(DEPTH, i, i * 0.5) + expected;
	return wrong;
}

static void count(int sig)
{
	(void)sig;
	signals++;
}

static void count_deep(int sig)
{
	(void)sig;
	signals++;
	if (added(20, signals, 1.0) < 0) signals = -1000000;
}

static void on(int sig, void (*f)(int), int flags)
{
	struct sigaction sa = { .sa_handler = f, .sa_flags = flags };
	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static int ask(int a)
{
	(void)a;
	return getpid() > 0;
}

static int signal_myself(int a)
{
	(void)a;
	int before = signals;
	kill(getpid(), SIGUSR1);
	return signals - before;
}

static int masked_signal(int a)
{
	(void)a;
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	int before = signals;
	kill(getpid(), SIGUSR1);
	int early = signals - before;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return 10 * early + (signals - before);
}

static void system_calls(void)
{
	CHECK("system calls at the bottom and on the way back", rounds_of(ask, 400, 1) == 0);
	on(SIGUSR1, count, 0);
	CHECK("a signal at the bottom", rounds_of(signal_myself, 300, 1) == 0);
	on(SIGUSR1, count_deep, 0);
	CHECK("a handler that calls deep itself", rounds_of(signal_myself, 300, 1) == 0);
	on(SIGUSR1, count, 0);
	CHECK("a signal that becomes unblocked", rounds_of(masked_signal, 300, 1) == 0);
}

/* SIGALRM every so many microseconds: again and again, lest one comes too early. */
static void alarms(int us)
{
	struct itimerval every = { { 0, us }, { 0, us } };
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void timer_signals(void)
{
	signals = 0;
	on(SIGALRM, count, SA_RESTART);
	alarms(700);
	int wrong = 0;
	for (int i = 0; i < 200 && signals < 50; i++) wrong += rounds_of(ask, 100, 1);
	alarms(0);
	CHECK("signals that come at any time", wrong == 0 && signals > 3);
}

static int fds[2];

static int interrupted_read(int a)
{
	(void)a;
	char c;
	alarms(500);
	errno = 0;
	int good = read(fds[0], &c, 1) == -1 && errno == EINTR;
	alarms(0);
	return good;
}

static void write_one(int sig)
{
	(void)sig;
	signals++;
	CHECK(write(fds[1], "x", 1) == 1);
}

static int restarted_read(int a)
{
	(void)a;
	char c = 0;
	alarms(500);
	int good = read(fds[0], &c, 1) == 1 && c == 'x';
	alarms(0);
	return good;
}

static void sleeping_calls(void)
{
	CHECK(pipe(fds) == 0);
	on(SIGALRM, count, 0);
	CHECK("a read that a signal interrupts", rounds_of(interrupted_read, 40, 1) == 0);
	on(SIGALRM, write_one, SA_RESTART);
	CHECK("a read that goes on after a signal", rounds_of(restarted_read, 40, 1) == 0);
}

static int fork_here(int a)
{
	(void)a;
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) return -1000;
	if (pid == 0) return 0;
	int status;
	if (waitpid(pid, &status, 0) != pid) return -2000;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -3000;
}

static void forks(void)
{
	pid_t me = getpid();
	bottom = fork_here;
	int wrong = 0;
	for (int i = 0; i < 40; i++) {
		long r = dive(DEPTH, i, 2.5) - added(DEPTH, i, 2.5);
		if (getpid() != me) _exit(r == 0 ? 17 : 1);
		wrong += r != 17;
	}
	CHECK("a child returns through all its parent's calls", wrong == 0);
}

static char **arguments;

static int exec_here(int a)
{
	(void)a;
	pid_t pid = a % 2 ? fork() : vfork();
	if (pid == 0) {
		execl(arguments[0], arguments[0], "deep", "exec", NULL);
		_exit(99);
	}
	int status;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static int exec_at_once(int a)
{
	(void)a;
	execl(arguments[0], arguments[0], "deep", "exec", NULL);
	return 0;
}

static void execs(void)
{
	CHECK("children that run another program", rounds_of(exec_here, 20, 1) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		rounds_of(exec_at_once, 1, 0);
		_exit(98);
	}
	int status;
	CHECK("another program at the bottom",
	      waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static int jump_out(int a)
{
	siglongjmp(out, a % 100 + 1);
}

static void jumping(int sig)
{
	(void)sig;
	siglongjmp(out, 7);
}

static int signal_that_jumps(int a)
{
	(void)a;
	kill(getpid(), SIGUSR1);
	return -1000;
}

static void long_jumps(void)
{
	volatile int wrong = 0, landed = 0;
	on(SIGUSR1, jumping, 0);
	for (volatile int i = 0; i < 300; i++) {
		bottom = i % 2 ? jump_out : signal_that_jumps;
		if (sigsetjmp(out, 1) == 0) {
			dive(DEPTH, i, 0);
			wrong++;
		} else {
			landed++;
		}
		wrong += rounds_of(ask, 1, 1);
	}
	CHECK("jumps out of calls and handlers", wrong == 0 && landed == 300);
}

/* Faults. */

static char *area;
static size_t area_pages;

static int touch_reading(int a)
{
	long sum = 0;
	for (size_t i = 0; i < area_pages; i++) sum += area[i * PAGE + a % PAGE];
	return (int)sum;
}

static int touch_writing(int a)
{
	int sum = 0;
	for (size_t i = 0; i < area_pages; i++) area[i * PAGE + a % PAGE] = 1;
	for (size_t i = 0; i < area_pages; i++) sum += area[i * PAGE + a % PAGE];
	return sum == (int)area_pages;
}

static int touch_straddling(int a)
{
	int good = 1;
	(void)a;
	for (size_t i = 1; i < area_pages; i++) {
		volatile uint64_t *p = (volatile uint64_t *)(area + i * PAGE - 3);
		*p = 0x1122334455667788 + i;
	}
	for (size_t i = 1; i < area_pages; i++) {
		volatile uint64_t *p = (volatile uint64_t *)(area + i * PAGE - 3);
		good &= *p == 0x1122334455667788 + i;
	}
	return good;
}

static int touch_atomically(int a)
{
	int sum = 0;
	for (size_t i = 0; i < area_pages; i++)
		sum += __atomic_fetch_add((int *)(area + i * PAGE), a, __ATOMIC_SEQ_CST);
	return sum == 0;
}

static int anew(int (*f)(int), int rounds, int expected)
{
	int wrong = 0;
	for (int i = 0; i < rounds; i++) {
		area = mmap(NULL, area_pages * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(area != MAP_FAILED);
		wrong += rounds_of(f, 1, expected);
		munmap(area, area_pages * PAGE);
	}
	return wrong;
}

/* Reads through one pointer, writes through another, to pages that a fork has made shared. */
__attribute__((noinline)) static int mixed(char *reads, char *writes, int turn)
{
	int before = reads[0] + reads[8] + reads[16];
	writes[8] = (char)(turn + 1);
	int after = reads[0] + reads[8] + reads[16];
	writes[16] = (char)(turn + 2);
	return after - before == (char)(turn + 1) - 1 && reads[16] == (char)(turn + 2);
}

static int copy_on_write(int a)
{
	int good = 1;
	for (size_t i = 0; i < area_pages; i++) memset(area + i * PAGE, 1, 32);
	pid_t pid = fork();
	for (size_t i = 0; i < area_pages; i++)
		good &= mixed(area + i * PAGE, area + i * PAGE, (a + (int)i) % 50);
	if (pid == 0) _exit(good ? 0 : 1);
	int status;
	return good && waitpid(pid, &status, 0) == pid && status == 0;
}

static void faults(void)
{
	area_pages = 100;
	CHECK("pages read first", anew(touch_reading, 30, 0) == 0);
	CHECK("pages written first", anew(touch_writing, 30, 1) == 0);
	CHECK("accesses over the ends of pages", anew(touch_straddling, 30, 1) == 0);
	CHECK("atomics on new pages", anew(touch_atomically, 30, 1) == 0);
	CHECK("copy on write under a reader", anew(copy_on_write, 20, 1) == 0);
}

extern char fault_at[];
static volatile int seen, seen_wrong;

/* Stores 0x1234 at p, from and to known registers. */
__attribute__((noinline)) static void store_at(char *p)
{
#ifdef __riscv
	asm volatile("mv a5, %0\n\tli a4, 0x1234\n\t.globl fault_at\nfault_at:\tsd a4, 0(a5)"
		     : : "r"(p) : "a4", "a5", "memory");
#else
	asm volatile("mov %0, %%rax\n\tmov $0x1234, %%ecx\n\t.globl fault_at\nfault_at:\tmov %%rcx, (%%rax)"
		     : : "r"(p) : "rax", "rcx", "memory");
#endif
}

static void segv(int sig, siginfo_t *si, void *context)
{
	ucontext_t *uc = context;
	(void)sig;
#ifdef __riscv
	uintptr_t pc = uc->uc_mcontext.__gregs[0], to = uc->uc_mcontext.__gregs[15],
		  value = uc->uc_mcontext.__gregs[14];
#else
	uintptr_t pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP],
		  to = (uintptr_t)uc->uc_mcontext.gregs[REG_RAX],
		  value = (uintptr_t)uc->uc_mcontext.gregs[REG_RCX];
#endif
	seen++;
	seen_wrong += pc != (uintptr_t)fault_at || to != (uintptr_t)si->si_addr || value != 0x1234;
	seen_wrong += si->si_code != SEGV_ACCERR;
	mprotect((char *)((uintptr_t)si->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
}

static int protected_stores(int a)
{
	int before = seen;
	CHECK(mprotect(area, area_pages * PAGE, PROT_READ) == 0);
	for (size_t i = 0; i < area_pages; i++) store_at(area + i * PAGE + (a % 16) * 8);
	return seen - before == (int)area_pages && area[(a % 16) * 8] == 0x34;
}

static void segmentation_faults(void)
{
	struct sigaction sa = { .sa_sigaction = segv, .sa_flags = SA_SIGINFO };
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	area_pages = 10;
	int wrong = anew(protected_stores, 200, 1);
	CHECK("SIGSEGV names the instruction, with its registers", wrong == 0 && seen_wrong == 0);
}

/* Code that changes under its callers. */

typedef int (*made)(void (*)(void));
static unsigned char *code;
static int constant;

/* A function that calls its argument and returns `n`. */
static void make(int n)
{
#ifdef __riscv
	uint32_t text[] = {
		0xff010113, 0x00113423,                   /* addi sp, sp, -16; sd ra, 8(sp) */
		0x000500e7,                               /* jalr ra, 0(a0) */
		0x00000513 | (uint32_t)n << 20,           /* li a0, n */
		0x00813083, 0x01010113, 0x00008067,       /* ld ra, 8(sp); addi sp, sp, 16; ret */
	};
#else
	unsigned char text[] = { 0x53, 0xff, 0xd7, 0xb8, n & 0xff, n >> 8, 0, 0, 0x5b, 0xc3 };
#endif
	constant = n;
	memcpy(code, text, sizeof text);
	__builtin___clear_cache((char *)code, (char *)code + sizeof text);
}

static int turn;

/* Called by the made function: changes it in one of three ways, now and then. */
static void change(void)
{
	getppid();
	if (++turn % 40 != 0) return;
	int n = turn % 2000;
	switch (turn / 40 % 3) {
	case 0:
		make(n);
		break;
	case 1:
		CHECK(mprotect(code, PAGE, PROT_READ | PROT_WRITE) == 0);
		make(n);
		CHECK(mprotect(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
		break;
	default:
		CHECK(munmap(code, PAGE) == 0);
		CHECK(mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code);
		make(n);
	}
}

static int call_made(int a)
{
	int wrong = 0;
	(void)a;
	for (int i = 0; i < 20; i++) wrong += ((made)(uintptr_t)code)(change) != constant;
	return wrong;
}

static void changing_code(void)
{
	code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED);
	make(1);
	CHECK("code that its callee changes is returned to as it is then", rounds_of(call_made, 500, 0) == 0);
}

int main(int argc, char **argv)
{
	arguments = argv;
	if (argc > 1) return strcmp(argv[1], "deep") == 0 ? 42 : 1;
	system_calls();
	timer_signals();
	sleeping_calls();
	forks();
	execs();
	long_jumps();
	faults();
	segmentation_faults();
	changing_code();
	return t_end();
}
