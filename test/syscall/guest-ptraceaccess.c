/*
 * Who may trace whom: ids, dumpable processes, capabilities, kernel.yama.ptrace_scope, PR_SET_PTRACER;
 * set-user-ID programs that are traced. For root alone, who may do what none may do to his host.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "t.h"

#define STOPPED(sig) (((sig) << 8) | 0x7f)
#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

static int next(pid_t pid)
{
	int status = -1;
	return waitpid(pid, &status, __WALL) == pid ? status : -1;
}

static void scope(int n)
{
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "w");
	CHECK(f && fprintf(f, "%d", n) == 1 && fclose(f) == 0);
}

static void become(uid_t uid)
{
	CHECK(setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0);
}

/* A process of user `uid` that sleeps, having done `prepare` first. */
static pid_t sleeper(uid_t uid, int dumpable, long ptracer)
{
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		become(uid);
		prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
		if (ptracer) CHECK(prctl(PR_SET_PTRACER, ptracer, 0, 0, 0) == 0);
		CHECK(write(fd[1], "", 1) == 1);
		for (;;) pause();
	}
	CHECK(read(fd[0], &c, 1) == 1);
	close(fd[0]);
	close(fd[1]);
	return pid;
}

/* What a process of user `uid` gets for attaching to `pid`: an errno. */
static int attach_as(uid_t uid, pid_t pid)
{
	int status = STATUS_OF(
		become(uid);
		int r = ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 ? 0 : errno;
		_exit(r));
	return WEXITSTATUS(status);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK(next(pid) == SIGKILL);
}

/* The effective user that a set-user-ID copy of this program finds itself to be, traced by `tracer`. */
static int euid_when_traced(const char *program, uid_t tracer)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		/* It is the tracer; its child, of user 1000, runs the program. */
		int status;
		int ids[2];
		CHECK(pipe(ids) == 0);
		pid_t child = fork();
		if (child == 0) {
			become(1000);
			char c;
			prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
			CHECK(read(ids[0], &c, 1) == 1);
			execl(program, program, "euid", NULL);
			_exit(99);
		}
		usleep(1000);
		if (tracer != 0) become(tracer);
		for (int i = 0; ptrace(PTRACE_SEIZE, child, 0, 0) != 0; i++) { if (i == 1000) _exit(97); usleep(1000); }
		CHECK(write(ids[1], "", 1) == 1);
		for (;;) {
			CHECK(waitpid(child, &status, __WALL) == child);
			if (!WIFSTOPPED(status)) break;
			ptrace(PTRACE_CONT, child, 0, 0);
		}
		_exit(WEXITSTATUS(status));
	}
	return WEXITSTATUS(next(pid));
}

static void copy_self(const char *to)
{
	char buf[65536];
	ssize_t n;
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
	while ((n = read(in, buf, sizeof buf)) > 0) CHECK(write(out, buf, n) == n);
	close(in);
	close(out);
	CHECK(chmod(to, 04755) == 0);
}

/* Root of a user name space, of user 1000. */
static void become_nested_root(void)
{
	become(1000);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	CHECK(unshare(CLONE_NEWUSER) == 0);
	FILE *f = fopen("/proc/self/uid_map", "w");
	CHECK(f && fputs("0 1000 1", f) >= 0 && fclose(f) == 0);
}

