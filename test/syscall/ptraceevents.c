/*
 * ptrace(2): events: fork, vfork, clone, exec, exit, seccomp; threads as tracees, among them one that
 * calls execve(2).
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "t.h"

#define STOPPED(sig) (((sig) << 8) | 0x7f)
#define EVENT(event) STOPPED(SIGTRAP | ((event) << 8))

static int next(pid_t pid)
{
	int status = -1;
	return waitpid(pid, &status, __WALL) == pid ? status : -1;
}

static unsigned long message(pid_t pid)
{
	unsigned long m = 0;
	return ptrace(PTRACE_GETEVENTMSG, pid, 0, &m) == 0 ? m : -1ul;
}

static int go(pid_t pid)
{
	ptrace(PTRACE_CONT, pid, 0, 0);
	return next(pid);
}

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
	CHECK(next(pid) == STOPPED(SIGSTOP));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, 0, options) == 0);
	return pid;
}

static void forks(void)
{
	pid_t pid = fork();
	if (pid == 0) _exit(11);
	int status = 0;
	_exit(waitpid(pid, &status, 0) == pid && status == 11 << 8 ? 21 : 22);
}

static void vforks(void)
{
	pid_t pid = vfork();
	if (pid == 0) _exit(12);
	int status = 0;
	_exit(waitpid(pid, &status, 0) == pid && status == 12 << 8 ? 23 : 24);
}

static void *thread(void *arg)
{
	return arg;
}

static void clones(void)
{
	pthread_t t;
	void *r = NULL;
	if (pthread_create(&t, NULL, thread, (void *)5) != 0) _exit(1);
	pthread_join(t, &r);
	_exit(r == (void *)5 ? 25 : 26);
}

static void execs(void)
{
	execl("/proc/self/exe", "ptraceevents", "again", NULL);
	_exit(1);
}

static void *exec_thread(void *arg)
{
	execs();
	return arg;
}

static void execs_in_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, exec_thread, NULL);
	for (;;) pause();
}

static void *exits(void *arg)
{
	syscall(SYS_exit, 7);
	return arg;
}

static void leader_goes(void)
{
	pthread_t t;
	pthread_create(&t, NULL, exits, NULL);
	syscall(SYS_exit, 8);
}

static void exits_40(void)
{
	_exit(40);
}

static void install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | 77),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static void filtered(void)
{
	install();
	_exit(syscall(SYS_getppid) > 0 ? 50 : errno == ENOSYS ? 51 : 52);
}

static char state_of(pid_t pid)
{
	char path[64], state = '?';
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %c", &state) != 1) state = '?';
	if (f) fclose(f);
	return state;
}

int main(int argc, char **argv)
{
	int status;
	siginfo_t sig;
	if (argc > 1) _exit(strcmp(argv[1], "again") == 0 ? 30 : 31);

	/* fork */
	pid_t pid = traced(forks, PTRACE_O_TRACEFORK);
	CHECK("event of fork", go(pid) == EVENT(PTRACE_EVENT_FORK));
	CHECK("siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_signo == SIGTRAP &&
	      sig.si_code == (SIGTRAP | (PTRACE_EVENT_FORK << 8)));
	pid_t child = message(pid);
	CHECK("the child's id", child > 0 && child != pid);
	CHECK("the child is traced, and stops", next(child) == STOPPED(SIGSTOP));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("the child ends, for us", go(child) == 11 << 8);
	CHECK("then for its parent, which gets SIGCHLD", next(pid) == STOPPED(SIGCHLD));
	ptrace(PTRACE_CONT, pid, 0, SIGCHLD);
	CHECK("and has waited", next(pid) == 21 << 8);
	pid = traced(forks, 0);
	CHECK("no event unless asked for", go(pid) == STOPPED(SIGCHLD));
	CHECK("no trace either", go(pid) == 21 << 8);

	/* Let go in its first stop. */
	pid = traced(forks, PTRACE_O_TRACEFORK);
	go(pid);
	child = message(pid);
	next(child);
	CHECK("detach the child", ptrace(PTRACE_DETACH, child, 0, 0) == 0);
	CHECK("SIGCHLD", go(pid) == STOPPED(SIGCHLD));
	CHECK("detach the parent", ptrace(PTRACE_DETACH, pid, 0, 0) == 0 && next(pid) == 21 << 8);

	/* vfork */
	pid = traced(vforks, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
	CHECK("event of vfork", go(pid) == EVENT(PTRACE_EVENT_VFORK));
	child = message(pid);
	CHECK("its child", next(child) == STOPPED(SIGSTOP));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("the parent waits", waitpid(pid, &status, __WALL | WNOHANG) == 0);
	CHECK("until the child ends", go(child) == 12 << 8);
	CHECK("vfork done", next(pid) == EVENT(PTRACE_EVENT_VFORK_DONE) && (pid_t)message(pid) == child);
	CHECK("SIGCHLD", go(pid) == STOPPED(SIGCHLD));
	CHECK("the end", go(pid) == 23 << 8);

	/* clone */
	pid = traced(clones, PTRACE_O_TRACECLONE);
	CHECK("event of clone", go(pid) == EVENT(PTRACE_EVENT_CLONE));
	pid_t tid = message(pid);
	CHECK("the thread stops", next(tid) == STOPPED(SIGSTOP));
	/* Its process must not end meanwhile: that status would be told for the thread. */
	CHECK("a thread's end", go(tid) == 0);
	CHECK("then its process's", go(pid) == 25 << 8);

	/* Threads of their own end; the first before the other. */
	pid = traced(leader_goes, PTRACE_O_TRACECLONE);
	go(pid);
	tid = message(pid);
	next(tid);
	ptrace(PTRACE_CONT, pid, 0, 0);
	while (state_of(pid) != 'Z') usleep(1000);
	CHECK("nothing of the first while there is another", waitpid(pid, &status, __WALL | WNOHANG) == 0);
	CHECK("the other's end", go(tid) == 7 << 8);
	CHECK("the process's, with the last one's status", next(pid) == 7 << 8);

	/* exec */
	pid = traced(execs, PTRACE_O_TRACEEXEC);
	CHECK("event of exec", go(pid) == EVENT(PTRACE_EVENT_EXEC) && (pid_t)message(pid) == pid);
	CHECK("no SIGTRAP after that", go(pid) == 30 << 8);
	pid = traced(execs_in_thread, PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE);
	go(pid);
	tid = message(pid);
	next(tid);
	ptrace(PTRACE_CONT, pid, 0, 0);
	ptrace(PTRACE_CONT, tid, 0, 0);
	CHECK("exec by another thread", next(pid) == EVENT(PTRACE_EVENT_EXEC));
	CHECK("it was that thread", (pid_t)message(pid) == tid);
	CHECK_ERRNO("which has another id now", ptrace(PTRACE_CONT, tid, 0, 0), ESRCH);
	CHECK("and ends", go(pid) == 30 << 8);
	CHECK_ERRNO("nothing is left", waitpid(-1, &status, __WALL), ECHILD);

	/* exit */
	pid = traced(exits_40, PTRACE_O_TRACEEXIT);
	CHECK("event of exit", go(pid) == EVENT(PTRACE_EVENT_EXIT) && message(pid) == 40 << 8);
	errno = 0;
	ptrace(PTRACE_PEEKDATA, pid, &status, 0);
	CHECK("memory is still there", errno == 0);
	CHECK("then the end", go(pid) == 40 << 8);
	pid = traced(exits_40, PTRACE_O_TRACEEXIT);
	ptrace(PTRACE_CONT, pid, 0, SIGTERM);
	CHECK("death by a signal", next(pid) == EVENT(PTRACE_EVENT_EXIT) && message(pid) == SIGTERM);
	CHECK("the same", go(pid) == SIGTERM);
	pid = traced(exits_40, PTRACE_O_TRACEEXIT);
	CHECK("detach at the end", go(pid) == EVENT(PTRACE_EVENT_EXIT) &&
	      ptrace(PTRACE_DETACH, pid, 0, 0) == 0 && next(pid) == 40 << 8);

	/* seccomp */
	pid = traced(filtered, PTRACE_O_TRACESECCOMP);
	CHECK("event of seccomp", go(pid) == EVENT(PTRACE_EVENT_SECCOMP) && message(pid) == 77);
	struct { uint8_t op, pad[3]; uint32_t arch; uint64_t ip, sp; uint64_t v[7]; uint32_t data; } si;
	CHECK("its call", ptrace(0x420e, pid, sizeof si, &si) == 84 && si.op == 3 &&
	      si.v[0] == SYS_getppid && si.data == 77);
	CHECK("is made", go(pid) == 50 << 8);
	pid = traced(filtered, 0);
	CHECK("without a tracer that wants it: ENOSYS", go(pid) == 51 << 8);
	pid = traced(filtered, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACESECCOMP);
	go(pid);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	CHECK("after it comes the exit", next(pid) == STOPPED(SIGTRAP | 0x80) && message(pid) == 2);
	CHECK("and the end", go(pid) == 50 << 8);

	/* Children of one that was seized. */
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		CHECK(read(fd[0], &c, 1) == 1);
		forks();
	}
	CHECK(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT) == 0);
	CHECK(write(fd[1], "", 1) == 1);
	CHECK("event of fork, seized", next(pid) == EVENT(PTRACE_EVENT_FORK));
	child = message(pid);
	CHECK("the child stops without a signal", next(child) == EVENT(PTRACE_EVENT_STOP));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("options are inherited", go(child) == EVENT(PTRACE_EVENT_EXIT));
	CHECK("its end", go(child) == 11 << 8);
	CHECK("SIGCHLD", next(pid) == STOPPED(SIGCHLD));
	CHECK("exit", go(pid) == EVENT(PTRACE_EVENT_EXIT));
	CHECK("end", go(pid) == 21 << 8);
	return t_end();
}
