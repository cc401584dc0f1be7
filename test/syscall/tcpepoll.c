/* What epoll says of TCP sockets, by level and by edge. */
#include "inet.h"
#include <signal.h>
#include <sys/epoll.h>

static int ep;

static void watch(int fd, unsigned events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };
	CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
}

/* The events of `fd` that are there now, or come within `ms`; -1 if there are none. */
static int told(int fd, int ms)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, ms);
	for (int i = 0; i < n; i++) if (e[i].data.fd == fd) return e[i].events;
	return n > 0 ? -2 : -1;
}

int main(void)
{
	int s[2];
	char b[256];
	static char big[1 << 20];
	signal(SIGPIPE, SIG_IGN);
	ep = epoll_create1(0);
	pair4(s);
	watch(s[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET);
	CHECK("an edge at the beginning", told(s[1], 0) == EPOLLOUT);
	CHECK("told once", told(s[1], 0) == -1);
	CHECK(write(s[0], "1", 1) == 1);
	CHECK("bytes come", told(s[1], 5000) == (EPOLLIN | EPOLLOUT));
	CHECK("told once, though nobody reads", told(s[1], 0) == -1);
	CHECK(write(s[0], "2", 1) == 1);
	CHECK("more come", told(s[1], 5000) == (EPOLLIN | EPOLLOUT));
	CHECK(read(s[1], b, 1) == 1);
	CHECK("reading a part is no edge", told(s[1], 0) == -1);
	CHECK(read(s[1], b, 1) == 1);
	CHECK(send(s[0], "!", 1, MSG_OOB) == 1);
	CHECK("urgent", (told(s[1], 5000) & EPOLLPRI) != 0);
	CHECK(recv(s[1], b, 1, MSG_OOB) == 1);
	while (told(s[1], 10) >= 0) {}
	nonblocking(s[1]);
	int fits = 0, r;
	while ((r = write(s[1], big, sizeof big)) > 0) fits += r;
	CHECK("it is full", fits > 0 && errno == EAGAIN && told(s[1], 0) == -1);
	while (fits > 0 && (r = recv(s[0], big, sizeof big, MSG_DONTWAIT)) > 0) fits -= r;
	while (fits > 0 && (r = recv(s[0], big, sizeof big, 0)) > 0) fits -= r;
	CHECK("there is room again", told(s[1], 5000) == EPOLLOUT);
	CHECK("told once", told(s[1], 20) == -1);
	CHECK(shutdown(s[0], SHUT_WR) == 0);
	CHECK("the other side says no more", told(s[1], 5000) == (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	CHECK(shutdown(s[1], SHUT_WR) == 0);
	CHECK("both are done", (told(s[1], 5000) & (EPOLLHUP | EPOLLRDHUP)) == (EPOLLHUP | EPOLLRDHUP));
	close(s[0]); close(s[1]);
	CHECK("a closed one is forgotten", told(s[1], 0) == -1);

	int l = listener4(5);
	watch(l, EPOLLIN);
	CHECK("nobody calls", told(l, 0) == -1);
	int c = connect4(port_of(l));
	CHECK("somebody calls", told(l, 5000) == EPOLLIN && told(l, 0) == EPOLLIN);
	int a = accept(l, NULL, NULL);
	CHECK("and is let in", a >= 0 && told(l, 0) == -1);
	watch(c, EPOLLIN | EPOLLONESHOT);
	CHECK(write(a, "x", 1) == 1);
	CHECK("one shot", told(c, 5000) == EPOLLIN && told(c, 0) == -1);
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.fd = c };
	CHECK("armed again", epoll_ctl(ep, EPOLL_CTL_MOD, c, &e) == 0 && told(c, 0) == EPOLLIN);
	struct linger linger = { 1, 0 };
	CHECK(setsockopt(a, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
	close(a);
	CHECK("a reset", told(c, 5000) == (EPOLLIN | EPOLLERR | EPOLLHUP));
	close(c);
	struct sockaddr_in to = at4(port_of(l));
	close(l);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	watch(c, EPOLLIN | EPOLLOUT | EPOLLET);
	CHECK("not connected", told(c, 0) == (EPOLLOUT | EPOLLHUP));
	CHECK_ERRNO("call where nobody is", connect(c, (sa *)&to, sizeof to), EINPROGRESS);
	CHECK("it fails", (told(c, 5000) & (EPOLLERR | EPOLLHUP)) == (EPOLLERR | EPOLLHUP));
	CHECK("for this reason", error_of(c) == ECONNREFUSED);
	close(c);
	return t_end();
}
