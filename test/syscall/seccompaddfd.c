/* seccomp's user notification: open files for who asks, and calls that only what kills ends. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "seccompnotify.h"
#include "t.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 32
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, uint64_t)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1
#endif

static long install(unsigned flags) { return notify_of(SYS_mkdirat, flags); }

static long ask(long a)
{
	errno = 0;
	long r = syscall(SYS_mkdirat, a, "x", 0);
	return r == -1 ? -errno : r;
}

static struct seccomp_notif n;

static int receive(int fd)
{
	memset(&n, 0, sizeof n);
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n);
}

static int reply(int fd, long val)
{
	struct seccomp_notif_resp r = {n.id, val, 0, 0};
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static long add(int fd, unsigned flags, int from, int to, unsigned how)
{
	struct seccomp_notif_addfd a = {n.id, flags, from, to, how};
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

/* Reads one byte through `fd`. */
static int byte_of(int fd)
{
	char c;
	return pread(fd, &c, 1, 0) == 1 ? c : -1;
}

static void files(void)
{
	char name[] = "/tmp/seccompaddfd.XXXXXX";
	int file = mkstemp(name);
	CHECK(file >= 0 && unlink(name) == 0 && write(file, "Q", 1) == 1);
	int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER);
	CHECK(fd >= 0);
	CHECK("wake up at once", ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, (unsigned long)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0 ||
	      errno == EINVAL);
	CHECK_ERRNO("unknown flags", ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, 2ul), EINVAL);
	pid_t child = fork();
	if (child == 0) {
		close(file);
		struct rlimit few = {40, 40};
		setrlimit(RLIMIT_NOFILE, &few);
		/* The numbers that are given are the lowest free. */
		int lowest = dup(0);
		close(lowest);
		int good = ask(1) == lowest && byte_of(lowest) == 'Q' && (fcntl(lowest, F_GETFD) & FD_CLOEXEC);
		good = good && byte_of(33) == 'Q' && fcntl(33, F_GETFD) == 0;
		good = good && ask(2) == 7 && byte_of(34) == 'Q';
		int given = ask(3);
		good = good && byte_of(given) == 'Q' && fcntl(given, F_GETFD) == 0;
		while (dup(0) >= 0);
		good = good && ask(4) == 5;
		_exit(good ? 23 : 24);
	}
	CHECK("the first", receive(fd) == 0 && n.data.args[0] == 1);
	CHECK_ERRNO("unknown flags", add(fd, 4, file, 0, 0), EINVAL);
	CHECK_ERRNO("flags of the descriptor", add(fd, 0, file, 0, O_NONBLOCK), EINVAL);
	CHECK_ERRNO("a number that is not asked for", add(fd, 0, file, 33, 0), EINVAL);
	CHECK_ERRNO("no such file", add(fd, 0, 999, 0, 0), EBADF);
	int path = open("/", O_PATH);
	CHECK_ERRNO("a path is none", add(fd, 0, path, 0, 0), EBADF);
	close(path);
	CHECK_ERRNO("past the limit", add(fd, SECCOMP_ADDFD_FLAG_SETFD, file, 40, 0), EBADF);
	uint64_t id = n.id;
	n.id += 77;
	CHECK_ERRNO("another call", add(fd, 0, file, 0, 0), ENOENT);
	n.id = id;
	struct { struct seccomp_notif_addfd a; uint64_t more; } larger = {{id, 0, file, 0, 0}, 1};
	CHECK_ERRNO("a larger struct", ioctl(fd, _IOW('!', 3, larger), &larger), E2BIG);
	CHECK_ERRNO("a smaller struct", ioctl(fd, _IOW('!', 3, char[16]), &larger), EINVAL);
	CHECK_ERRNO("nowhere", ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, 8), EFAULT);
	long given = add(fd, 0, file, 0, O_CLOEXEC);
	CHECK("the lowest free", given > 2);
	CHECK("a number of one's own", add(fd, SECCOMP_ADDFD_FLAG_SETFD, file, 33, 0) == 33);
	CHECK("and the same again", add(fd, SECCOMP_ADDFD_FLAG_SETFD, file, 33, 0) == 33);
	CHECK("answered", reply(fd, given) == 0);
	CHECK("the second", receive(fd) == 0 && n.data.args[0] == 2);
	CHECK("past a hole", add(fd, SECCOMP_ADDFD_FLAG_SETFD, file, 34, 0) == 34 && reply(fd, 7) == 0);
	CHECK("the third", receive(fd) == 0 && n.data.args[0] == 3);
	CHECK("file and answer in one", add(fd, SECCOMP_ADDFD_FLAG_SEND, file, 0, 0) > given);
	CHECK_ERRNO("which is one", reply(fd, 3), ENOENT);
	CHECK("the fourth", receive(fd) == 0 && n.data.args[0] == 4);
	CHECK_ERRNO("no room", add(fd, SECCOMP_ADDFD_FLAG_SEND, file, 0, 0), EMFILE);
	CHECK("not answered by that", reply(fd, 5) == 0);
	int status;
	CHECK("the child has all that", waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 23);
	close(fd);
	close(file);
}

static void nothing(int sig) { (void)sig; }

/* Beside the filter above, which asks nobody any more. */
static void killable(void)
{
	CHECK_ERRNO("without a listener", install(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), EINVAL);
	int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV), p[2], status;
	if (fd < 0 && errno == EINVAL) return;
	CHECK(fd >= 0 && pipe(p) == 0);
	pid_t child = fork();
	if (child == 0) {
		struct sigaction sa = {.sa_handler = nothing};
		sigaction(SIGUSR1, &sa, NULL);
		close(fd);
		long r = ask(1);
		write(p[1], &r, sizeof r);
		ask(2);
		_exit(0);
	}
	close(p[1]);
	long r = 0;
	CHECK(receive(fd) == 0 && n.data.args[0] == 1 && kill(child, SIGUSR1) == 0 && reply(fd, 77) == 0);
	CHECK("a signal does not end a call that was received", read(p[0], &r, sizeof r) == sizeof r && r == 77);
	CHECK(receive(fd) == 0 && n.data.args[0] == 2 && kill(child, SIGKILL) == 0);
	CHECK("but what kills does", waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_ERRNO("it cannot be answered", reply(fd, 1), ENOENT);
	close(fd);
}

int main(int argc, char **argv)
{
	(void)argv;
	unsigned action = SECCOMP_RET_USER_NOTIF;
	if (argc > 1 || prctl(PR_GET_SECCOMP) != 0 || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return T_NOT_HERE;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	/* Each in a process of its own, since filters stay. */
	CHECK("files", STATUS_OF(t_failed = 0; files(); _exit(t_failed)) == 0);
	CHECK("signals", STATUS_OF(t_failed = 0; killable(); _exit(t_failed)) == 0);
	return t_end();
}
