/*
 * ptrace(2): ATTACH, SEIZE, INTERRUPT, LISTEN, DETACH; group-stops as a tracer and as a parent see
 * them; the end of a tracer.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include "t.h"

#define STOPPED(sig) (((sig) << 8) | 0x7f)
#define EVENT(sig, event) STOPPED((sig) | ((event) << 8))
#define EVENT_STOP 128

static volatile sig_atomic_t continued;

static void on_cont(int sig)
{
	(void)sig;
	continued++;
}

static int next(pid_t pid)
{
	int status = -1;
	return waitpid(pid, &status, __WALL) == pid ? status : -1;
}

/* A child that sleeps, and says so first. */
static pid_t sleeper(void)
{
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		/* Siblings trace it too, which Yama may forbid; it may also not be there. */
		prctl(0x59616d61 /* PR_SET_PTRACER */, -1, 0, 0, 0);
		signal(SIGCONT, on_cont);
		CHECK(write(fd[1], "", 1) == 1);
		for (;;) pause();
	}
	CHECK(read(fd[0], &c, 1) == 1);
	close(fd[0]);
	close(fd[1]);
	return pid;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	for (;;) {
		int status = next(pid);
		if (!WIFSTOPPED(status)) break;
	}
}

static char state_of(pid_t pid, int *tracer)
{
	char path[64], line[256], state = '?';
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	*tracer = -1;
	while (f && fgets(line, sizeof line, f)) {
		sscanf(line, "State: %c", &state);
		sscanf(line, "TracerPid: %d", tracer);
	}
	if (f) fclose(f);
	return state;
}

static void wait_state(pid_t pid, char wanted)
{
	int tracer;
	while (state_of(pid, &tracer) != wanted) usleep(1000);
}

