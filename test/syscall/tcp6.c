/* TCP over IPv6, and over IPv4 by sockets of IPv6; which ports the families share. */
#include "inet.h"

static int bound6(int port, int only)
{
	struct sockaddr_in6 a = at6(port);
	a.sin6_addr = in6addr_any;
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, only) == 0);
	if (bind(s, (sa *)&a, sizeof a) == 0) return s;
	int e = errno;
	close(s);
	return -e;
}

static void families(void)
{
	struct sockaddr_in6 a6 = at6(0);
	socklen_t n = sizeof a6;
	int l = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK("listen to IPv6", bind(l, (sa *)&a6, sizeof a6) == 0 && listen(l, 5) == 0);
	a6 = at6(port_of(l));
	int c = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK("connect over IPv6", connect(c, (sa *)&a6, sizeof a6) == 0);
	int s = accept(l, (sa *)&a6, &n);
	CHECK("from ::1", s >= 0 && n == sizeof a6 && IN6_IS_ADDR_LOOPBACK(&a6.sin6_addr) && ntohs(a6.sin6_port) == port_of(c));
	char b[8];
	CHECK("talk", write(c, "six", 3) == 3 && read(s, b, 8) == 3 && write(s, "yes", 3) == 3 && read(c, b, 8) == 3);
	CHECK("segments of IPv6", option(c, IPPROTO_TCP, TCP_MAXSEG) > 30000);
	struct sockaddr_in a = at4(port_of(l));
	int d = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO("not over IPv4", connect(d, (sa *)&a, sizeof a), ECONNREFUSED);
	CHECK_ERRNO("nor with an IPv6 address", connect(d, (sa *)&a6, sizeof a6), EAFNOSUPPORT);
	close(c); close(s); close(l); close(d);

	l = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK("any address, any family", listen(l, 5) == 0);
	c = connect4(port_of(l));
	n = sizeof a6;
	s = accept(l, (sa *)&a6, &n);
	char text[64];
	CHECK("IPv4 is mapped", s >= 0 && !strcmp(inet_ntop(AF_INET6, &a6.sin6_addr, text, 64), "::ffff:127.0.0.1"));
	n = sizeof a6;
	CHECK("its own name too", getsockname(s, (sa *)&a6, &n) == 0 && IN6_IS_ADDR_V4MAPPED(&a6.sin6_addr));
	close(c); close(s);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	a6 = at6(port_of(l));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &a6.sin6_addr);
	CHECK("call a mapped address", connect(c, (sa *)&a6, sizeof a6) == 0);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(set_option(c, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
	CHECK_ERRNO("not when it is IPv6 only", connect(c, (sa *)&a6, sizeof a6), ENETUNREACH);
	close(c); close(l);
	l = bound6(0, 1);
	CHECK(listen(l, 5) == 0);
	a = at4(port_of(l));
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO("IPv6 only does not hear IPv4", connect(c, (sa *)&a, sizeof a), ECONNREFUSED);
	close(c); close(l);
}

static int free4(int port, int any)
{
	struct sockaddr_in a = at4(port);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (any) a.sin_addr.s_addr = 0;
	int r = bind(s, (sa *)&a, sizeof a) == 0 ? 0 : -errno;
	close(s);
	return r;
}

static void shared(void)
{
	for (int only = 0; only < 2; only++) {
		int s = bound6(0, only), port = port_of(s);
		printf("v6only %d: %d %d", only, free4(port, 0), free4(port, 1));
		for (int k = 0; k < 2; k++) {
			int t = bound6(port, k);
			printf(" %d", t < 0 ? t : 0);
			if (t >= 0) close(t);
		}
		CHECK(listen(s, 1) == 0);
		printf(", listening: %d %d\n", free4(port, 0), free4(port, 1));
		close(s);
	}
}

int main(void)
{
	int s = bound6(0, 0);
	struct sockaddr_in6 a = at6(0);
	int t = socket(AF_INET6, SOCK_STREAM, 0);
	if (s < 0 || t < 0 || bind(t, (sa *)&a, sizeof a) != 0) return T_NOT_HERE;
	close(s);
	close(t);
	families();
	shared();
	return t_end();
}
