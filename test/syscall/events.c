/* Waiting for events: poll, select, epoll, eventfd, timerfd, signalfd, inotify. */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>

static char buf[8192];

static long now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void polls(void)
{
	int p[2];
	pipe(p);
	struct pollfd f[3] = {{p[0], POLLIN, 9}, {-1, POLLIN, 9}, {77, POLLIN, 9}};
	CHECK("poll of a closed descriptor", poll(f, 3, 1000) == 1 && f[0].revents == 0 && f[1].revents == 0 && f[2].revents == POLLNVAL);
	write(p[1], "x", 1);
	CHECK("poll of a readable one", poll(f, 2, -1) == 1 && f[0].revents == POLLIN);
	int fd = open("/tmp", O_RDONLY);
	f[1].fd = fd;
	f[1].events = POLLIN | POLLOUT;
	CHECK("a directory is always ready", poll(f, 2, -1) == 2 && f[1].revents == (POLLIN | POLLOUT));
	fd_set r, w;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	CHECK("select", select(p[1] + 1, &r, &w, NULL, NULL) == 2 && FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	read(p[0], buf, 1);
	FD_ZERO(&w);
	struct timeval t = {0, 20000};
	long a = now_ms();
	CHECK("select times out", select(p[0] + 1, &r, NULL, NULL, &t) == 0 && !FD_ISSET(p[0], &r) && now_ms() - a >= 19);
	CHECK("and says that no time is left", t.tv_sec == 0 && t.tv_usec == 0);
	/* Below 64: Linux looks no further than the descriptor table has room for. */
	FD_SET(55, &r);
	CHECK_ERRNO("select of a closed descriptor", select(56, &r, NULL, NULL, &t), EBADF);
	CHECK_ERRNO("select of a negative count", select(-1, NULL, NULL, NULL, &t), EINVAL);
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void usr1(int sig) { (void)sig; }

static void masks(void)
{
	sigset_t block, open;
	sigemptyset(&open);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	signal(SIGUSR1, usr1);
	raise(SIGUSR1);
	struct timespec t = {5, 0};
	CHECK_ERRNO("ppoll lets a pending signal in", ppoll(NULL, 0, &t, &open), EINTR);
	raise(SIGUSR1);
	CHECK_ERRNO("pselect too", pselect(0, NULL, NULL, NULL, &t, &open), EINTR);
	raise(SIGUSR1);
	int ep = epoll_create1(0);
	struct epoll_event e;
	CHECK_ERRNO("epoll_pwait too", epoll_pwait(ep, &e, 1, 5000, &open), EINTR);
	sigset_t now;
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK("the mask is back afterwards", sigismember(&now, SIGUSR1));
	close(ep);
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static int wait_one(int ep, struct epoll_event *e, int ms)
{
	memset(e, 0, sizeof *e);
	return epoll_wait(ep, e, 1, ms);
}

static void epolls(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2];
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
	pipe(p);
	CHECK("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
	CHECK_ERRNO("add again", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e), EEXIST);
	CHECK_ERRNO("add itself", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e), EINVAL);
	CHECK_ERRNO("add a closed one", epoll_ctl(ep, EPOLL_CTL_ADD, 77, &e), EBADF);
	int fd = open("/tmp", O_RDONLY);
	CHECK_ERRNO("add a directory", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), EPERM);
	CHECK_ERRNO("modify one that is not there", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &e), ENOENT);
	CHECK_ERRNO("ctl on something else", epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e), EINVAL);
	CHECK_ERRNO("wait for none", epoll_wait(ep, &e, 0, 0), EINVAL);
	close(fd);
	CHECK("nothing yet", wait_one(ep, &e, 0) == 0);
	write(p[1], "ab", 2);
	CHECK("level: an event", wait_one(ep, &e, 1000) == 1 && e.events == EPOLLIN && e.data.u64 == 0x123456789abcdef0);
	CHECK("level: again", wait_one(ep, &e, 1000) == 1);
	read(p[0], buf, 9);
	CHECK("level: over", wait_one(ep, &e, 0) == 0);
	e.events = EPOLLIN | EPOLLET;
	CHECK("modify", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e) == 0);
	write(p[1], "a", 1);
	CHECK("edge: once", wait_one(ep, &e, 1000) == 1 && wait_one(ep, &e, 0) == 0);
	write(p[1], "b", 1);
	CHECK("edge: again with more", wait_one(ep, &e, 1000) == 1 && wait_one(ep, &e, 0) == 0);
	e.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	CHECK("one shot: once", wait_one(ep, &e, 1000) == 1 && wait_one(ep, &e, 0) == 0);
	write(p[1], "c", 1);
	CHECK("one shot: not again", wait_one(ep, &e, 0) == 0);
	e.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	CHECK("one shot: until it is set again", wait_one(ep, &e, 0) == 1);
	CHECK("delete", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0 && wait_one(ep, &e, 0) == 0);
	CHECK_ERRNO("delete again", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), ENOENT);
	e.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
	int outer = epoll_create1(0);
	CHECK("nested", epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e) == 0 && wait_one(outer, &e, 0) == 1);
	e.events = EPOLLIN;
	CHECK_ERRNO("a circle", epoll_ctl(ep, EPOLL_CTL_ADD, outer, &e), ELOOP);
	while (fcntl(p[0], F_SETFL, O_NONBLOCK), read(p[0], buf, 99) > 0);
	CHECK("nested and not ready", wait_one(outer, &e, 0) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		write(p[1], "x", 1);
		_exit(0);
	}
	long a = now_ms();
	CHECK("sleeps until it happens", wait_one(outer, &e, 5000) == 1 && now_ms() - a < 3000);
	waitpid(pid, NULL, 0);
	a = now_ms();
	read(p[0], buf, 9);
	CHECK("times out", wait_one(ep, &e, 25) == 0 && now_ms() - a >= 24);
	struct pollfd f = {ep, POLLIN, 0};
	write(p[1], "x", 1);
	CHECK("an epoll can be polled", poll(&f, 1, 1000) == 1 && f.revents == POLLIN);
	int copy = dup(p[0]);
	close(p[0]);
	CHECK("closing one of two descriptors", wait_one(ep, &e, 0) == 1);
	close(copy);
	CHECK("closing the last", wait_one(ep, &e, 0) == 0);
	close(p[1]);
	pipe(p);
	e.events = EPOLLOUT;
	epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e);
	close(p[0]);
	CHECK("EPOLLERR unasked", wait_one(ep, &e, 0) == 1 && e.events == (EPOLLOUT | EPOLLERR));
	close(p[1]);
	close(ep);
	close(outer);
}

