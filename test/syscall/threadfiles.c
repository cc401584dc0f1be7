/* Threads with descriptors and directories of their own: clone(2) CLONE_THREAD without CLONE_FILES or CLONE_FS, unshare(2). */
#include "t.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { STACK = 65536 };
static char stack[STACK] __attribute__((aligned(64)));
static volatile pid_t alive;
static volatile int theirs, go;
static int fds[2];
static char cwd[256], line[256];

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* Runs in the new thread, with the C library's thread area of the old one: no library calls that keep state. */
static int body(void *arg)
{
	(void)arg;
	int fd = syscall(SYS_dup, fds[1]);
	syscall(SYS_close, fds[0]);
	syscall(SYS_chdir, "/");
	syscall(SYS_umask, 0);
	theirs = fd;
	while (!go) syscall(SYS_sched_yield);
	syscall(SYS_exit, 0);
	return 0;
}

static int start(int flags)
{
	go = 0;
	theirs = -1;
	alive = 1;
	int tid = clone(body, stack + STACK, flags | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_PARENT_SETTID,
			NULL, &alive, NULL, &alive);
	if (tid > 0) while (theirs < 0) usleep(1000);
	return tid;
}

static void finish(void)
{
	go = 1;
	while (alive != 0) usleep(1000);
}

static const char *link_of(const char *format, int tid, int fd)
{
	char name[64];
	snprintf(name, sizeof name, format, tid, fd);
	ssize_t n = readlink(name, line, sizeof line - 1);
	line[n > 0 ? n : 0] = 0;
	return line;
}

static void *unsharer(void *arg)
{
	(void)arg;
	CHECK("a thread takes leave of the others' files", unshare(CLONE_FILES | CLONE_FS) == 0);
	close(fds[0]);
	CHECK(chdir("/proc") == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char own[256];
		_exit(!is_open(fds[0]) && is_open(fds[1]) && strcmp(getcwd(own, sizeof own), "/proc") == 0 ? 3 : 4);
	}
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK("its child has what it has", WEXITSTATUS(status) == 3);
	struct rlimit few = { 16, 64 };
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK_ERRNO("the limit is the process's", dup2(fds[1], 17), EBADF);
	return NULL;
}

static void *executor(void *arg)
{
	CHECK(unshare(CLONE_FILES) == 0);
	close(fds[0]);
	execl("/proc/self/exe", "threadfiles", (char *)arg, (char *)NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc > 1) return is_open(atoi(argv[1])) ? 5 : 6;
	CHECK(chdir("/tmp") == 0);
	CHECK(getcwd(cwd, sizeof cwd) != NULL);
	umask(022);
	CHECK(pipe(fds) == 0);

	CHECK_ERRNO("CLONE_THREAD needs CLONE_SIGHAND", start(CLONE_THREAD | CLONE_VM), EINVAL);
	CHECK_ERRNO("CLONE_SIGHAND needs CLONE_VM", start(CLONE_THREAD | CLONE_SIGHAND), EINVAL);

	int tid = start(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM);
	CHECK("a thread may have files and directories of its own", tid > 0);
	char now[256];
	CHECK("what it closes stays open here", is_open(fds[0]));
	CHECK("what it opens is not open here", !is_open(theirs));
	CHECK("where it goes does not lead us", getcwd(now, sizeof now) && strcmp(now, cwd) == 0);
	CHECK("its umask is its own", umask(022) == 022);
	CHECK("/proc shows its descriptors", strncmp(link_of("/proc/self/task/%d/fd/%d", tid, theirs), "pipe:", 5) == 0);
	CHECK("and not the one it closed", *link_of("/proc/self/task/%d/fd/%d", tid, fds[0]) == 0);
	CHECK("and its directory", strcmp(link_of("/proc/self/task/%d/cwd", tid, 0), "/") == 0);
	CHECK("/proc of the process shows the leader's", strcmp(link_of("/proc/self/cwd", 0, 0), cwd) == 0);
	finish();

	CHECK(start(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FILES) > 0);
	CHECK("with CLONE_FILES the descriptors are shared", !is_open(fds[0]) && is_open(theirs));
	CHECK("but not the directory", getcwd(now, sizeof now) && strcmp(now, cwd) == 0);
	finish();
	close(theirs), close(fds[1]);

	CHECK(pipe(fds) == 0);
	CHECK(start(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS) > 0);
	CHECK("with CLONE_FS the directory is shared", getcwd(now, sizeof now) && strcmp(now, "/") == 0);
	CHECK("but not the descriptors", is_open(fds[0]) && !is_open(theirs));
	close(fds[1]);
	char c;
	int flags = fcntl(fds[0], F_GETFL);
	CHECK(fcntl(fds[0], F_SETFL, flags | O_NONBLOCK) == 0);
	CHECK_ERRNO("a thread keeps its end of a pipe open", read(fds[0], &c, 1), EAGAIN);
	finish();
	/* Its number is cleared before its files are closed. */
	struct pollfd end = { .fd = fds[0], .events = POLLIN };
	CHECK("until it ends", poll(&end, 1, 5000) == 1 && read(fds[0], &c, 1) == 0);
	close(fds[0]);

	pthread_t t;
	CHECK(pipe(fds) == 0);
	CHECK(pthread_create(&t, NULL, unsharer, NULL) == 0);
	pthread_join(t, NULL);
	CHECK("and the others keep theirs", is_open(fds[0]) && getcwd(now, sizeof now) && strcmp(now, "/") == 0);

	int status = STATUS_OF({
		char number[16];
		snprintf(number, sizeof number, "%d", fds[0]);
		pthread_create(&t, NULL, executor, number);
		pthread_join(t, NULL);
	});
	CHECK("execve goes on with the caller's descriptors", WEXITSTATUS(status) == 6);
	return t_end();
}
