/*
 * Programs that take all they can get of one thing, from many processes.
 * usage: hogs WHAT [seconds]; prints how the last try ended, and "alive" from
 * the parent each time it could run. Guest only: a host would suffer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static long done;
static const char *failed_at = "nothing";
static int last_errno;

static int tried(long r, const char *what)
{
	if (r >= 0) {
		done++;
		return 1;
	}
	failed_at = what;
	last_errno = errno;
	return 0;
}

static void raise_limits(void)
{
	struct rlimit r = {1 << 20, 1 << 20};
	while (setrlimit(RLIMIT_NOFILE, &r) < 0 && r.rlim_cur > 64) r.rlim_cur = r.rlim_max = r.rlim_max / 2;
	r.rlim_cur = r.rlim_max = RLIM_INFINITY;
	setrlimit(RLIMIT_SIGPENDING, &r);
	setrlimit(RLIMIT_NPROC, &r);
	setrlimit(RLIMIT_STACK, &r);
}

static void anon(void)
{
	for (;;) {
		char *p = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
		memset(p, 1, 1 << 20);
	}
}

static void pagetables(void)
{
	char *p = mmap(0, 1UL << 37, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
	for (unsigned long i = 0; i < 1UL << 37; i += 1 << 22) p[i] = 1, done++;
}

static void zeropages(void)
{
	volatile char *p = mmap(0, 1UL << 37, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
	for (unsigned long i = 0; i < 1UL << 37; i += 1 << 12) (void)p[i], done++;
}

static void tmpfs_bytes(void)
{
	static char block[65536];
	for (int n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/big%d.%d", getpid(), n);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		for (int i = 0; i < 64; i++) if (!tried(write(fd, block, sizeof block), "write")) return;
		close(fd);
	}
}

static void memfds(void)
{
	static char block[65536];
	for (;;) {
		int fd = memfd_create("m", 0);
		if (!tried(fd, "memfd_create")) return;
		if (!tried(write(fd, block, sizeof block), "write")) return;
	}
}

static void sparse(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (!tried(fd, "open")) return;
	for (long i = 0;; i++) if (!tried(pwrite(fd, "x", 1, i << 24), "pwrite")) return;
}

static void files(void)
{
	for (long n = 0;; n++) {
		char name[300];
		sprintf(name, "/tmp/%d.%ld.%0200ld", getpid(), n, n);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		close(fd);
	}
}

static void links(void)
{
	char first[64];
	sprintf(first, "/tmp/%d", getpid());
	close(open(first, O_CREAT | O_RDWR, 0600));
	for (long n = 0;; n++) {
		char name[300];
		sprintf(name, "/tmp/%d.%ld.%0200ld", getpid(), n, n);
		if (link(first, name) == 0) { done++; continue; }
		if (errno != EMLINK) { tried(-1, "link"); return; }
		strcpy(first, name);
		strcat(first, "x");
		if (!tried(open(first, O_CREAT | O_RDWR, 0600), "open")) return;
	}
}

static void negative(void)
{
	for (long n = 0; n < 3000000; n++) {
		char name[300];
		sprintf(name, "/tmp/no%d.%ld.%0200ld", getpid(), n, n);
		access(name, F_OK);
		done++;
	}
}

static void deep(void)
{
	chdir("/tmp");
	for (;;) {
		if (!tried(mkdir("d", 0700), "mkdir") && errno != EEXIST) return;
		if (!tried(chdir("d"), "chdir")) return;
	}
}

static void xattrs(void)
{
	static char value[60000];
	for (long n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/x%d.%ld", getpid(), n);
		close(open(name, O_CREAT | O_RDWR, 0600));
		if (!tried(setxattr(name, "trusted.x", value, sizeof value, 0), "setxattr")) return;
	}
}

/* Full of bytes, of messages, of sockets on their way that hold each other. */
static void sockets(void)
{
	static char block[65536], control[CMSG_SPACE(4)];
	for (int type = SOCK_STREAM;; type = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM) {
		int s[2];
		if (!tried(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s), "socketpair")) return;
		struct iovec iov = {block, 1};
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *c = (void *)control;
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		for (int i = 0; i < 50; i++) {
			memcpy(CMSG_DATA(c), &s[i & 1], 4);
			if (!tried(sendmsg(s[0], &m, 0), "sendmsg")) return;
		}
		while (write(s[0], block, sizeof block) > 0) ;
		while (write(s[1], "x", 1) > 0) ;
		if (errno != EAGAIN) {
			tried(-1, "write");
			return;
		}
		if (done % 3 == 0) {
			close(s[0]);
			close(s[1]);
		}
	}
}