static void counters(void)
{
	uint64_t v = 0;
	int fd = eventfd(3, EFD_NONBLOCK);
	CHECK("eventfd", read(fd, &v, 8) == 8 && v == 3);
	CHECK_ERRNO("empty", read(fd, &v, 8), EAGAIN);
	CHECK_ERRNO("a small buffer", read(fd, &v, 4), EINVAL);
	v = 0xfffffffffffffffe;
	CHECK("as full as can be", write(fd, &v, 8) == 8);
	v = 1;
	CHECK_ERRNO("full", write(fd, &v, 8), EAGAIN);
	struct pollfd f = {fd, POLLIN | POLLOUT, 0};
	CHECK("not writable then", poll(&f, 1, 0) == 1 && f.revents == POLLIN);
	CHECK("all comes out", read(fd, &v, 8) == 8 && v == 0xfffffffffffffffe);
	v = -1;
	CHECK_ERRNO("one number is too many", write(fd, &v, 8), EINVAL);
	close(fd);
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	CHECK("semaphore", read(fd, &v, 8) == 8 && v == 1 && read(fd, &v, 8) == 8 && v == 1 && read(fd, &v, 8) == -1);
	close(fd);
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec t = {{0, 10000000}, {0, 15000000}}, left;
	CHECK_ERRNO("timerfd before it is set", read(fd, &v, 8), EAGAIN);
	CHECK("set", timerfd_settime(fd, 0, &t, NULL) == 0);
	CHECK("time left", timerfd_gettime(fd, &left) == 0 && left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 15000000 && left.it_interval.tv_nsec == 10000000);
	f.fd = fd;
	f.events = POLLIN;
	CHECK("expires", poll(&f, 1, 2000) == 1 && read(fd, &v, 8) == 8 && v >= 1);
	usleep(35000);
	CHECK("counts", read(fd, &v, 8) == 8 && v >= 2);
	memset(&t, 0, sizeof t);
	CHECK("disarms", timerfd_settime(fd, 0, &t, &left) == 0 && left.it_interval.tv_nsec == 10000000 && read(fd, &v, 8) == -1);
	t.it_value.tv_nsec = 1;
	CHECK("an absolute time gone by", timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0 && poll(&f, 1, 1000) == 1);
	t.it_value.tv_nsec = 1000000000;
	CHECK_ERRNO("a bad time", timerfd_settime(fd, 0, &t, NULL), EINVAL);
	close(fd);
	CHECK_ERRNO("a bad clock", timerfd_create(77, 0), EINVAL);
}

