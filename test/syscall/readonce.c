/* A call that waits has read its arguments: what another thread writes there meanwhile is too late. */
#include "t.h"
#include "sleeper.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int fds[2];
static long result;
static int error;
static char one[4], two[4];
static struct iovec iov[2];
static char *page;
static struct flock lock;
static sigset_t set;
static char big[70000];

static void *reads(void *arg) { (void)arg; sleeper_ready(); result = readv(fds[0], iov, 2); return NULL; }
static void *writes(void *arg) { (void)arg; sleeper_ready(); result = writev(fds[1], iov, 2); return NULL; }
static void *locks(void *arg) { (void)arg; sleeper_ready(); result = fcntl(fds[0], F_SETLKW, &lock); return NULL; }

static void *waits(void *arg)
{
	(void)arg;
	siginfo_t info;
	struct timespec most = { .tv_sec = 5 };
	sleeper_ready();
	result = syscall(SYS_rt_sigtimedwait, &set, &info, &most, 8);
	error = errno;
	return NULL;
}

static void *polls(void *arg)
{
	(void)arg;
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	sleeper_ready();
	result = syscall(SYS_ppoll, &p, 1, NULL, page, 8);
	error = errno;
	return NULL;
}

static void on_signal(int sig) { (void)sig; }

int main(void)
{
	pthread_t t;

	CHECK(pipe(fds) == 0);
	iov[0] = (struct iovec){ one, 2 };
	iov[1] = (struct iovec){ two, 2 };
	sleeper_start(&t, reads);
	iov[0] = (struct iovec){ NULL, 1000 };
	iov[1].iov_len = 0;
	CHECK(write(fds[1], "abcd", 4) == 4);
	pthread_join(t, NULL);
	CHECK("readv", result == 4 && memcmp(one, "ab", 2) == 0 && memcmp(two, "cd", 2) == 0);

	iov[0] = (struct iovec){ big, sizeof big };
	iov[1] = (struct iovec){ "xy", 2 };
	sleeper_start(&t, writes);
	iov[0].iov_len = 1;
	iov[1].iov_len = 0;
	long got = 0;
	while (got < (long)sizeof big + 2) {
		static char sink[70002];
		long n = read(fds[0], sink, sizeof sink);
		CHECK(n > 0);
		got += n;
	}
	pthread_join(t, NULL);
	CHECK("writev", result == (long)sizeof big + 2);

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGUSR1, on_signal);
	sigset_t none, usr1;
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	memcpy(page, &usr1, 8);
	sleeper_start(&t, polls);
	memcpy(page, &none, 8);
	CHECK(pthread_kill(t, SIGUSR1) == 0);
	usleep(20000);
	CHECK(munmap(page, 4096) == 0);
	CHECK(write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("ppoll's mask", result == 1);

	sigset_t rt;
	sigemptyset(&rt);
	sigaddset(&rt, SIGRTMIN);
	sigaddset(&rt, SIGRTMIN + 1);
	CHECK(pthread_sigmask(SIG_BLOCK, &rt, NULL) == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sleeper_start(&t, waits);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK(pthread_kill(t, SIGRTMIN) == 0);
	usleep(20000);
	CHECK(pthread_kill(t, SIGRTMIN + 1) == 0);
	pthread_join(t, NULL);
	CHECK("sigtimedwait's set", result == SIGRTMIN + 1);

	char name[64];
	snprintf(name, sizeof name, "/tmp/readonce.%d", getpid());
	close(fds[0]);
	CHECK((fds[0] = open(name, O_RDWR | O_CREAT, 0600)) >= 0 && unlink(name) == 0);
	int ready[2], go[2];
	CHECK(pipe(ready) == 0 && pipe(go) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		struct flock l = { .l_type = F_WRLCK, .l_start = 0, .l_len = 10 };
		fcntl(fds[0], F_SETLK, &l);
		write(ready[1], "x", 1);
		read(go[0], &c, 1);
		_exit(0);
	}
	char c;
	CHECK(read(ready[0], &c, 1) == 1);
	lock = (struct flock){ .l_type = F_WRLCK, .l_start = 5, .l_len = 10 };
	sleeper_start(&t, locks);
	lock = (struct flock){ .l_type = F_WRLCK, .l_start = 100, .l_len = 1 };
	CHECK(write(go[1], "x", 1) == 1);
	pthread_join(t, NULL);
	CHECK(waitpid(pid, NULL, 0) == pid);
	int st = STATUS_OF({
		struct flock l = { .l_type = F_WRLCK, .l_start = 0, .l_len = 0 };
		_exit(fcntl(fds[0], F_GETLK, &l) == 0 && l.l_start == 5 && l.l_len == 10 ? 0 : 1);
	});
	CHECK("a lock", result == 0 && st == 0);
	return t_end();
}
