/* UDP-Lite: checksums that cover a part. udplite(7). */
#include "inet.h"

#ifndef IPPROTO_UDPLITE
#define IPPROTO_UDPLITE 136
#endif
#define SEND_CSCOV 10
#define RECV_CSCOV 11

static int set(int fd, int name, int value)
{
	return setsockopt(fd, IPPROTO_UDPLITE, name, &value, sizeof value);
}

static int get(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof v;
	return getsockopt(fd, IPPROTO_UDPLITE, name, &v, &n) < 0 ? -errno : v;
}

static void transfer(int family, sa *a, socklen_t length)
{
	char buf[200];
	int s = socket(family, SOCK_DGRAM, IPPROTO_UDPLITE), c = socket(family, SOCK_DGRAM, IPPROTO_UDPLITE);
	struct timeval tv = {2, 0};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	CHECK("bind", bind(s, a, length) == 0);
	getsockname(s, a, &length);
	CHECK("connect", connect(c, a, length) == 0);
	CHECK("all covered", send(c, "hello", 5, 0) == 5 && recv(s, buf, sizeof buf, 0) == 5 && !memcmp(buf, "hello", 5));
	CHECK("the header covered", set(c, SEND_CSCOV, 8) == 0 && send(c, "partial", 7, 0) == 7 && recv(s, buf, sizeof buf, 0) == 7);
	CHECK("some covered", set(c, SEND_CSCOV, 20) == 0 && send(c, "0123456789012345678901234567", 28, 0) == 28 && recv(s, buf, sizeof buf, 0) == 28);
	CHECK("at least as much", set(s, RECV_CSCOV, 20) == 0 && send(c, "0123456789012345678901234567", 28, 0) == 28 && recv(s, buf, sizeof buf, 0) == 28);
	CHECK("less is not taken", set(c, SEND_CSCOV, 19) == 0 && send(c, "0123456789012345678901234567", 28, 0) == 28 && recv(s, buf, sizeof buf, MSG_DONTWAIT) == -1);
	CHECK("told", get(c, SEND_CSCOV) == 19 && get(s, RECV_CSCOV) == 20);
	CHECK("at least 8", set(c, SEND_CSCOV, 3) == 0 && get(c, SEND_CSCOV) == 8);
	CHECK_ERRNO("unknown", set(c, 99, 1), ENOPROTOOPT);
	close(s);
	send(c, "x", 1, 0);
	CHECK_ERRNO("nobody there", (poll(&(struct pollfd){c, POLLIN, 0}, 1, 1000), recv(c, buf, 1, 0)), ECONNREFUSED);
	close(c);
}

int main(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	struct sockaddr_in a = at4(0);
	struct sockaddr_in6 b = at6(0);
	if (s < 0) return T_NOT_HERE;
	CHECK("protocol", option(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDPLITE);
	close(s);
	transfer(AF_INET, (sa *)&a, sizeof a);
	s = socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE);
	if (bind(s, (sa *)&b, sizeof b) < 0) return T_NOT_HERE;
	close(s);
	transfer(AF_INET6, (sa *)&b, sizeof b);
	return t_end();
}