int main(void)
{
	siginfo_t sig;
	int status, tracer;

	/* ATTACH. */
	pid_t pid = sleeper();
	CHECK("ATTACH", ptrace(PTRACE_ATTACH, pid, 0, 0) == 0);
	CHECK("stops it", next(pid) == STOPPED(SIGSTOP));
	CHECK("tracing stop", state_of(pid, &tracer) == 't' && tracer == getpid());
	CHECK("CONT", ptrace(PTRACE_CONT, pid, 0, 0) == 0);
	CHECK("no group-stop followed", waitpid(pid, &status, __WALL | WNOHANG) == 0);
	CHECK_ERRNO("it must be stopped", ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK_ERRNO("even to be let go", ptrace(PTRACE_DETACH, pid, 0, 0), ESRCH);
	kill(pid, SIGUSR2);
	CHECK("a signal", next(pid) == STOPPED(SIGUSR2));
	CHECK("DETACH without it", ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
	CHECK("nobody traces", (state_of(pid, &tracer), tracer == 0));
	CHECK_ERRNO("and it is not ours", ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK("ATTACH again", ptrace(PTRACE_ATTACH, pid, 0, 0) == 0 && next(pid) == STOPPED(SIGSTOP));
	CHECK("DETACH with a signal", ptrace(PTRACE_DETACH, pid, 0, SIGTERM) == 0);
	CHECK("that it dies of", next(pid) == SIGTERM);

	/* A group-stop of one that was attached. */
	pid = sleeper();
	ptrace(PTRACE_ATTACH, pid, 0, 0);
	next(pid);
	ptrace(PTRACE_CONT, pid, 0, 0);
	kill(pid, SIGTSTP);
	CHECK("stop signal", next(pid) == STOPPED(SIGTSTP));
	CHECK("it has a siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_signo == SIGTSTP);
	ptrace(PTRACE_CONT, pid, 0, SIGTSTP);
	CHECK("group-stop", next(pid) == STOPPED(SIGTSTP));
	CHECK_ERRNO("it has none", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig), EINVAL);
	kill(pid, SIGCONT);
	CHECK("SIGCONT does not let it go", waitpid(pid, &status, __WALL | WNOHANG) == 0 &&
	      state_of(pid, &tracer) == 't');
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("then SIGCONT is delivered", next(pid) == STOPPED(SIGCONT));
	ptrace(PTRACE_CONT, pid, 0, SIGCONT);
	reap(pid);

	/* ATTACH to one that is stopped already. */
	pid = sleeper();
	kill(pid, SIGSTOP);
	CHECK("stopped before", waitpid(pid, &status, WUNTRACED) == pid && status == STOPPED(SIGSTOP));
	CHECK("ATTACH", ptrace(PTRACE_ATTACH, pid, 0, 0) == 0 && next(pid) == STOPPED(SIGSTOP));
	CHECK("DETACH leaves it stopped", ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
	wait_state(pid, 'T');
	kill(pid, SIGCONT);
	reap(pid);

	/* SEIZE. */
	pid = sleeper();
	CHECK_ERRNO("SEIZE with an address", ptrace(PTRACE_SEIZE, pid, 8, 0), EIO);
	CHECK_ERRNO("SEIZE with unknown options", ptrace(PTRACE_SEIZE, pid, 0, 1 << 30), EIO);
	CHECK("SEIZE", ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	CHECK("does not stop", waitpid(pid, &status, __WALL | WNOHANG) == 0);
	CHECK_ERRNO("nor is it stopped", ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK("INTERRUPT", ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK("does", next(pid) == EVENT(SIGTRAP, EVENT_STOP));
	CHECK("siginfo", ptrace(PTRACE_GETSIGINFO, pid, 0, &sig) == 0 && sig.si_signo == SIGTRAP &&
	      sig.si_code == (SIGTRAP | (EVENT_STOP << 8)));
	CHECK("CONT", ptrace(PTRACE_CONT, pid, 0, 0) == 0);

	/* A group-stop of one that was seized. */
	kill(pid, SIGSTOP);
	CHECK("SIGSTOP", next(pid) == STOPPED(SIGSTOP));
	ptrace(PTRACE_CONT, pid, 0, SIGSTOP);
	CHECK("group-stop", next(pid) == EVENT(SIGSTOP, EVENT_STOP));
	CHECK("LISTEN", ptrace(PTRACE_LISTEN, pid, 0, 0) == 0);
	CHECK_ERRNO("then it is not at our disposal", ptrace(PTRACE_CONT, pid, 0, 0), ESRCH);
	CHECK("INTERRUPT gets it back", ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 &&
	      next(pid) == EVENT(SIGSTOP, EVENT_STOP));
	CHECK("LISTEN", ptrace(PTRACE_LISTEN, pid, 0, 0) == 0);
	kill(pid, SIGCONT);
	CHECK("the end of the group-stop is told", next(pid) == EVENT(SIGTRAP, EVENT_STOP));
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("then SIGCONT", next(pid) == STOPPED(SIGCONT));
	CHECK_ERRNO("LISTEN is for group-stops", ptrace(PTRACE_LISTEN, pid, 0, 0), EIO);
	ptrace(PTRACE_CONT, pid, 0, SIGCONT);
	reap(pid);

	/* Interrupted in the middle of a call: its end is shown, and a new beginning. */
	int fd[2];
	char c;
	CHECK(pipe(fd) == 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(fd[1]);
		_exit(read(fd[0], &c, 1) == 1 ? 4 : 5);
	}
	wait_state(pid, 'S');
	struct { uint8_t op, pad[3]; uint32_t arch; uint64_t ip, sp; int64_t v[8]; } si;
	CHECK(ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	CHECK(ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0);
	CHECK("stop in a call", next(pid) == EVENT(SIGTRAP, EVENT_STOP));
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	CHECK("it begins again", next(pid) == STOPPED(SIGTRAP | 0x80) &&
	      ptrace(0x420e, pid, sizeof si, &si) == 80 && si.op == 1 && si.v[0] == SYS_read);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	wait_state(pid, 'S');
	ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	CHECK("interrupted, it ends", next(pid) == STOPPED(SIGTRAP | 0x80) &&
	      ptrace(0x420e, pid, sizeof si, &si) == 33 && si.op == 2 && si.v[0] == -512);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	CHECK("and begins again, as that stop was as good as another", next(pid) == STOPPED(SIGTRAP | 0x80) &&
	      ptrace(0x420e, pid, sizeof si, &si) == 80 && si.op == 1 && si.v[0] == SYS_read &&
	      si.v[1] == fd[0]);
	CHECK(write(fd[1], "x", 1) == 1);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	CHECK("to be done", next(pid) == STOPPED(SIGTRAP | 0x80) &&
	      ptrace(0x420e, pid, sizeof si, &si) == 33 && si.v[0] == 1);
	ptrace(PTRACE_CONT, pid, 0, 0);
	CHECK("and it goes on", next(pid) == 4 << 8);

	/* A parent and a tracer: the tracer first. */
	pid = sleeper();
	int to[2];
	CHECK(pipe(to) == 0);
	fflush(stdout);
	pid_t other = fork();
	if (other == 0) {
		int s;
		if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) _exit(1);
		CHECK(write(to[1], "", 1) == 1);
		if (waitpid(pid, &s, __WALL) != pid || s != STOPPED(SIGUSR1)) _exit(2);
		ptrace(PTRACE_CONT, pid, 0, SIGUSR1);
		if (waitpid(pid, &s, __WALL) != pid || s != SIGUSR1) _exit(3);
		_exit(0);
	}
	CHECK(read(to[0], &c, 1) == 1);
	kill(pid, SIGUSR1);
	CHECK("the parent sees the end as well", next(pid) == SIGUSR1);
	CHECK("after the tracer", next(other) == 0);

	/* A tracer that ends lets go, or takes along. */
	for (int exitkill = 0; exitkill < 2; exitkill++) {
		pid = sleeper();
		fflush(stdout);
		other = fork();
		if (other == 0) {
			long options = exitkill ? PTRACE_O_EXITKILL : 0;
			if (ptrace(PTRACE_SEIZE, pid, 0, options) != 0) _exit(1);
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			int s;
			_exit(waitpid(pid, &s, __WALL) == pid ? 0 : 2);
		}
		CHECK("the tracer ends", next(other) == 0);
		if (exitkill) {
			CHECK("EXITKILL", next(pid) == SIGKILL);
		} else {
			CHECK("its tracee goes on", (state_of(pid, &tracer), tracer == 0) &&
			      waitpid(pid, &status, WNOHANG) == 0);
			reap(pid);
		}
	}

	/* waitid. */
	pid = sleeper();
	ptrace(PTRACE_ATTACH, pid, 0, 0);
	memset(&sig, 0, sizeof sig);
	CHECK("waitid keeps it", waitid(P_PID, pid, &sig, WEXITED | WNOWAIT) == 0 &&
	      sig.si_code == CLD_TRAPPED && sig.si_status == SIGSTOP && sig.si_pid == pid);
	CHECK("or takes it", waitid(P_ALL, 0, &sig, WSTOPPED) == 0 && sig.si_code == CLD_TRAPPED);
	sig.si_pid = 0;
	CHECK("once", waitid(P_PID, pid, &sig, WSTOPPED | WNOHANG) == 0 && sig.si_pid == 0);
	reap(pid);

	/* Memory through /proc. */
	static const char text[] = "read-only";
	pid = sleeper();
	char path[64], buf[16] = {0};
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	ptrace(PTRACE_ATTACH, pid, 0, 0);
	next(pid);
	int mem = open(path, O_RDWR);
	CHECK("mem opens", mem >= 0);
	CHECK("reads", pread(mem, buf, sizeof text, (long)text) == sizeof text && !strcmp(buf, text));
	CHECK("writes what is not writable", pwrite(mem, "READ", 4, (long)text) == 4);
	CHECK("there", pread(mem, buf, sizeof text, (long)text) == sizeof text && !strcmp(buf, "READ-only"));
	CHECK("alone", text[0] == 'r');
	CHECK_ERRNO("nothing is at 16", pread(mem, buf, 4, 16), EIO);
	reap(pid);
	CHECK("nothing is left of a process that ended", pread(mem, buf, 4, (long)text) == 0);
	close(mem);
	return t_end();
}
