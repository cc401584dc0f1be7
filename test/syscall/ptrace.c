/* ptrace(2): TRACEME, stops for signals and system calls, what is shown there, how it goes on. */
#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include "t.h"

struct sysinfo_ {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t ip, sp;
	union {
		struct { uint64_t nr, args[6]; } entry;
		struct { int64_t rval; uint8_t is_error; } leave;
	};
};

static long word = 0x1234567890abcdefL;
static int handled;

static void on_usr1(int sig)
{
	handled = sig;
}

static int next(pid_t pid)
{
	int status = -1;
	if (waitpid(pid, &status, __WALL) != pid) return -1;
	return status;
}

static long info(pid_t pid, struct sysinfo_ *si)
{
	memset(si, 0, sizeof *si);
	return ptrace(0x420e, pid, sizeof *si, si);
}

/* Starts a child that stops itself once it is traced. */
static pid_t traced(void (*body)(void), long options)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		body();
		_exit(0);
	}
	CHECK(next(pid) == ((SIGSTOP << 8) | 0x7f));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, options) == 0);
	return pid;
}

static void exit_7(void)
{
	_exit(7);
}

static void three_calls(void)
{
	syscall(SYS_getppid);
	syscall(SYS_close, 12345);
	syscall(SYS_getpgid, 0);
	_exit(3);
}

static void take_usr1(void)
{
	signal(SIGUSR1, on_usr1);
	raise(SIGUSR1);
	_exit(handled == SIGUSR1 ? 1 : handled == SIGUSR2 ? 2 : 0);
}

static void take_usr2(void)
{
	signal(SIGUSR2, on_usr1);
	take_usr1();
}

static void sleeps(void)
{
	struct timespec ts = {0, 50 * 1000 * 1000};
	_exit(nanosleep(&ts, NULL) == 0 ? 5 : 6);
}

static void reads_word(void)
{
	volatile long *p = &word;
	raise(SIGSTOP);
	_exit(*p == 42 ? 0 : 1);
}

static void blocks(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	union sigval v = {.sival_int = 77};
	sigqueue(getpid(), SIGUSR1, v);
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	raise(SIGSTOP);
	_exit(0);
}

static void crash(void)
{
	*(volatile int *)8 = 1;
}

static void ignores(void)
{
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR2);
	_exit(9);
}

static void traps(void)
{
#ifdef __riscv
	__asm__ volatile(".option push\n.option norvc\nebreak\n.option pop");
#else
	__asm__ volatile("int3");
#endif
}

