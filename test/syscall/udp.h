/* For the programs about UDP: sockets on loopback, their options. */
#ifndef UDP_H
#define UDP_H
#include "t.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

__attribute__((unused))
static struct sockaddr_in at(const char *addr, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, addr, &a.sin_addr);
	return a;
}

__attribute__((unused))
static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a = {0};
	socklen_t n = sizeof a;
	getsockname(fd, (void *)&a, &n);
	return a;
}

__attribute__((unused))
static int bound(const char *addr, int port)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = at(addr, port);
	if (bind(fd, (void *)&a, sizeof a) < 0) { close(fd); return -1; }
	return fd;
}

__attribute__((unused))
static int readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	poll(&p, 1, 200);
	return p.revents;
}

__attribute__((unused))
static int send_at(int fd, const void *b, size_t n, struct sockaddr_in a)
{
	return sendto(fd, b, n, 0, (void *)&a, sizeof a);
}

__attribute__((unused))
static int cmsg_int(struct msghdr *m, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return c->cmsg_len == CMSG_LEN(1) ? *CMSG_DATA(c) : *(int *)CMSG_DATA(c);
	return -1;
}

__attribute__((unused))
static int option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

__attribute__((unused))
static int value(int fd, int level, int name)
{
	int v = -12345;
	socklen_t n = sizeof v;
	return getsockopt(fd, level, name, &v, &n) < 0 ? -errno : v;
}
#endif
