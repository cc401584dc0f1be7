/* POSIX message queues: mq_overview(7). */
#include "t.h"
#include "asleep.h"

#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static char name[40], buf[8192];

static const char *get(mqd_t q)
{
	unsigned prio;
	static char out[100];
	ssize_t n = mq_receive(q, buf, sizeof buf, &prio);
	if (n < 0) return strerrorname_np(errno);
	snprintf(out, sizeof out, "%.*s %u", (int)n, buf, prio);
	return out;
}

#define IS(got, want) (strcmp((got), (want)) == 0)

static int status_of(int pid)
{
	int status;
	waitpid(pid, &status, 0);
	return status;
}

#define CHILD(...) ({ fflush(stdout); int t_child = fork(); if (t_child == 0) { __VA_ARGS__; _exit(0); } t_child; })

static void opening(void)
{
	struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 100};
	mqd_t q, r;
	CHECK_ERRNO("no such queue", mq_open(name, O_RDWR), ENOENT);
	CHECK_ERRNO("a slash inside", mq_open("/a/b", O_CREAT | O_RDWR, 0600, NULL), EACCES);
	CHECK_ERRNO("no name", syscall(SYS_mq_open, "", O_CREAT | O_RDWR, 0600, NULL), ENOENT);
	CHECK_ERRNO("a dot", syscall(SYS_mq_open, ".", O_CREAT | O_RDWR, 0600, NULL), EACCES);
	a.mq_maxmsg = 0;
	CHECK_ERRNO("for no messages", mq_open(name, O_CREAT | O_RDWR, 0600, &a), EINVAL);
	a.mq_maxmsg = 3;
	CHECK_ERRNO("attributes from nowhere", syscall(SYS_mq_open, name + 1, O_CREAT | O_RDWR, 0600, 8), EFAULT);
	umask(022);
	q = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0666, &a);
	CHECK("a new queue", q >= 0);
	CHECK_ERRNO("O_EXCL", mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a), EEXIST);
	CHECK("closed on exec", fcntl(q, F_GETFD) == FD_CLOEXEC);
	struct stat st;
	CHECK("a file", fstat(q, &st) == 0 && st.st_mode == (S_IFREG | 0644) && st.st_size == 80 && st.st_nlink == 1);
	CHECK("attributes", mq_getattr(q, &a) == 0 && a.mq_flags == 0 && a.mq_maxmsg == 3 && a.mq_msgsize == 100 && a.mq_curmsgs == 0);
	a.mq_flags = O_NONBLOCK;
	struct mq_attr old;
	CHECK("O_NONBLOCK", mq_setattr(q, &a, &old) == 0 && old.mq_flags == 0 && (fcntl(q, F_GETFL) & O_NONBLOCK));
	a.mq_flags = O_APPEND;
	CHECK_ERRNO("nothing else", mq_setattr(q, &a, NULL), EINVAL);
	r = mq_open(name, O_RDONLY);
	CHECK_ERRNO("not for sending", mq_send(r, "x", 1, 0), EBADF);
	mq_close(r);
	r = mq_open(name, O_WRONLY);
	CHECK_ERRNO("not for receiving", mq_receive(r, buf, sizeof buf, NULL), EBADF);
	mq_close(r);
	CHECK_ERRNO("no queue", mq_send(0, "x", 1, 0), EBADF);
	CHECK("mq_unlink", mq_unlink(name) == 0);
	CHECK_ERRNO("once", mq_unlink(name), ENOENT);
	CHECK("which is open still", mq_send(q, "x", 1, 0) == 0 && fstat(q, &st) == 0 && st.st_nlink == 0);
	mq_close(q);
	struct rlimit lim = {4096, 4096};
	CHECK("RLIMIT_MSGQUEUE", STATUS_OF(
		setrlimit(RLIMIT_MSGQUEUE, &lim);
		if (mq_open(name, O_CREAT | O_RDWR, 0600, NULL) != -1 || errno != EMFILE) _exit(1)) == 0);
}

