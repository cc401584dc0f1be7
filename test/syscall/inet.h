/* For the programs about TCP: addresses on loopback, pairs of connected sockets. */
#ifndef INET_H
#define INET_H

#include "t.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

typedef struct sockaddr sa;

__attribute__((unused))
static struct sockaddr_in at4(int port)
{
	struct sockaddr_in a = {0};
	a.sin_family = AF_INET;
	a.sin_port = htons(port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

__attribute__((unused))
static struct sockaddr_in6 at6(int port)
{
	struct sockaddr_in6 a = {0};
	a.sin6_family = AF_INET6;
	a.sin6_port = htons(port);
	a.sin6_addr = in6addr_loopback;
	return a;
}

__attribute__((unused))
static int port_of(int s)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	CHECK(getsockname(s, (sa *)&a, &n) == 0);
	return ntohs(((struct sockaddr_in *)&a)->sin_port);
}

/* A listener on a port of its own. */
__attribute__((unused))
static int listener4(int backlog)
{
	struct sockaddr_in a = at4(0);
	int l = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(l >= 0);
	CHECK(bind(l, (sa *)&a, sizeof a) == 0);
	CHECK(listen(l, backlog) == 0);
	return l;
}

__attribute__((unused))
static int connect4(int port)
{
	struct sockaddr_in a = at4(port);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(s >= 0);
	CHECK(connect(s, (sa *)&a, sizeof a) == 0);
	return s;
}

/* Two ends of a connection: [0] called, [1] was called. */
__attribute__((unused))
static void pair4(int s[2])
{
	int l = listener4(5);
	s[0] = connect4(port_of(l));
	s[1] = accept(l, NULL, NULL);
	CHECK(s[1] >= 0);
	close(l);
}

__attribute__((unused))
static int events_of(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND, 0 };
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

/* Waits until `fd` shows one of these events. */
__attribute__((unused))
static int await(int fd, int events)
{
	struct pollfd p = { fd, events, 0 };
	return poll(&p, 1, 10000) == 1 ? p.revents : -1;
}

__attribute__((unused))
static int error_of(int s)
{
	int e = -1;
	socklen_t n = sizeof e;
	CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &n) == 0);
	return e;
}

__attribute__((unused))
static int option(int s, int level, int name)
{
	int v = -12345;
	socklen_t n = sizeof v;
	if (getsockopt(s, level, name, &v, &n) != 0) return -errno;
	return v;
}

__attribute__((unused))
static int set_option(int s, int level, int name, int v)
{
	return setsockopt(s, level, name, &v, sizeof v) == 0 ? 0 : -errno;
}

__attribute__((unused))
static void nonblocking(int s)
{
	CHECK(fcntl(s, F_SETFL, fcntl(s, F_GETFL) | O_NONBLOCK) == 0);
}

#endif
