/* seccomp's user notification: a parent answers what its child asks. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "seccompnotify.h"
#include "t.h"

static long install(unsigned flags) { return notify_of(SYS_dup3, flags); }

static void nothing(int sig)
{
	(void)sig;
}

static long ask(long a)
{
	errno = 0;
	long r = syscall(SYS_dup3, a, 0x1122334455l, 0);
	return r == -1 ? -errno : r;
}

static int events(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	poll(&p, 1, 0);
	return p.revents;
}

static struct seccomp_notif n;

static long reply(int fd, uint64_t id, long val, int error, unsigned flags)
{
	struct seccomp_notif_resp r = {id, val, error, flags};
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

static int receive(int fd)
{
	memset(&n, 0, sizeof n);
	return ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n);
}

int main(void)
{
	unsigned action = SECCOMP_RET_USER_NOTIF;
	if (prctl(PR_GET_SECCOMP) != 0 || syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return T_NOT_HERE;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_ERRNO("TSYNC and a listener", install(SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER), EINVAL);
	int fd = install(SECCOMP_FILTER_FLAG_NEW_LISTENER);
	CHECK("a listener", fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK_ERRNO("one is enough", install(SECCOMP_FILTER_FLAG_NEW_LISTENER), EBUSY);
	CHECK("nothing asked", events(fd) == 0);
	int p[2];
	CHECK(pipe(p) == 0);
	pid_t child = fork();
	if (child == 0) {
		long r[4];
		/* Not by close-on-exec: the parent's end is to be the only one. */
		struct sigaction sa = {.sa_handler = nothing};
		sigaction(SIGUSR1, &sa, NULL);
		sa.sa_flags = SA_RESTART;
		sigaction(SIGUSR2, &sa, NULL);
		close(fd);
		r[0] = ask(1);
		r[1] = ask(2);
		r[2] = ask(3);
		r[3] = ask(4);
		write(p[1], r, sizeof r);
		_exit(ask(5) == -ENOSYS ? 23 : 24);
	}
	n.pid = 1;
	CHECK_ERRNO("only zeroes are filled", ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n), EINVAL);
	CHECK_ERRNO("unknown ioctl", ioctl(fd, _IOWR('!', 99, int), &n), EINVAL);
	CHECK("the first", receive(fd) == 0 && n.pid == (unsigned)child && n.data.nr == SYS_dup3 && n.data.args[0] == 1 &&
	      n.data.args[1] == 0x1122334455l && n.flags == 0);
	CHECK("can be answered", events(fd) == POLLOUT);
	uint64_t id = n.id, wrong = n.id + 77;
	CHECK("is valid", ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0);
	CHECK_ERRNO("another is not", ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &wrong), ENOENT);
	CHECK_ERRNO("nor can be answered", reply(fd, wrong, 0, 0, 0), ENOENT);
	CHECK_ERRNO("unknown flags", reply(fd, id, 0, 0, 2), EINVAL);
	CHECK_ERRNO("go on, and a value", reply(fd, id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE), EINVAL);
	CHECK("a value", reply(fd, id, 1234567, 0, 0) == 0);
	CHECK("the second", receive(fd) == 0 && n.data.args[0] == 2);
	CHECK_ERRNO("the first is over", reply(fd, id, 0, 0, 0), ENOENT);
	CHECK("an error", reply(fd, n.id, 0, -EXDEV, 0) == 0);
	CHECK("the third", receive(fd) == 0 && n.data.args[0] == 3);
	id = n.id;
	CHECK("a signal restarts it", kill(child, SIGUSR2) == 0 && receive(fd) == 0 && n.data.args[0] == 3 && n.id != id);
	CHECK("go on", reply(fd, n.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE) == 0);
	CHECK("the fourth", receive(fd) == 0 && n.data.args[0] == 4);
	CHECK("a signal ends it", kill(child, SIGUSR1) == 0);
	long r[4] = {0};
	CHECK(read(p[0], r, sizeof r) == sizeof r);
	CHECK("the child saw all that", r[0] == 1234567 && r[1] == -EXDEV && r[2] == -EBADF && r[3] == -EINTR);
	CHECK("the fifth", receive(fd) == 0 && n.data.args[0] == 5);
	close(fd);
	int status;
	CHECK("nobody answers any more", waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 23);
	return t_end();
}
