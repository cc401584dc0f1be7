/*
 * ptrace(2) on riscv64: register sets at each kind of stop as Linux shows them (arch/riscv/kernel/ptrace.c,
 * traps.c, signal.c), calls that a tracer changes, breakpoints in code that runs hot, single steps.
 */
#include <elf.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include "t.h"

#define STOPPED(sig) (((sig) << 8) | 0x7f)
/* As asm-generic/siginfo.h has them. */
#ifndef TRAP_BRKPT
#define TRAP_BRKPT 1
#define TRAP_TRACE 2
#endif
#define AT_CALL STOPPED(SIGTRAP | 0x80)

enum { PC = 0, SP = 2, A0 = 10, A1 = 11, A2 = 12, A7 = 17, S1 = 9 };

static uint64_t r[32];
static struct { uint8_t op, pad[3]; uint32_t arch; uint64_t ip, sp; int64_t v[8]; } si;

static int next(pid_t pid)
{
	int status = -1;
	return waitpid(pid, &status, __WALL) == pid ? status : -1;
}

static int resume(int how, pid_t pid)
{
	ptrace(how, pid, 0, 0);
	return next(pid);
}

static void get(pid_t pid)
{
	struct iovec iov = {r, sizeof r};
	CHECK(ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) == 0 && iov.iov_len == sizeof r);
}

static void set(pid_t pid)
{
	struct iovec iov = {r, sizeof r};
	CHECK(ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov) == 0);
}

static long info(pid_t pid)
{
	memset(&si, 0, sizeof si);
	return ptrace(0x420e, pid, sizeof si, &si);
}

static pid_t traced(void (*body)(void))
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		body();
		_exit(0);
	}
	CHECK(next(pid) == STOPPED(SIGSTOP));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	return pid;
}

/* Runs to the entry of call `nr`. */
static void to_entry(pid_t pid, int nr)
{
	for (;;) {
		get(pid);
		if (info(pid) == 80 && si.v[0] == nr) return;
		CHECK(resume(PTRACE_SYSCALL, pid) == AT_CALL);
	}
}

/* A call as written here, so that what surrounds it is known. */
extern const char at_ecall[], at_break[], at_cbreak[], at_loop[], at_after[], at_atomic[], at_done[];
long one_call(long nr, long a, long b);
__asm__(
	".text\n.globl one_call\none_call:\n"
	"mv a7, a0\nmv a0, a1\nmv a1, a2\n"
	".globl at_ecall\nat_ecall:\necall\nret\n"
	".globl at_break\nat_break:\n.option push\n.option norvc\nebreak\n.option pop\nret\n"
	".globl at_cbreak\nat_cbreak:\nc.ebreak\nret\n"
	/* Adds 1 a million times. */
	".globl at_loop\nat_loop:\nli a1, 1000000\nli a0, 0\n"
	"1: addi a0, a0, 1\nblt a0, a1, 1b\n"
	".globl at_after\nat_after:\nnop\nret\n"
	/* Exchanges a word by lr and sc, and adds to it. */
	".globl at_atomic\nat_atomic:\n"
	"1: lr.d a1, (a0)\naddi a1, a1, 1\nsc.d a2, a1, (a0)\nbnez a2, 1b\namoadd.d a3, a1, (a0)\n"
	".globl at_done\nat_done:\nret\n");

static void calls(void)
{
	long r1 = one_call(SYS_getpgid, 0, 0);
	long r2 = one_call(SYS_getppid, 0, 0);
	_exit(r1 == 1234 && r2 == -77 ? 60 : 61);
}

static void changed(void)
{
	long r1 = one_call(SYS_getppid, 0, 0);
	_exit(r1 == getpid() ? 62 : 63);
}

static void sleeps(void)
{
	struct timespec ts = {0, 30 * 1000 * 1000}, rest = {0};
	_exit(one_call(SYS_nanosleep, (long)&ts, (long)&rest) == 0 ? 64 : 65);
}

static void breaks(void)
{
	((void (*)(void))at_break)();
	((void (*)(void))at_cbreak)();
	_exit(66);
}

static void hot(void)
{
	long (*loop)(void) = (long (*)(void))at_loop;
	long sum = 0;
	for (int i = 0; i < 3; i++) sum += loop();
	one_call(SYS_getppid, 0, 0);
	for (int i = 0; i < 3; i++) sum += loop();
	_exit(sum == 6000000 ? 67 : 68);
}

static long cell = 40;

static void atomic(void)
{
	one_call(SYS_getppid, 0, 0);
	((void (*)(long *))at_atomic)(&cell);
	_exit(cell);
}

