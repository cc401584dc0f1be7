/* seccomp: strict mode, filters and their checks, actions and precedence, threads, inheritance. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "t.h"

#ifndef AUDIT_ARCH_RISCV64
#define AUDIT_ARCH_RISCV64 (243 | 0xc0000000)
#endif
#ifdef __riscv
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH AUDIT_ARCH_X86_64
#endif
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(value) BPF_STMT(BPF_RET | BPF_K, value)
/* The call answers `what`, all others are allowed. */
#define ON(nr, what) NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), RET(what), RET(SECCOMP_RET_ALLOW)

static long seccomp(unsigned op, unsigned flags, const void *arg)
{
	return syscall(SYS_seccomp, op, flags, arg);
}

static long install(unsigned flags, const struct sock_filter *f, size_t n)
{
	struct sock_fprog prog = {n, (struct sock_filter *)f};
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
}

#define INSTALL(flags, ...) \
	({ struct sock_filter f_[] = {__VA_ARGS__}; install(flags, f_, COUNT(f_)); })
/* What the kernel says of a program: 0 in a child that does not keep it, or the errno. */
#define VERDICT(...) ({ struct sock_filter f_[] = {__VA_ARGS__}; verdict(f_, COUNT(f_)); })

static void calm(void)
{
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static int verdict(const struct sock_filter *f, size_t n)
{
	int status = STATUS_OF({
		calm();
		_exit(install(0, f, n) == 0 ? 0 : errno);
	});
	return WIFEXITED(status) ? WEXITSTATUS(status) : -status;
}

static long field(const char *path, const char *name)
{
	char text[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n < 0) return -1;
	text[n] = 0;
	char *at = strstr(text, name);
	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static void checks(void)
{
	CHECK("a filter that allows", VERDICT(RET(SECCOMP_RET_ALLOW)) == 0);
	CHECK("none at all", verdict(NULL, 0) == EINVAL);
	CHECK("too long", verdict(NULL, 4097) == EINVAL);
	CHECK("no memory there", verdict((void *)8, 1) == EFAULT);
	CHECK("does not return", VERDICT(NR) == EINVAL);
	CHECK("returns A", VERDICT(BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_A, 0)) == 0);
	CHECK("returns X", VERDICT(BPF_STMT(BPF_RET | BPF_X, 0)) == EINVAL);
	CHECK("jumps over the end", VERDICT(BPF_STMT(BPF_JMP | BPF_JA, 1), RET(0)) == EINVAL);
	CHECK("jumps backwards", VERDICT(BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(0)) == EINVAL);
	CHECK("jumps to the next", VERDICT(BPF_STMT(BPF_JMP | BPF_JA, 0), RET(SECCOMP_RET_ALLOW)) == 0);
	CHECK("a branch over the end", VERDICT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET(0)) == EINVAL);
	CHECK("loads a byte", VERDICT(BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)) == EINVAL);
	CHECK("loads a half", VERDICT(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0)) == EINVAL);
	CHECK("loads by X", VERDICT(BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0)) == EINVAL);
	CHECK("loads unaligned", VERDICT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0)) == EINVAL);
	CHECK("loads the last word", VERDICT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 60), RET(SECCOMP_RET_ALLOW)) == 0);
	CHECK("loads beyond the last", VERDICT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RET(0)) == EINVAL);
	CHECK("loads ancillary data", VERDICT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF), RET(0)) == EINVAL);
	CHECK("divides by 0", VERDICT(BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)) == EINVAL);
	CHECK("a remainder", VERDICT(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RET(0)) == EINVAL);
	CHECK("shifts by 31", VERDICT(BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 31), RET(SECCOMP_RET_ALLOW)) == 0);
	CHECK("shifts by 32", VERDICT(BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 32), RET(0)) == EINVAL);
	CHECK("an unknown code", VERDICT(BPF_STMT(0x1234, 0), RET(0)) == EINVAL);
	CHECK("MSH of an IP header", VERDICT(BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), RET(0)) == EINVAL);
	CHECK("scratch word 16", VERDICT(BPF_STMT(BPF_ST, 16), RET(0)) == EINVAL);
	CHECK("reads scratch that nobody wrote", VERDICT(BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)) == EINVAL);
	CHECK("that one way has not written",
	      VERDICT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1), BPF_STMT(BPF_ST, 3),
		      BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)) == EINVAL);
	CHECK("that both ways have",
	      VERDICT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 2), BPF_STMT(BPF_ST, 3),
		      BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_STX, 3),
		      BPF_STMT(BPF_LDX | BPF_MEM, 3), RET(SECCOMP_RET_ALLOW)) == 0);
}