static void signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_NONBLOCK);
	struct signalfd_siginfo s;
	CHECK_ERRNO("signalfd without signals", read(fd, &s, sizeof s), EAGAIN);
	kill(getpid(), SIGUSR2);
	struct pollfd f = {fd, POLLIN, 0};
	CHECK("is readable", poll(&f, 1, 0) == 1);
	CHECK("gives the signal", read(fd, &s, sizeof s) == 128 && s.ssi_signo == SIGUSR2 && (pid_t)s.ssi_pid == getpid());
	union sigval value = {.sival_int = 42};
	sigqueue(getpid(), SIGRTMIN + 1, value);
	sigqueue(getpid(), SIGRTMIN + 1, value);
	CHECK("queued ones with their value", read(fd, buf, sizeof buf) == 256 && ((struct signalfd_siginfo *)buf)->ssi_int == 42);
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int in_fd;

static int next_event(struct inotify_event *out, char *name)
{
	static char queue[4096] __attribute__((aligned(8)));
	static int have, at;
	if (at >= have) {
		have = read(in_fd, queue, sizeof queue);
		at = 0;
		if (have <= 0) return 0;
	}
	struct inotify_event *e = (void *)(queue + at);
	*out = *e;
	strcpy(name, e->len ? e->name : "");
	at += sizeof *e + e->len;
	return 1;
}

static int expect(unsigned mask, const char *name)
{
	struct inotify_event e;
	char got[256];
	return next_event(&e, got) && e.mask == mask && !strcmp(got, name);
}

static void watching(void)
{
	char dir[] = "/tmp/watch.XXXXXX";
	mkdtemp(dir);
	chdir(dir);
	in_fd = inotify_init1(IN_NONBLOCK);
	int wd = inotify_add_watch(in_fd, ".", IN_ALL_EVENTS & ~IN_ACCESS & ~IN_OPEN & ~IN_CLOSE_NOWRITE);
	CHECK("watch a directory", wd == 1);
	int fd = open("f", O_CREAT | O_WRONLY, 0600);
	CHECK("IN_CREATE", expect(IN_CREATE, "f"));
	write(fd, "x", 1);
	CHECK("IN_MODIFY", expect(IN_MODIFY, "f"));
	close(fd);
	CHECK("IN_CLOSE_WRITE", expect(IN_CLOSE_WRITE, "f"));
	chmod("f", 0644);
	CHECK("IN_ATTRIB", expect(IN_ATTRIB, "f"));
	rename("f", "g");
	struct inotify_event a, b;
	char name[256];
	CHECK("IN_MOVED_FROM", next_event(&a, name) && a.mask == IN_MOVED_FROM && !strcmp(name, "f"));
	CHECK("IN_MOVED_TO", next_event(&b, name) && b.mask == IN_MOVED_TO && !strcmp(name, "g") && a.cookie == b.cookie);
	mkdir("d", 0700);
	CHECK("IN_CREATE of a directory", expect(IN_CREATE | IN_ISDIR, "d"));
	rmdir("d");
	CHECK("IN_DELETE of a directory", expect(IN_DELETE | IN_ISDIR, "d"));
	int wf = inotify_add_watch(in_fd, "g", IN_DELETE_SELF | IN_ATTRIB);
	CHECK("watch a file", wf == 2);
	unlink("g");
	CHECK("IN_ATTRIB for the link count", next_event(&a, name) && a.mask == IN_ATTRIB && a.wd == wf);
	CHECK("IN_DELETE_SELF", next_event(&a, name) && a.mask == IN_DELETE_SELF && a.wd == wf);
	CHECK("IN_IGNORED", next_event(&a, name) && a.mask == IN_IGNORED && a.wd == wf);
	CHECK("IN_DELETE", expect(IN_DELETE, "g"));
	CHECK_ERRNO("nothing more", read(in_fd, buf, sizeof buf), EAGAIN);
	CHECK("remove the watch", inotify_rm_watch(in_fd, wd) == 0 && expect(IN_IGNORED, ""));
	CHECK_ERRNO("twice", inotify_rm_watch(in_fd, wd), EINVAL);
	CHECK_ERRNO("watch nothing", inotify_add_watch(in_fd, "none", IN_CREATE), ENOENT);
	close(in_fd);
	chdir("/");
	rmdir(dir);
}

int main(void)
{
	polls();
	masks();
	epolls();
	counters();
	signals();
	watching();
	return t_end();
}
