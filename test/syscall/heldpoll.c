/*
 * poll and select keep the files alive that they wait for, but look each
 * descriptor up again when they wake; waitid stays with the process its pidfd
 * named; open stays with the FIFO its path named. See poll(2), select(2),
 * waitid(2), fifo(7).
 */
#include "t.h"
#include "sleeper.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/stat.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int fds[2], other[2];
static struct pollfd asked;
static fd_set set;
static long result;
static int number, timeout_ms, pidfd;
static siginfo_t info;
static char path[64];

static void *poller(void *arg)
{
	(void)arg;
	sleeper_ready();
	result = poll(&asked, 1, timeout_ms);
	return NULL;
}

static void *selector(void *arg)
{
	(void)arg;
	sleeper_ready();
	struct timeval left = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	result = select(number + 1, &set, NULL, NULL, &left);
	return NULL;
}

static void *waiter(void *arg)
{
	(void)arg;
	sleeper_ready();
	result = waitid(P_PIDFD, pidfd, &info, WEXITED);
	return NULL;
}

static void *opener(void *arg)
{
	(void)arg;
	sleeper_ready();
	result = open(path, O_RDONLY);
	return NULL;
}

static void start_poll(pthread_t *t, int ms)
{
	CHECK(pipe(fds) == 0 && pipe(other) == 0);
	asked = (struct pollfd){ .fd = fds[0], .events = POLLIN, .revents = 0x55 };
	timeout_ms = ms;
	sleeper_start(t, poller);
}

static void start_select(pthread_t *t, int ms)
{
	CHECK(pipe(fds) == 0 && pipe(other) == 0);
	number = fds[0];
	FD_ZERO(&set);
	FD_SET(number, &set);
	timeout_ms = ms;
	sleeper_start(t, selector);
}

static void done(void)
{
	close(fds[0]), close(fds[1]), close(other[0]), close(other[1]);
}

static pid_t child_that_reads(int fd)
{
	pid_t pid = fork();
	if (pid == 0) {
		char c;
		_exit(read(fd, &c, 1) == 1 ? c : 99);
	}
	return pid;
}

int main(void)
{
	pthread_t t;
	char c;

	signal(SIGPIPE, SIG_IGN);
	start_poll(&t, 5000);
	CHECK(close(fds[0]) == 0);
	CHECK("a poller keeps its end of the pipe open", write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("poll finds that the descriptor names nothing", result == 1 && asked.revents == POLLNVAL);
	CHECK_ERRNO("with poll over nobody has it open", write(fds[1], "b", 1), EPIPE);
	done();

	start_poll(&t, 1000);
	CHECK(dup2(other[0], fds[0]) == fds[0]);
	CHECK("the pipe that was replaced lives on", write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("poll looks at what the descriptor names now: nothing there",
	      result == 0 && asked.revents == 0);
	done();

	start_poll(&t, 1000);
	CHECK(dup2(other[0], fds[0]) == fds[0]);
	CHECK(write(other[1], "zz", 2) == 2 && write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("poll looks at what the descriptor names now: something there",
	      result == 1 && asked.revents == POLLIN);
	CHECK("which it did not take", read(fds[0], &c, 1) == 1 && c == 'z');
	done();

	start_poll(&t, 5000);
	asked.fd = -1;
	asked.events = 0;
	CHECK(write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("poll reads its array once", result == 1 && asked.revents == POLLIN);
	CHECK("and writes revents only", asked.fd == -1 && asked.events == 0);
	done();

	start_select(&t, 5000);
	CHECK(close(fds[0]) == 0);
	CHECK("a selecter keeps its end of the pipe open", write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("select says that something is up with a closed descriptor",
	      result == 1 && FD_ISSET(number, &set));
	CHECK_ERRNO("with select over nobody has it open", write(fds[1], "b", 1), EPIPE);
	done();

	start_select(&t, 1000);
	CHECK(dup2(other[0], fds[0]) == fds[0]);
	CHECK(write(fds[1], "a", 1) == 1);
	FD_SET(other[1], &set);
	pthread_join(t, NULL);
	CHECK("select looks at what the descriptor names now", result == 0 && !FD_ISSET(number, &set));
	CHECK("select reads its sets once", !FD_ISSET(other[1], &set));
	done();

	CHECK(pipe(fds) == 0 && pipe(other) == 0);
	pid_t first = child_that_reads(fds[0]), second = child_that_reads(other[0]);
	pidfd = syscall(SYS_pidfd_open, first, 0);
	int second_fd = syscall(SYS_pidfd_open, second, 0);
	CHECK(pidfd >= 0 && second_fd >= 0);
	sleeper_start(&t, waiter);
	CHECK(dup2(second_fd, pidfd) == pidfd);
	CHECK(write(other[1], "\2", 1) == 1);
	usleep(50000);
	CHECK(write(fds[1], "\1", 1) == 1);
	pthread_join(t, NULL);
	CHECK("waitid stays with the process that its pidfd named",
	      result == 0 && info.si_pid == first && info.si_status == 1);
	CHECK(waitpid(second, NULL, 0) == second);
	CHECK_ERRNO("a pidfd of a child long waited for", waitid(P_PIDFD, second_fd, &info, WEXITED), ECHILD);
	CHECK_ERRNO("no pidfd", waitid(P_PIDFD, 0, &info, WEXITED), EBADF);
	done();

	snprintf(path, sizeof path, "/tmp/heldpoll-%d", getpid());
	char real[80];
	strcpy(real, path);
	CHECK(mkfifo(path, 0600) == 0);
	sleeper_start(&t, opener);
	strcpy(path, "/nowhere");
	int w = open(real, O_WRONLY | O_NONBLOCK);
	CHECK("who waits in open of a FIFO is met", w >= 0);
	CHECK(unlink(real) == 0);
	pthread_join(t, NULL);
	CHECK("and has it, though its name is gone meanwhile", result >= 0);
	CHECK("it is that FIFO", write(w, "q", 1) == 1 && read((int)result, &c, 1) == 1 && c == 'q');
	return t_end();
}