int main(void)
{
	struct sysinfo_ si;
	siginfo_t sig;
	int status;

	/* A stop for a signal, and its end. */
	pid_t pid = traced(exit_7, 0);
	CHECK("a stop is waited for once", waitpid(pid, &status, __WALL | WNOHANG) == 0);
	CHECK_ERRNO("no two tracers", ptrace(PTRACE_ATTACH, pid, 0, 0), EPERM);
	CHECK("siginfo of the stop", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 &&
	      sig.si_signo == SIGSTOP && sig.si_pid == pid);
	CHECK_ERRNO("unknown requests", ptrace(12345, pid, 0, 0), EIO);
	CHECK_ERRNO("unknown options", ptrace(PTRACE_SETOPTIONS, pid, 0, 1 << 30), EINVAL);
	CHECK_ERRNO("a signal beyond all", ptrace(PTRACE_CONT, pid, 0, 1000), EIO);
	CHECK_ERRNO("INTERRUPT needs SEIZE", ptrace(PTRACE_INTERRUPT, pid, 0, 0), EIO);
	CHECK_ERRNO("LISTEN needs SEIZE", ptrace(PTRACE_LISTEN, pid, 0, 0), EIO);
	CHECK("CONT", ptrace(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK("the end", next(pid) == 7 << 8);
	CHECK_ERRNO("then it is gone", ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK_ERRNO("nobody", ptrace(PTRACE_ATTACH, 999999, 0, 0), ESRCH);
	CHECK_ERRNO("not oneself", ptrace(PTRACE_ATTACH, getpid(), 0, 0), EPERM);
	CHECK_ERRNO("a child that is not traced", ptrace(PTRACE_CONT, getppid(), 0, 0), ESRCH);

	/* System calls. */
	pid = traced(three_calls, PTRACE_O_TRACESYSGOOD);
	CHECK("before any, none is shown", info(pid, &si) == offsetof(struct sysinfo_, entry) && si.op == 0);
	static const int expected[] = {SYS_getppid, SYS_close, SYS_getpgid, SYS_exit_group};
	for (int i = 0; i < 4; i++) {
		for (;;) {
			ptrace(PTRACE_SYSCALL, pid, 0, 0);
			CHECK(next(pid) == (((SIGTRAP | 0x80) << 8) | 0x7f));
			CHECK(info(pid, &si) == 80 && si.op == 1);
			if ((int)si.entry.nr == expected[i]) break;
			ptrace(PTRACE_SYSCALL, pid, 0, 0);
			CHECK(next(pid) == (((SIGTRAP | 0x80) << 8) | 0x7f));
		}
		unsigned long message = 0;
		CHECK("stop at the entry", ptrace(PTRACE_GETEVENTMSG, pid, 0, &message) == 0 && message == 1);
		CHECK("its siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 &&
		      sig.si_signo == SIGTRAP && sig.si_code == (SIGTRAP | 0x80) && sig.si_pid == pid);
		if (i == 1) CHECK("arguments", si.entry.args[0] == 12345);
		if (i == 3) CHECK("arguments of the last", si.entry.args[0] == 3);
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		status = next(pid);
		if (i == 3) break;
		CHECK("stop at the exit", status == (((SIGTRAP | 0x80) << 8) | 0x7f));
		CHECK("info of it", info(pid, &si) == 33 && si.op == 2);
		CHECK("message of it", ptrace(PTRACE_GETEVENTMSG, pid, 0, &message) == 0 && message == 2);
		if (i == 0) CHECK("result", si.leave.rval == getpid() && !si.leave.is_error);
		if (i == 1) CHECK("error", si.leave.rval == -EBADF && si.leave.is_error);
	}
	CHECK("no stop after the last", status == 3 << 8);

	/* Without TRACESYSGOOD both stops are plain SIGTRAPs. */
	pid = traced(three_calls, 0);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	CHECK("plain stop at a call", next(pid) == ((SIGTRAP << 8) | 0x7f));
	CHECK("its siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_code == SIGTRAP &&
	      sig.si_pid == pid);
	CHECK("KILL", ptrace(PTRACE_KILL, pid, 0, 0) == 0);
	CHECK("ends it in any stop", next(pid) == SIGKILL);

	/* Signals: passed on, suppressed, replaced. */
	pid = traced(take_usr1, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("stop for SIGUSR1", next(pid) == ((SIGUSR1 << 8) | 0x7f));
	ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
	CHECK("passed on", next(pid) == 1 << 8);
	pid = traced(take_usr1, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	next(pid);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("suppressed", next(pid) == 0);
	pid = traced(take_usr2, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	next(pid);
	ptrace(PTRACE_CONT, pid, 0, SIGUSR2);
	CHECK("replaced", next(pid) == 2 << 8);
	pid = traced(take_usr1, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	next(pid);
	ptrace(PTRACE_CONT, pid, 0, SIGKILL);
	CHECK("replaced by SIGKILL", next(pid) == SIGKILL);
	pid = traced(ignores, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("ignored signals stop too", next(pid) == ((SIGUSR2 << 8) | 0x7f));
	ptrace(PTRACE_CONT, pid, 0, SIGUSR2);
	CHECK("and are ignored then", next(pid) == 9 << 8);

	/* A call that a signal interrupts. */
	pid = traced(sleeps, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGUSR1);
	CHECK("stop in a sleep", next(pid) == ((SIGUSR1 << 8) | 0x7f));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("it sleeps on", next(pid) == 5 << 8);

	/* Memory. */
	pid = traced(reads_word, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK(next(pid) == ((SIGSTOP << 8) | 0x7f));
	errno = 0;
	CHECK("PEEKDATA", ptrace(PTRACE_PEEKDATA, pid, &word, 0) == word && errno == 0);
	CHECK_ERRNO("PEEKDATA of nothing", ptrace(PTRACE_PEEKDATA, pid, 16, 0), EIO);
	CHECK("POKEDATA", ptrace(PTRACE_POKEDATA, pid, &word, 42) == 0);
	CHECK("not ours", word == 0x1234567890abcdefL);
	CHECK_ERRNO("POKEDATA of nothing", ptrace(PTRACE_POKEDATA, pid, 16, 42), EIO);
	long text = ptrace(PTRACE_PEEKTEXT, pid, (void *)main, 0);
	CHECK("code", memcmp(&text, (void *)main, sizeof text) == 0);
	CHECK("POKETEXT", ptrace(PTRACE_POKETEXT, pid, (void *)main, 0x55aa) == 0);
	CHECK("is there", ptrace(PTRACE_PEEKTEXT, pid, (void *)main, 0) == 0x55aa);
	CHECK("and not here", memcmp(&text, (void *)main, sizeof text) == 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("it sees what was written", next(pid) == 0);

	/* Masks and pending signals. */
	pid = traced(blocks, 0);
	uint64_t mask = 0;
	CHECK_ERRNO("size of a mask", ptrace(0x420a, pid, 4, &mask), EINVAL);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK(next(pid) == ((SIGSTOP << 8) | 0x7f));
	CHECK("GETSIGMASK", ptrace(0x420a, pid, 8, &mask) == 0 && mask == 1ull << (SIGUSR1 - 1));
	struct { uint64_t off; uint32_t flags; int32_t nr; } args = {0, 1, 4};
	siginfo_t many[4];
	CHECK("PEEKSIGINFO of the process", ptrace(0x4209, pid, &args, many) == 1 &&
	      many[0].si_signo == SIGUSR1 && many[0].si_value.sival_int == 77);
	args.flags = 0;
	CHECK("PEEKSIGINFO of the thread", ptrace(0x4209, pid, &args, many) == 1 &&
	      many[0].si_code == SI_TKILL);
	args.off = 1;
	CHECK("PEEKSIGINFO beyond", ptrace(0x4209, pid, &args, many) == 0);
	args.flags = 8;
	CHECK_ERRNO("PEEKSIGINFO with other flags", ptrace(0x4209, pid, &args, many), EINVAL);
	mask = 0;
	CHECK("SETSIGMASK", ptrace(0x420b, pid, 8, &mask) == 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("lets it come", next(pid) == ((SIGUSR1 << 8) | 0x7f));
	CHECK("SETSIGINFO", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 &&
	      ptrace(PTRACE_SETSIGINFO, pid, 0, &sig) == 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("and the other", next(pid) == ((SIGUSR1 << 8) | 0x7f));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("to the end", next(pid) == 0);

	/* Faults. */
	pid = traced(crash, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("SIGSEGV is seen", next(pid) == ((SIGSEGV << 8) | 0x7f));
	CHECK("with its address", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 &&
	      sig.si_code == SEGV_MAPERR && sig.si_addr == (void *)8);
	ptrace(PTRACE_CONT, pid, 0, SIGSEGV);
	CHECK("and kills", (next(pid) & 0x7f) == SIGSEGV);
	pid = traced(traps, 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("a breakpoint", next(pid) == ((SIGTRAP << 8) | 0x7f));
	kill(pid, SIGKILL);
	CHECK("SIGKILL ends any stop", next(pid) == SIGKILL);

	/* Register sets that there are not. */
	pid = traced(exit_7, 0);
	char regs[1024];
	struct iovec iov = {regs, 12};
	CHECK_ERRNO("a set in odd pieces", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov), EINVAL);
	CHECK_ERRNO("no such set", ptrace(PTRACE_GETREGSET, pid, 0x7777, &iov), EINVAL);
	iov.iov_len = sizeof regs;
	CHECK("general registers", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) == 0 &&
	      iov.iov_len < sizeof regs);
	CHECK("put back", ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) == 0);
	CHECK("DETACH", ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
	CHECK("no more stops", next(pid) == 7 << 8);

	/* exec, without PTRACE_O_TRACEEXEC. */
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl("/proc/self/exe", "again", "x", NULL);
		_exit(1);
	}
	CHECK("SIGTRAP of exec", next(pid) == ((SIGTRAP << 8) | 0x7f));
	CHECK("sent by itself", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_code == SI_USER &&
	      sig.si_pid == pid);
	ptrace(PTRACE_KILL, pid, 0, 0);
	next(pid);
	return t_end();
}