static void messages(void)
{
	struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 20};
	mqd_t q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &a);
	struct pollfd p = {q, POLLIN | POLLOUT, 0};
	CHECK("poll of none", poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
	CHECK("nothing there", IS(get(q), "EAGAIN"));
	mq_send(q, "low", 3, 1);
	CHECK("poll of some", poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT));
	mq_send(q, "high", 4, 7);
	mq_send(q, "later", 5, 7);
	CHECK("poll of all", poll(&p, 1, 0) == 1 && p.revents == POLLIN);
	CHECK_ERRNO("full", mq_send(q, "x", 1, 0), EAGAIN);
	CHECK("by priority, then as they came", IS(get(q), "high 7") && IS(get(q), "later 7") && IS(get(q), "low 1"));
	CHECK_ERRNO("too long", mq_send(q, buf, 21, 0), EMSGSIZE);
	CHECK_ERRNO("room for less than may come", mq_receive(q, buf, 19, NULL), EMSGSIZE);
	CHECK_ERRNO("no such priority", mq_send(q, "x", 1, 32768), EINVAL);
	CHECK("the highest", mq_send(q, "", 0, 32767) == 0 && IS(get(q), " 32767"));
	CHECK_ERRNO("from nowhere", syscall(SYS_mq_timedsend, q, 8, 3, 0, NULL), EFAULT);
	struct timespec past = {1, 0}, bad = {1, -1};
	fcntl(q, F_SETFL, 0);
	CHECK_ERRNO("no time left", mq_timedreceive(q, buf, sizeof buf, NULL, &past), ETIMEDOUT);
	CHECK_ERRNO("no time", mq_timedreceive(q, buf, sizeof buf, NULL, &bad), EINVAL);

	int c = CHILD(_exit(IS(get(q), "woken 5") ? 0 : 1));
	asleep(c);
	mq_send(q, "woken", 5, 5);
	CHECK("a sleeper is woken", status_of(c) == 0);
	for (int i = 0; i < 3; i++) mq_send(q, "x", 1, 0);
	c = CHILD(_exit(mq_send(q, "four", 4, 9) ? 1 : 0));
	asleep(c);
	CHECK("a sender by room", IS(get(q), "x 0") && status_of(c) == 0 && IS(get(q), "four 9"));
	mq_close(q);
	mq_unlink(name);
}

static volatile int got, value;
static void notified(int sig, siginfo_t *info, void *context)
{
	(void)sig; (void)context;
	got += info->si_code == SI_MESGQ && info->si_pid == getpid();
	value = info->si_value.sival_int;
}

static void notification(void)
{
	mqd_t q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, NULL);
	struct sigaction sa = {.sa_sigaction = notified, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
	sigaction(SIGUSR1, &sa, NULL);
	CHECK("mq_notify", mq_notify(q, &ev) == 0);
	CHECK("one at a time", STATUS_OF(if (mq_notify(q, &ev) != -1 || errno != EBUSY) _exit(1)) == 0);
	mq_send(q, "a", 1, 0);
	CHECK("told", got == 1 && value == 77);
	mq_send(q, "b", 1, 0);
	CHECK("once", got == 1);
	mq_notify(q, &ev);
	mq_send(q, "c", 1, 0);
	CHECK("when it was empty only", got == 1);
	char line[100];
	int fd = dup(q);
	lseek(q, 0, SEEK_SET);
	CHECK("a line about it", read(fd, line, 99) > 40 && strncmp(line, "QSIZE:3 ", 8) == 0);
	mq_notify(q, &ev);
	close(fd);
	while (IS(get(q), "EAGAIN") == 0);
	mq_send(q, "d", 1, 0);
	CHECK("closing any descriptor ends it", got == 1);
	ev.sigev_signo = 99;
	CHECK_ERRNO("no such signal", syscall(SYS_mq_notify, q, &ev), EINVAL);
	ev.sigev_notify = 9;
	CHECK_ERRNO("no such way", syscall(SYS_mq_notify, q, &ev), EINVAL);
	CHECK("none is no error", mq_notify(q, NULL) == 0);
	mq_close(q);
	mq_unlink(name);
}

static void permissions(void)
{
	if (geteuid() != 0) return;
	mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0604, NULL);
	CHECK("others may what the mode says", STATUS_OF(
		struct mq_attr big = {.mq_maxmsg = 65536, .mq_msgsize = 8};
		if (setresgid(1234, 1234, 1234) || setresuid(1234, 1234, 1234)) _exit(100);
		if (mq_open(name, O_RDONLY) < 0) _exit(1);
		if (mq_open(name, O_RDWR) != -1 || errno != EACCES) _exit(2);
		if (mq_unlink(name) != -1 || (errno != EPERM && errno != EACCES)) _exit(3);
		if (mq_open("/vk-big", O_CREAT | O_RDWR, 0600, &big) != -1 || errno != EINVAL) _exit(4)) == 0);
	mq_close(q);
	mq_unlink(name);
}

int main(void)
{
	snprintf(name, sizeof name, "/vkernel-%d", getpid());
	opening();
	messages();
	notification();
	permissions();
	return t_end();
}
