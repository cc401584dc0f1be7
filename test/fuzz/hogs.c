/*
 * Programs that take all they can get of one thing, from many processes.
 * usage: hogs WHAT [seconds]; prints how the last try ended, and "alive" from
 * the parent each time it could run. Guest only: a host would suffer.
 */
#include "hogaio.h"
#include "hogfiles.h"
#include "hogmemory.h"
#include "hogsockets.h"

static void raise_limits(void)
{
	struct rlimit r = {1 << 20, 1 << 20};
	while (setrlimit(RLIMIT_NOFILE, &r) < 0 && r.rlim_cur > 64) r.rlim_cur = r.rlim_max = r.rlim_max / 2;
	r.rlim_cur = r.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_SIGPENDING, &r);
	setrlimit(RLIMIT_NPROC, &r);
	setrlimit(RLIMIT_STACK, &r);
}

static void pipes(void)
{
	static char block[65536];
	for (;;) {
		int fds[2];
		if (!tried(pipe2(fds, O_NONBLOCK), "pipe")) return;
		fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
		while (write(fds[1], block, sizeof block) > 0);
	}
}

static void descriptors(void)
{
	while (tried(open("/dev/null", O_RDONLY), "open"));
}

static void eventfds(void)
{
	while (tried(eventfd(0, 0), "eventfd"));
}

static void epolls(void)
{
	int fds[1000];
	int n = 0;
	while (n < 1000 && (fds[n] = eventfd(0, 0)) >= 0) n++;
	for (;;) {
		int ep = epoll_create1(0);
		if (!tried(ep, "epoll_create")) return;
		struct epoll_event e = {EPOLLIN, {0}};
		for (int i = 0; i < n; i++) if (!tried(epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], &e), "epoll_ctl")) return;
	}
}

static void timers(void)
{
	struct sigevent e = {.sigev_notify = SIGEV_NONE};
	timer_t t;
	while (tried(timer_create(CLOCK_MONOTONIC, &e, &t), "timer_create"));
}

static void timerfds(void)
{
	struct itimerspec s = {{1, 0}, {100000, 0}};
	for (;;) {
		int fd = timerfd_create(CLOCK_MONOTONIC, 0);
		if (!tried(fd, "timerfd_create")) return;
		timerfd_settime(fd, 0, &s, 0);
	}
}

static void signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, 0);
	union sigval v = {0};
	while (tried(sigqueue(getpid(), SIGRTMIN, v), "sigqueue"));
}

static void *idle(void *arg)
{
	pause();
	return arg;
}

static void threads(void)
{
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16384);
	pthread_t t;
	for (;;) {
		errno = pthread_create(&t, &a, idle, 0);
		if (!tried(errno ? -1 : 0, "pthread_create")) return;
	}
}

static void forks(void)
{
	for (;;) {
		pid_t p = fork();
		if (p == 0) continue;
		if (!tried(p, "fork")) return;
	}
}

static void *poller(void *arg)
{
	static struct pollfd fds[4000];
	for (int i = 0; i < 4000; i++) fds[i] = (struct pollfd){i + 3, POLLIN, 0};
	poll(fds, 4000, -1);
	return arg;
}

static void polls(void)
{
	for (int i = 0; i < 4000; i++) if (eventfd(0, 0) < 0) break;
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 16384);
	pthread_t t;
	for (;;) {
		errno = pthread_create(&t, &a, poller, 0);
		if (!tried(errno ? -1 : 0, "pthread_create")) return;
	}
}

static void groups(void)
{
	static gid_t list[65536];
	for (int i = 0; i < 65536; i++) list[i] = i;
	tried(syscall(SYS_setgroups, 65536, list), "setgroups");
}

static void argv(void)
{
	char **list = malloc(sizeof *list * 100001);
	for (int i = 0; i < 100000; i++) list[i] = "0123456789";
	list[100000] = 0;
	tried(execv("/proc/self/exe", list), "execv");
	static char big[140000];
	memset(big, 'x', sizeof big - 1);
	char *two[] = {"hogs", big, 0};
	tried(execv("/proc/self/exe", two), "execv");
}