/* Datagrams that nobody reads, small ones first, and one of many that stays; groups; errors that nobody asks for. */
static void datagrams(void)
{
	static char block[60000];
	int most = 1 << 30, one = 1;
	struct sockaddr_in drop = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int k = 0;; k++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t length = sizeof a;
		int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (!tried(s, "socket")) return;
		if (!tried(bind(s, (void *)&a, sizeof a), "bind")) return;
		setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &most, sizeof most);
		setsockopt(s, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
		getsockname(s, (void *)&a, &length);
		for (int i = 0; i < 3000; i++) {
			if (sendto(s, block, k % 3 == 2 ? sizeof block : 1, 0, (void *)&a, sizeof a) < 0) break;
			for (int j = 0; k % 3 == 1 && j < 4; j++) sendto(s, block, 1, 0, (void *)&drop, sizeof drop);
		}
		for (int i = 0; i < 100; i++) {
			struct ip_mreqn r = {.imr_multiaddr.s_addr = htonl(0xef000001 + i), .imr_ifindex = 1};
			if (setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r) < 0) break;
		}
		sendto(s, block, sizeof block, MSG_MORE, (void *)&a, sizeof a);
	}
}

/* Connections that nobody reads from, full in both directions; bytes one by one on every second. */
static void tcp_connections(void)
{
	static char block[65536];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	bind(l, (void *)&a, sizeof a);
	getsockname(l, (void *)&a, &length);
	if (!tried(listen(l, 100), "listen")) return;
	for (;;) {
		int s[2] = {socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), -1};
		if (!tried(s[0], "socket")) return;
		if (connect(s[0], (void *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
			tried(-1, "connect");
			return;
		}
		/* Some wait to be accepted for ever. */
		if (done % 5 != 0 && (s[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0) {
			tried(-1, "accept");
			return;
		}
		for (int i = 0; i < 2; i++) {
			if (done % 2 == 0) {
				while (write(s[i], block, sizeof block) > 0) ;
				continue;
			}
			setsockopt(s[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			for (int k = 0; k < 2000 && write(s[i], block, 1) > 0; k++) ;
		}
	}
}

/* Calls that nobody takes, from ports that are let go and taken again; what is left of many short ones. */
static void tcp_calls(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof a;
	struct linger linger = {1, 0};
	int l = socket(AF_INET, SOCK_STREAM, 0);
	bind(l, (void *)&a, sizeof a);
	getsockname(l, (void *)&a, &length);
	if (!tried(listen(l, 4096), "listen")) return;
	for (;;) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (!tried(s, "socket")) return;
		connect(s, (void *)&a, sizeof a);
		write(s, "?", 1);
		if (done % 3 == 0) setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
		if (done % 3 != 1) close(s);
	}
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

static void inotifies(void)
{
	for (int i = 0; i < 200; i++) {
		char name[64];
		sprintf(name, "/tmp/i%d", i);
		mkdir(name, 0700);
	}
	for (;;) {
		int in = inotify_init1(IN_NONBLOCK);
		if (!tried(in, "inotify_init")) return;
		for (int i = 0; i < 200; i++) {
			char name[64];
			sprintf(name, "/tmp/i%d", i);
			if (!tried(inotify_add_watch(in, name, IN_ALL_EVENTS), "inotify_add_watch")) return;
		}
		for (int i = 0; i < 200; i++) {
			char name[300];
			sprintf(name, "/tmp/i0/%0200d", i);
			int fd = open(name, O_CREAT | O_RDWR, 0600);
			if (fd >= 0) close(fd);
			unlink(name);
		}
	}
}

static void locks(void)
{
	for (int f = 0;; f++) {
		char name[64];
		sprintf(name, "/tmp/l%d.%d", getpid(), f);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		for (long i = 0; i < 50000; i++) {
			struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * i, .l_len = 1};
			if (!tried(fcntl(fd, F_SETLK, &l), "lock")) return;
		}
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

static void maps(void)
{
	char *p = mmap(0, 1UL << 30, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (long i = 0; i < 1 << 18; i += 2) if (!tried(mprotect(p + i * 4096, 4096, 1), "mprotect")) return;
}

static void maps_read(void)
{
	static char b[64];
	maps();
	for (;;) {
		int fd = open("/proc/self/smaps", O_RDONLY);
		if (!tried(fd, "open")) return;
		read(fd, b, sizeof b);
	}
}

static void mounts(void)
{
	for (int n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/m%d", n % 50);
		mkdir(name, 0700);
		if (!tried(mount("none", name, "tmpfs", 0, ""), "mount")) break;
	}
	umount2("/tmp", MNT_DETACH);
}

static void nested_mounts(void)
{
	chdir("/tmp");
	for (int n = 0;; n++) {
		if (!tried(mount("none", ".", "tmpfs", 0, ""), "mount")) break;
		mkdir("d", 0700);
		if (!tried(chdir("/tmp"), "chdir")) break;
	}
	chdir("/");
	umount2("/tmp", MNT_DETACH);
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
	{"epolls", epolls, 100}, {"inotifies", inotifies, 20}, {"locks", locks, 10}, {"timers", timers, 400}, {"timerfds", timerfds, 400},
	{"signals", signals, 1000}, {"maps", maps, 400}, {"mapsread", maps_read, 2}, {"mounts", mounts, 1}, {"nested", nested_mounts, 1},
	{"threads", threads, 4}, {"forks", forks, 1}, {"polls", polls, 4}, {"groups", groups, 1000}, {"argv", argv, 2}, {"ptys", ptys, 4},
	{"kmsg", kmsg, 2}, {"iovecs", iovecs, 2}, {"datagrams", datagrams, 10}, {"tcp", tcp_connections, 10}, {"tcpcalls", tcp_calls, 10},
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