static void operations(void)
{
	unsigned action = SECCOMP_RET_ALLOW;
	CHECK_ERRNO("unknown operation", seccomp(77, 0, NULL), EINVAL);
	CHECK_ERRNO("strict takes no flags", seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL), EINVAL);
	CHECK_ERRNO("nor an argument", seccomp(SECCOMP_SET_MODE_STRICT, 0, &action), EINVAL);
	CHECK_ERRNO("unknown flags", seccomp(SECCOMP_SET_MODE_FILTER, 1 << 20, NULL), EINVAL);
	CHECK_ERRNO("no program", seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL), EFAULT);
	static const unsigned known[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
		SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, SECCOMP_RET_ALLOW};
	for (unsigned i = 0; i < COUNT(known); i++)
		CHECK("an action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &known[i]) == 0);
	action = 0x12340000;
	CHECK_ERRNO("no action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action), EOPNOTSUPP);
	CHECK_ERRNO("no pointer", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, NULL), EFAULT);
	CHECK_ERRNO("flags", seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &action), EINVAL);
	struct seccomp_notif_sizes sizes;
	CHECK("sizes", seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0);
	CHECK("as declared", sizes.seccomp_notif == sizeof(struct seccomp_notif) &&
	      sizes.seccomp_notif_resp == sizeof(struct seccomp_notif_resp) &&
	      sizes.seccomp_data == sizeof(struct seccomp_data));
	CHECK_ERRNO("mode of prctl", prctl(PR_SET_SECCOMP, 3, NULL), EINVAL);
	CHECK_ERRNO("mode 0", prctl(PR_SET_SECCOMP, 0, NULL), EINVAL);
	CHECK("none yet", prctl(PR_GET_SECCOMP) == 0);
}

static void strict(void)
{
	int status = STATUS_OF({
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) syscall(SYS_exit, 1);
		if (write(1, "", 0) != 0) syscall(SYS_exit, 2);
		syscall(SYS_exit, 7);
	});
	CHECK("strict: write and exit", WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = STATUS_OF({
		CHECK(seccomp(SECCOMP_SET_MODE_STRICT, 0, NULL) == 0);
		syscall(SYS_getpid);
		syscall(SYS_exit, 3);
	});
	CHECK("strict: all else kills", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void privilege(void)
{
	int status = STATUS_OF({
		if (geteuid() == 0) CHECK(setresuid(1000, 1000, 1000) == 0);
		CHECK_ERRNO(INSTALL(0, RET(SECCOMP_RET_ALLOW)), EACCES);
		calm();
		CHECK(INSTALL(0, RET(SECCOMP_RET_ALLOW)) == 0);
		CHECK(prctl(PR_GET_SECCOMP) == 2);
		CHECK_ERRNO(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
	});
	CHECK("needs no_new_privs", status == 0);
}

static volatile sig_atomic_t trapped;
static siginfo_t trap_info;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	trap_info = *info;
	trapped++;
}

/* The result of getppid under this, as -errno. */
static long under(unsigned value)
{
	int fds[2];
	CHECK(pipe(fds) == 0);
	int status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, value)) == 0);
		errno = 0;
		long r = syscall(SYS_getppid);
		if (r == -1) r = -errno;
		write(fds[1], &r, sizeof r);
	});
	long r = 12345678;
	close(fds[1]);
	if (read(fds[0], &r, sizeof r) != sizeof r) r = -1000 - WTERMSIG(status);
	close(fds[0]);
	return r;
}