static void floats(void)
{
	double d = 1.5, e;
	__asm__ volatile("fmv.d fs3, %1\n li a7, 173\n ecall\n fmv.d %0, fs3"
			 : "=f"(e) : "f"(d) : "fs3", "a0", "a7", "memory");
	_exit(e == 2.25 ? 70 : 71);
}

static int step_status(pid_t pid)
{
	int status = resume(PTRACE_SINGLESTEP, pid);
	if (status == STOPPED(SIGTRAP)) get(pid);
	return status;
}

int main(void)
{
	siginfo_t sig;

	/* What is seen at a call, and what can be done to it. */
	pid_t pid = traced(calls);
	to_entry(pid, SYS_getpgid);
	CHECK("entry: pc is behind the ecall", r[PC] == (uint64_t)at_ecall + 4 && si.ip == r[PC]);
	CHECK("a7 is the number, a0 ENOSYS", r[A7] == SYS_getpgid && (int64_t)r[A0] == -ENOSYS);
	CHECK("the first argument is elsewhere", si.v[1] == 0 && si.sp == r[SP]);
	CHECK(resume(PTRACE_SYSCALL, pid) == AT_CALL);
	get(pid);
	CHECK("exit: the result is in a0", (int64_t)r[A0] > 0 && r[PC] == (uint64_t)at_ecall + 4);
	r[A0] = 1234;
	set(pid);
	CHECK(resume(PTRACE_SYSCALL, pid) == AT_CALL);
	to_entry(pid, SYS_getppid);
	r[A7] = -1;
	r[A0] = -77;
	set(pid);
	CHECK("skipped: the exit still comes", resume(PTRACE_SYSCALL, pid) == AT_CALL);
	get(pid);
	CHECK("with the result that was put there", (int64_t)r[A0] == -77);
	CHECK("the program has seen both", resume(PTRACE_CONT, pid) == 60 << 8);
	pid = traced(changed);
	to_entry(pid, SYS_getppid);
	r[A7] = SYS_getpid;
	set(pid);
	CHECK("another call instead", resume(PTRACE_CONT, pid) == 62 << 8);

	/* The same by PTRACE_SET_SYSCALL_INFO, of Linux 6.16; the first argument too. */
	pid = traced(calls);
	to_entry(pid, SYS_getpgid);
	CHECK("another argument", (si.v[1] = 999999, ptrace(0x4212, pid, sizeof si, &si) == 0));
	CHECK(resume(PTRACE_SYSCALL, pid) == AT_CALL && info(pid) == 33);
	CHECK("it was used", si.v[0] == -ESRCH);
	CHECK_ERRNO("not at another stop", (si.op = 1, ptrace(0x4212, pid, sizeof si, &si)), EINVAL);
	CHECK_ERRNO("all of the struct", ptrace(0x4212, pid, 80l, &si), EINVAL);
	si.op = 2;
	si.v[0] = 1234;
	CHECK("another result", ptrace(0x4212, pid, sizeof si, &si) == 0);
	to_entry(pid, SYS_getppid);
	si.v[0] = -1;
	CHECK("no call", ptrace(0x4212, pid, sizeof si, &si) == 0);
	get(pid);
	r[A0] = -77;
	set(pid);
	CHECK("all seen", resume(PTRACE_CONT, pid) == 60 << 8);

	/* A sleep that a signal interrupts. */
	pid = traced(sleeps);
	to_entry(pid, SYS_nanosleep);
	kill(pid, SIGUSR1);
	CHECK("interrupted: the exit", resume(PTRACE_SYSCALL, pid) == AT_CALL);
	get(pid);
	CHECK("shows ERESTART_RESTARTBLOCK", (int64_t)r[A0] == -516 && r[PC] == (uint64_t)at_ecall + 4);
	CHECK("then the signal", resume(PTRACE_SYSCALL, pid) == STOPPED(SIGUSR1));
	get(pid);
	CHECK("pc is on the ecall", r[PC] == (uint64_t)at_ecall && r[A7] == SYS_nanosleep &&
	      r[A0] > 4096);
	CHECK("then restart_syscall", resume(PTRACE_SYSCALL, pid) == AT_CALL && info(pid) == 80 &&
	      si.v[0] == SYS_restart_syscall);
	get(pid);
	CHECK("in a7 too", r[A7] == SYS_restart_syscall);
	CHECK("its exit", resume(PTRACE_SYSCALL, pid) == AT_CALL && info(pid) == 33 && si.v[0] == 0);
	CHECK("the end", resume(PTRACE_CONT, pid) == 64 << 8);

	/* A debugger that makes it run something else meanwhile, and puts everything back. */
	pid = traced(sleeps);
	to_entry(pid, SYS_nanosleep);
	kill(pid, SIGUSR1);
	CHECK("asleep", resume(PTRACE_CONT, pid) == STOPPED(SIGUSR1));
	get(pid);
	uint64_t saved[32];
	memcpy(saved, r, sizeof r);
	r[PC] = (uint64_t)at_break;
	set(pid);
	CHECK("runs elsewhere", resume(PTRACE_CONT, pid) == STOPPED(SIGTRAP));
	get(pid);
	CHECK("up to there", r[PC] == (uint64_t)at_break && r[A0] == saved[A0]);
	memcpy(r, saved, sizeof r);
	set(pid);
	CHECK("and sleeps after all", resume(PTRACE_CONT, pid) == 64 << 8);

	/* Breakpoints: pc stays on them. */
	pid = traced(breaks);
	CHECK("ebreak", resume(PTRACE_CONT, pid) == STOPPED(SIGTRAP));
	get(pid);
	CHECK("pc is on it", r[PC] == (uint64_t)at_break);
	CHECK("siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_code == TRAP_BRKPT &&
	      sig.si_addr == at_break);
	r[PC] += 4;
	set(pid);
	CHECK("c.ebreak", resume(PTRACE_CONT, pid) == STOPPED(SIGTRAP));
	get(pid);
	CHECK("pc is on it", r[PC] == (uint64_t)at_cbreak);
	r[PC] += 2;
	set(pid);
	CHECK("the end", resume(PTRACE_CONT, pid) == 66 << 8);

	/* A breakpoint put into code that was compiled, hit, taken out again. */
	pid = traced(hot);
	to_entry(pid, SYS_getppid);
	errno = 0;
	long word = ptrace(PTRACE_PEEKTEXT, pid, at_after, 0);
	CHECK("code is there", errno == 0 && (word & 0xffff) == 1);
	CHECK(ptrace(PTRACE_POKETEXT, pid, at_after, (word & ~0xffffL) | 0x9002) == 0);
	CHECK("hit in hot code", resume(PTRACE_CONT, pid) == STOPPED(SIGTRAP));
	get(pid);
	CHECK("at its place", r[PC] == (uint64_t)at_after && r[A0] == 1000000);
	CHECK(ptrace(PTRACE_POKETEXT, pid, at_after, word) == 0);
	CHECK("gone again", resume(PTRACE_CONT, pid) == 67 << 8);
	CHECK("never in our own", *(uint16_t *)at_after == 1);

	/* Single steps: over each instruction once, over atomics, a call, and to a signal. */
	pid = traced(atomic);
	to_entry(pid, SYS_getppid);
	CHECK("a step over a call", step_status(pid) == STOPPED(SIGTRAP) &&
	      r[PC] == (uint64_t)at_ecall + 4 && r[A0] == (uint64_t)getpid());
	CHECK("its siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_code == TRAP_TRACE &&
	      sig.si_addr == at_ecall + 4);
	while (r[PC] != (uint64_t)at_atomic) CHECK(step_status(pid) == STOPPED(SIGTRAP));
	int steps = 0;
	while (r[PC] != (uint64_t)at_done) {
		CHECK(step_status(pid) == STOPPED(SIGTRAP));
		steps++;
	}
	CHECK("five instructions, five steps", steps == 5);
	kill(pid, SIGUSR2);
	CHECK("a signal comes before a step", step_status(pid) == STOPPED(SIGUSR2));
	CHECK("the end", resume(PTRACE_CONT, pid) == 82 << 8);

	/* Floating point. */
	pid = traced(floats);
	to_entry(pid, SYS_getppid);
	double f[33];
	struct iovec iov = {f, sizeof f};
	CHECK("its size", ptrace(PTRACE_GETREGSET, pid, NT_PRFPREG, &iov) == 0 && iov.iov_len == 264);
	CHECK("fs3", f[19] == 1.5);
	f[19] = 2.25;
	CHECK("is set", ptrace(PTRACE_SETREGSET, pid, NT_PRFPREG, &iov) == 0);
	CHECK("and seen", resume(PTRACE_CONT, pid) == 70 << 8);

	/* What riscv has not. */
	pid = traced(floats);
	CHECK_ERRNO("PEEKUSER", ptrace(PTRACE_PEEKUSER, pid, 0, 0), EIO);
	iov.iov_len = sizeof f;
	CHECK_ERRNO("no vectors", ptrace(PTRACE_GETREGSET, pid, 0x901, &iov), EINVAL);
	uint64_t part[3] = {0};
	iov.iov_base = part;
	iov.iov_len = sizeof part;
	CHECK("part of a set", ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov) == 0 && iov.iov_len == 24);
	get(pid);
	CHECK("its beginning", part[0] == r[0] && part[2] == r[2]);
	kill(pid, SIGKILL);
	CHECK("the end", next(pid) == SIGKILL);
	return t_end();
}
