/* A call that waits keeps the open file it was given, whatever becomes of the descriptor. See close(2). */
#include "t.h"
#include "sleeper.h"
#include <poll.h>
#include <sys/epoll.h>

static int fds[2], epfd;
static char got;
static long result;

static void *reader(void *arg)
{
	(void)arg;
	sleeper_ready();
	result = read(fds[0], &got, 1);
	return NULL;
}

static void *epoller(void *arg)
{
	(void)arg;
	struct epoll_event ev;
	sleeper_ready();
	result = epoll_wait(epfd, &ev, 1, 5000);
	return NULL;
}

int main(void)
{
	pthread_t t;

	CHECK(pipe(fds) == 0);
	sleeper_start(&t, reader);
	CHECK(close(fds[0]) == 0);
	CHECK("its end of the pipe is still open", write(fds[1], "a", 1) == 1);
	pthread_join(t, NULL);
	CHECK("read goes on after its descriptor was closed", result == 1 && got == 'a');
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO("and then nobody has it open any more", write(fds[1], "b", 1), EPIPE);
	close(fds[1]);

	int other[2];
	CHECK(pipe(fds) == 0 && pipe(other) == 0);
	CHECK(write(other[1], "z", 1) == 1);
	sleeper_start(&t, reader);
	CHECK(dup2(other[0], fds[0]) == fds[0]);
	CHECK(write(fds[1], "c", 1) == 1);
	pthread_join(t, NULL);
	CHECK("read stays with its file when the descriptor names another", result == 1 && got == 'c');

	CHECK((epfd = epoll_create1(0)) >= 0);
	struct epoll_event ev = { .events = EPOLLIN };
	int last[2];
	CHECK(pipe(last) == 0);
	CHECK(epoll_ctl(epfd, EPOLL_CTL_ADD, last[0], &ev) == 0);
	sleeper_start(&t, epoller);
	CHECK(close(epfd) == 0);
	CHECK(write(last[1], "d", 1) == 1);
	pthread_join(t, NULL);
	CHECK("epoll_wait goes on after its descriptor was closed", result == 1);
	return t_end();
}