static void actions(void)
{
	CHECK("allow", under(SECCOMP_RET_ALLOW) == getpid());
	CHECK("log", under(SECCOMP_RET_LOG) == getpid());
	CHECK("errno", under(SECCOMP_RET_ERRNO | EPERM) == -EPERM);
	CHECK("errno 0 is success", under(SECCOMP_RET_ERRNO) == 0);
	CHECK("no errno is beyond 4095", under(SECCOMP_RET_ERRNO | 0xffff) == -4095);
	CHECK("trace without a tracer", under(SECCOMP_RET_TRACE | 5) == -ENOSYS);
	CHECK("notification without a listener", under(SECCOMP_RET_USER_NOTIF) == -ENOSYS);
	CHECK("kill process", under(SECCOMP_RET_KILL_PROCESS) == -1000 - SIGSYS);
	CHECK("kill thread, the only one", under(SECCOMP_RET_KILL_THREAD) == -1000 - SIGSYS);
	CHECK("an unknown action kills", under(0x11110000) == -1000 - SIGSYS);
	CHECK("trap without a handler", under(SECCOMP_RET_TRAP) == -1000 - SIGSYS);

	int status = STATUS_OF({
		struct sigaction sa = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
		CHECK(sigaction(SIGSYS, &sa, NULL) == 0);
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_TRAP | 77)) == 0);
		syscall(SYS_getppid);
		CHECK(trapped == 1);
		CHECK(trap_info.si_signo == SIGSYS && trap_info.si_code == 1 && trap_info.si_errno == 77);
		CHECK(trap_info.si_syscall == SYS_getppid && trap_info.si_arch == ARCH);
		CHECK(trap_info.si_call_addr != NULL);
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGSYS);
		sigprocmask(SIG_BLOCK, &set, NULL);
		syscall(SYS_getppid);
	});
	CHECK("trap: handled once, deadly when blocked", WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void data(void)
{
	/* write(fd, any, n): the answer is computed from the arguments. */
	int status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0), RET(0), NR,
			      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup3, 1, 0), RET(SECCOMP_RET_ALLOW),
			      LOAD(args[0]), BPF_STMT(BPF_ST, 0), LOAD(args[1]), BPF_STMT(BPF_MISC | BPF_TAX, 0),
			      BPF_STMT(BPF_LD | BPF_MEM, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0),
			      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 6), BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 2),
			      BPF_STMT(BPF_ALU | BPF_XOR | BPF_K, 1), BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 4),
			      BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 1),
			      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
			      BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO), BPF_STMT(BPF_RET | BPF_A, 0)) == 0);
		CHECK_ERRNO(syscall(SYS_dup3, 5, 7, 0), 41);
		CHECK_ERRNO(syscall(SYS_dup3, 6, 6, 0), 39);
		CHECK(getpid() > 0);
	});
	CHECK("computed from the arguments", status == 0);
	status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 1, 0), RET(SECCOMP_RET_ALLOW),
			      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + 4),
			      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x80000000, 0, 1), RET(SECCOMP_RET_ERRNO | 3),
			      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 0x100, 0, 1), RET(SECCOMP_RET_ERRNO | 4),
			      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 6, 0, 1), RET(SECCOMP_RET_ERRNO | 5),
			      RET(SECCOMP_RET_ERRNO | 6)) == 0);
		CHECK_ERRNO(syscall(SYS_lseek, 1, -1L, 0), 3);
		CHECK_ERRNO(syscall(SYS_lseek, 1, 0x20000000000L, 0), 4);
		CHECK_ERRNO(syscall(SYS_lseek, 1, 0x0200000000L, 0), 5);
		CHECK_ERRNO(syscall(SYS_lseek, 1, 0x0100000000L, 0), 6);
		CHECK_ERRNO(syscall(SYS_lseek, 1, 5L, 0), 6);
	});
	CHECK("comparisons are unsigned, of high words too", status == 0);
	CHECK("division by an X of 0 ends with 0, which kills",
	      VERDICT(NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		      BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(SECCOMP_RET_ALLOW)) == -SIGSYS ||
	      VERDICT(NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		      BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), RET(SECCOMP_RET_ALLOW)) == -(SIGSYS | 0x80));
}