static void ptys(void)
{
	static char block[4096];
	for (;;) {
		int fd = open("/dev/ptmx", O_RDWR | O_NONBLOCK | O_NOCTTY);
		if (!tried(fd, "ptmx")) return;
		for (int i = 0; i < 40 && write(fd, block, sizeof block) > 0; i++);
	}
}

static void kmsg(void)
{
	static char line[900];
	memset(line, 'k', sizeof line);
	int fd = open("/dev/kmsg", O_WRONLY);
	for (long i = 0; i < 200000; i++) if (!tried(write(fd, line, sizeof line), "write")) return;
}

static void iovecs(void)
{
	static struct iovec v[1024];
	for (int i = 0; i < 1024; i++) v[i] = (struct iovec){(void *)0x10000, 1UL << 40};
	int fds[2];
	pipe2(fds, O_NONBLOCK);
	tried(writev(fds[1], v, 1024), "writev");
	tried(readv(open("/dev/zero", 0), v, 1024), "readv");
	tried(preadv(open("/proc/self/exe", 0), v, 1024, 0), "preadv");
	tried(writev(open("/dev/null", 1), v, 1023), "writev");
}

static const struct { const char *name; void (*run)(void); int processes; } hogs[] = {
	{"anon", anon, 1}, {"pagetables", pagetables, 4}, {"zeropages", zeropages, 4}, {"tmpfs", tmpfs_bytes, 2}, {"memfds", memfds, 2},
	{"sparse", sparse, 1}, {"files", files, 2}, {"links", links, 2}, {"negative", negative, 2}, {"deep", deep, 1},
	{"xattrs", xattrs, 2}, {"pipes", pipes, 400}, {"sockets", sockets, 40}, {"descriptors", descriptors, 400}, {"eventfds", eventfds, 400},
	{"epolls", epolls, 100}, {"inotifies", inotifies, 20}, {"fanotifies", fanotifies, 20}, {"locks", locks, 10}, {"timers", timers, 400}, {"timerfds", timerfds, 400},
	{"signals", signals, 1000}, {"maps", maps, 400}, {"mapsread", maps_read, 2}, {"mounts", mounts, 1}, {"nested", nested_mounts, 1},
	{"threads", threads, 4}, {"forks", forks, 1}, {"polls", polls, 4}, {"groups", groups, 1000}, {"argv", argv, 2}, {"ptys", ptys, 4},
	{"kmsg", kmsg, 2}, {"iovecs", iovecs, 2}, {"datagrams", datagrams, 10}, {"tcp", tcp_connections, 10}, {"tcpcalls", tcp_calls, 10},
	{"aios", aios, 20}, {"urgent", urgent, 20},
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#define LEAST_TICKS 5

int main(int argc, char **argv_)
{
	const char *what = argc > 1 ? argv_[1] : "";
	double seconds = argc > 2 ? atof(argv_[2]) : 5;
	for (unsigned h = 0; h < sizeof hogs / sizeof *hogs; h++) {
		if (strcmp(hogs[h].name, what)) continue;
		raise_limits();
		int report[2];
		pipe(report);
		for (int i = 0; i < hogs[h].processes; i++) {
			pid_t pid = fork();
			if (pid < 0) break;
			if (pid > 0) continue;
			setpgid(0, 0);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			hogs[h].run();
			char line[200];
			int n = sprintf(line, "%s: %ld, then %s: %s\n", what, done, failed_at, strerror(last_errno));
			write(report[1], line, n);
			for (;;) pause();
		}
		fcntl(report[0], F_SETFL, O_NONBLOCK);
		double start = now(), longest = 0, last = start;
		int ticks = 0;
		/* However busy the host, the others must let it have its turns in the end. */
		while (now() - start < seconds || ticks < LEAST_TICKS) {
			usleep(20000);
			ticks++;
			if (now() - last > longest) longest = now() - last;
			last = now();
		}
		static char text[100000];
		int n = read(report[0], text, sizeof text - 1);
		char *end = n > 0 ? strchr(text, '\n') : 0;
		if (end) *end = 0;
		/* Everybody but this process. */
		kill(-1, SIGKILL);
		while (wait(0) > 0);
		printf("%s; %d ticks, longest %.0f ms\n", end ? text : "no report", ticks, longest * 1e3);
		return 0;
	}
	return 2;
}