/* Runs `program`, which nobody but root may read, as a tracee, and looks into it: the errno of that. */
static int peek_unreadable(const char *program)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl(program, program, "wait", NULL);
		_exit(99);
	}
	if (next(pid) != STOPPED(SIGTRAP)) return -1;
	char path[64];
	struct { unsigned long long pc; unsigned long long x[31]; } regs;
	struct iovec iov = {&regs, sizeof regs};
	CHECK(ptrace(PTRACE_GETREGSET, pid, 1, &iov) == 0);
	errno = 0;
	ptrace(PTRACE_PEEKTEXT, pid, regs.pc, 0);
	int r = errno;
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int fd = open(path, O_RDONLY);
	CHECK(fd < 0 || r == 0);
	end(pid);
	return r;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "wait") == 0) for (;;) pause();
	if (argc > 1 && strcmp(argv[1], "euid") == 0) _exit(geteuid() == 0 ? 0 : 10);
	if (geteuid() != 0) return T_NOT_HERE;

	pid_t pid = sleeper(1000, 1, 0);
	CHECK("the same user may", attach_as(1000, pid) == 0);
	CHECK("another one may not", attach_as(1001, pid) == EPERM);
	CHECK("root may", attach_as(0, pid) == 0);
	end(pid);
	pid = sleeper(1000, 0, 0);
	CHECK("not dumpable: not its own user", attach_as(1000, pid) == EPERM);
	CHECK("but root", attach_as(0, pid) == 0);
	end(pid);
	pid = sleeper(0, 1, 0);
	CHECK("a user may not trace root's", attach_as(1000, pid) == EPERM);
	end(pid);

	/* Yama. */
	scope(1);
	pid = sleeper(1000, 1, 0);
	CHECK("scope 1: no stranger of the same user", attach_as(1000, pid) == EPERM);
	CHECK("but root", attach_as(0, pid) == 0);
	end(pid);
	pid = sleeper(1000, 1, -1);
	CHECK("unless anybody may", attach_as(1000, pid) == 0);
	end(pid);
	pid = sleeper(1000, 1, getpid());
	CHECK("or an ancestor of his", attach_as(1000, pid) == 0);
	end(pid);
	int status = STATUS_OF(
		become(1000);
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		pid_t child = fork();
		if (child == 0) for (;;) pause();
		int r = ptrace(PTRACE_SEIZE, child, 0, 0) == 0 ? 0 : errno;
		kill(child, SIGKILL);
		_exit(r));
	CHECK("scope 1: a parent may", status == 0);
	CHECK_ERRNO("PR_SET_PTRACER of nobody", prctl(PR_SET_PTRACER, 999999, 0, 0, 0), EINVAL);
	scope(2);
	status = STATUS_OF(
		become(1000);
		pid_t child = fork();
		if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 ? 0 : errno);
		_exit(WEXITSTATUS(next(child))));
	CHECK("scope 2: not even a parent", WEXITSTATUS(status) == EPERM);
	pid = sleeper(1000, 1, 0);
	CHECK("but root", attach_as(0, pid) == 0);
	end(pid);
	scope(0);

	/* Set-user-ID. */
	static const char program[] = "/guest-ptraceaccess-suid";
	copy_self(program);
	status = STATUS_OF(become(1000); execl(program, program, "euid", NULL); _exit(errno));

	CHECK("untraced, it is root's", status == 0);
	CHECK("traced by a user, it is the user's", euid_when_traced(program, 1000) == 10);
	CHECK("traced by root, it is root's", euid_when_traced(program, 0) == 0);
	unlink(program);

	/* Programs that may be run and not read. */
	copy_self(program);
	CHECK(chmod(program, 0711) == 0);
	status = STATUS_OF(become(1000); _exit(peek_unreadable(program)));
	CHECK("what may not be read cannot be looked into either", WEXITSTATUS(status) == EIO);
	status = STATUS_OF(become_nested_root(); _exit(peek_unreadable(program)));
	CHECK("nor by the root of a user name space", WEXITSTATUS(status) == EIO);
	status = STATUS_OF(_exit(peek_unreadable(program)));
	CHECK("but by root", WEXITSTATUS(status) == 0);
	unlink(program);

	/* Who comes into a user name space from further up is not for its root to look into. */
	int up[2];
	int down[2];
	char c;
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	fflush(stdout);
	pid_t nested = fork();
	if (nested == 0) {
		pid_t visitor;
		become_nested_root();
		CHECK(write(up[1], "", 1) == 1);
		CHECK(read(down[0], &visitor, sizeof visitor) == sizeof visitor);
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/environ", visitor);
		int r = ptrace(PTRACE_SEIZE, visitor, 0, 0) == 0 ? 0 : errno;
		_exit(open(path, O_RDONLY) < 0 ? r : 98);
	}
	CHECK(read(up[0], &c, 1) == 1);
	pid = fork();
	if (pid == 0) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/ns/user", nested);
		int fd = open(path, O_RDONLY);
		CHECK(fd >= 0 && setns(fd, CLONE_NEWUSER) == 0);
		CHECK("it is not dumpable", prctl(PR_GET_DUMPABLE) == 0);
		fflush(stdout);
		CHECK(write(up[1], "", 1) == 1);
		for (;;) pause();
	}
	CHECK(read(up[0], &c, 1) == 1);
	CHECK(write(down[1], &pid, sizeof pid) == sizeof pid);
	CHECK("the root of a user name space may not trace who joined it", next(nested) == EPERM << 8);
	end(pid);

	/* CLONE_PTRACE without any event; CLONE_UNTRACED with one asked for. */
	pid = fork();
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		pid_t child = syscall(SYS_clone, CLONE_PTRACE | SIGCHLD, 0, 0, 0, 0);
		if (child == 0) _exit(5);
		waitpid(child, &status, 0);
		child = syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
		if (child == 0) _exit(6);
		waitpid(child, &status, 0);
		_exit(status == 6 << 8 ? 7 : 8);
	}
	CHECK(next(pid) == STOPPED(SIGSTOP));
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEFORK);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("with the event, it comes first", next(pid) == STOPPED(SIGTRAP | (PTRACE_EVENT_FORK << 8)));
	pid_t child = -1;
	ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
	CHECK("CLONE_PTRACE", next(child) == STOPPED(SIGSTOP));
	ptrace(PTRACE_CONT, pid, 0, 0);
	ptrace(PTRACE_CONT, child, 0, 0);
	CHECK("its end", next(child) == 5 << 8);
	CHECK("SIGCHLD", next(pid) == STOPPED(SIGCHLD));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("CLONE_UNTRACED: only SIGCHLD", next(pid) == STOPPED(SIGCHLD));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("the end", next(pid) == 7 << 8);

	/* Filters are left alone where the tracer says so. */
	pid = fork();
	if (pid == 0) {
		struct sock_filter code[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		};
		struct sock_fprog prog = {4, code};
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
		int before = syscall(SYS_getppid) == -1 && errno == EDOM;
		raise(SIGSTOP);
		int after = syscall(SYS_getppid) > 0;
		_exit(before + 2 * after);
	}
	CHECK(next(pid) == STOPPED(SIGSTOP));
	struct sock_filter got[4];
	CHECK("SECCOMP_GET_FILTER", ptrace(0x420c, pid, 0, got) == 4 && got[2].k == (SECCOMP_RET_ERRNO | EDOM));
	CHECK_ERRNO("no second one", ptrace(0x420c, pid, 1, got), ENOENT);
	CHECK("SUSPEND_SECCOMP", ptrace(PTRACE_SETOPTIONS, pid, 0, 1 << 21) == 0);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("then the call is made", next(pid) == 3 << 8);

	/* For good. */
	scope(3);
	pid = sleeper(1000, 1, 0);
	CHECK("scope 3: nobody", attach_as(0, pid) == EPERM);
	end(pid);
	FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "w");
	CHECK("that stays so", f && fputs("0", f) >= 0 && fclose(f) != 0);
	return t_end();
}