static void stacked(void)
{
	int status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_ERRNO | 11)) == 0);
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_LOG)) == 0);
		CHECK_ERRNO(syscall(SYS_getppid), 11);
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_ERRNO | 22)) == 0);
		CHECK_ERRNO(syscall(SYS_getppid), 22);
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_TRACE)) == 0);
		CHECK_ERRNO(syscall(SYS_getppid), 22);
		CHECK(field("/proc/self/status", "\nSeccomp:") == 2);
		CHECK(field("/proc/self/status", "\nSeccomp_filters:") == 4);
		CHECK(field("/proc/self/status", "\nNoNewPrivs:") == 1);
		pid_t child = fork();
		if (child == 0) {
			CHECK_ERRNO(syscall(SYS_getppid), 22);
			CHECK(prctl(PR_GET_SECCOMP) == 2);
			_exit(9);
		}
		int st;
		CHECK(waitpid(child, &st, 0) == child && WEXITSTATUS(st) == 9);
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_KILL_THREAD)) == 0);
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_TRAP)) == 0);
		syscall(SYS_getppid);
	});
	CHECK("the strictest answer counts, of equals the newest", WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	status = STATUS_OF({
		static struct sock_filter big[4096];
		for (int i = 0; i < 4096; i++) big[i] = (struct sock_filter)RET(SECCOMP_RET_ALLOW);
		calm();
		int n = 0;
		while (n < 20 && install(0, big, 4096) == 0) n++;
		CHECK(errno == ENOMEM);
		_exit(n);
	});
	CHECK("no more than 32768 instructions", WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static int go[2], came[2];
static long thread_tid, thread_result;

static void *waits(void *arg)
{
	char c;
	thread_tid = syscall(SYS_gettid);
	if (arg) CHECK(INSTALL(0, RET(SECCOMP_RET_ALLOW)) == 0);
	write(came[1], "x", 1);
	read(go[0], &c, 1);
	errno = 0;
	thread_result = syscall(SYS_getppid) == -1 ? errno : 0;
	return NULL;
}

static pthread_t start(void *arg)
{
	pthread_t t;
	char c;
	CHECK(pipe(go) == 0 && pipe(came) == 0);
	CHECK(pthread_create(&t, NULL, waits, arg) == 0);
	CHECK(read(came[0], &c, 1) == 1);
	return t;
}

static void finish(pthread_t t)
{
	write(go[1], "x", 1);
	pthread_join(t, NULL);
}

static void *dies(void *arg)
{
	(void)arg;
	syscall(SYS_getppid);
	thread_result = 1;
	return NULL;
}

static void threads(void)
{
	int status = STATUS_OF({
		pthread_t t = start(NULL);
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_ERRNO | 33)) == 0);
		CHECK_ERRNO(syscall(SYS_getppid), 33);
		finish(t);
		CHECK(thread_result == 0);
	});
	CHECK("a filter is its thread's alone", status == 0);
	status = STATUS_OF({
		pthread_t t = start(NULL);
		calm();
		CHECK(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, ON(SYS_getppid, SECCOMP_RET_ERRNO | 33)) == 0);
		char path[64];
		snprintf(path, sizeof path, "/proc/self/task/%ld/status", thread_tid);
		CHECK(field(path, "\nSeccomp_filters:") == 1);
		CHECK(field(path, "\nNoNewPrivs:") == 1);
		finish(t);
		CHECK(thread_result == 33);
	});
	CHECK("TSYNC: all threads'", status == 0);
	status = STATUS_OF({
		calm();
		pthread_t t = start("own");
		CHECK(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, ON(SYS_getppid, SECCOMP_RET_ERRNO | 33)) == thread_tid);
		CHECK_ERRNO(INSTALL(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
				    ON(SYS_getppid, SECCOMP_RET_ERRNO | 33)), ESRCH);
		CHECK(field("/proc/self/status", "\nSeccomp:") == 0);
		finish(t);
		CHECK(thread_result == 0);
	});
	CHECK("TSYNC: not beside a filter of its own", status == 0);
	status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_KILL_THREAD)) == 0);
		pthread_t t;
		CHECK(pthread_create(&t, NULL, dies, NULL) == 0);
		/* Joining works: the dying thread's id is cleared in user memory by the kernel. */
		pthread_join(t, NULL);
		CHECK(thread_result == 0);
		_exit(21);
	});
	CHECK("kill thread: the others go on", WIFEXITED(status) && WEXITSTATUS(status) == 21);
	status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_KILL_PROCESS)) == 0);
		pthread_t t;
		CHECK(pthread_create(&t, NULL, dies, NULL) == 0);
		pthread_join(t, NULL);
		_exit(22);
	});
	CHECK("kill process: all die", WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		CHECK_ERRNO(syscall(SYS_getppid), 44);
		return prctl(PR_GET_SECCOMP) == 2 ? 17 : 18;
	}
	/* Inside a sandbox, or without any. */
	unsigned action = SECCOMP_RET_USER_NOTIF;
	if (prctl(PR_GET_SECCOMP) != 0 || seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return T_NOT_HERE;
	operations();
	checks();
	strict();
	privilege();
	actions();
	data();
	stacked();
	threads();
	char *again[] = {argv[0], "again", NULL};
	int status = STATUS_OF({
		calm();
		CHECK(INSTALL(0, ON(SYS_getppid, SECCOMP_RET_ERRNO | 44)) == 0);
		execv("/proc/self/exe", again);
	});
	CHECK("kept over execve", WIFEXITED(status) && WEXITSTATUS(status) == 17);
	status = STATUS_OF({
		struct sock_filter f[] = {ON(SYS_getppid, SECCOMP_RET_ERRNO | 45)};
		struct sock_fprog prog = {COUNT(f), f};
		calm();
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
		CHECK_ERRNO(syscall(SYS_getppid), 45);
	});
	CHECK("by prctl", status == 0);
	return t_end();
}
