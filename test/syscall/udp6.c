/* UDP over loopback, IPv6 and both families at one socket. udp(7), ipv6(7). */
#include "t.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

static struct sockaddr_in6 at(const char *addr, int port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	inet_pton(AF_INET6, addr, &a.sin6_addr);
	return a;
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 a = {0};
	socklen_t n = sizeof a;
	getsockname(fd, (void *)&a, &n);
	return a;
}

static const char *text(struct sockaddr_in6 a)
{
	static char buf[64];
	return inet_ntop(AF_INET6, &a.sin6_addr, buf, sizeof buf);
}

static int option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

static int value(int fd, int level, int name)
{
	int v = -12345;
	socklen_t n = sizeof v;
	return getsockopt(fd, level, name, &v, &n) < 0 ? -errno : v;
}

static int bound(const char *addr, int port, int v6only)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = at(addr, port);
	if (v6only >= 0) option(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only);
	if (bind(fd, (void *)&a, sizeof a) < 0) { int e = errno; close(fd); errno = e; return -1; }
	return fd;
}

static int send_at(int fd, const void *b, size_t n, struct sockaddr_in6 a)
{
	return sendto(fd, b, n, 0, (void *)&a, sizeof a);
}

static void basics(void)
{
	char buf[100];
	int s = bound("::1", 0, -1), c = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = name_of(s), from;
	socklen_t n = sizeof from;
	CHECK("bind to ::1", s >= 0 && a.sin6_port != 0 && !strcmp(text(a), "::1"));
	CHECK("sendto", send_at(c, "hello", 5, a) == 5);
	CHECK("recvfrom", recvfrom(s, buf, 100, 0, (void *)&from, &n) == 5 && n == sizeof from);
	CHECK("from ::1", !strcmp(text(from), "::1") && from.sin6_port == name_of(c).sin6_port && from.sin6_scope_id == 0);
	CHECK("connect", connect(c, (void *)&a, sizeof a) == 0 && !strcmp(text(name_of(c)), "::1"));
	CHECK("send", send(c, "x", 1, 0) == 1 && recv(s, buf, 100, 0) == 1);
	close(s);
	send(c, "x", 1, 0);
	struct pollfd p = {c, POLLIN, 0};
	poll(&p, 1, 1000);
	CHECK_ERRNO("refused", recv(c, buf, 1, 0), ECONNREFUSED);
	a = at("2001:db8::1", 0);
	s = socket(AF_INET6, SOCK_DGRAM, 0);
	CHECK_ERRNO("not ours", bind(s, (void *)&a, sizeof a), EADDRNOTAVAIL);
	CHECK_ERRNO("short", bind(s, (void *)&a, 20), EINVAL);
	a = at("fe80::1", 0);
	CHECK_ERRNO("link-local without scope", bind(s, (void *)&a, sizeof a), EINVAL);
	a = at("fe80::1", 5);
	CHECK_ERRNO("connect, link-local without scope", connect(s, (void *)&a, sizeof a), EINVAL);
	a = at("::", 7);
	CHECK("connect to :: is to ::1", connect(s, (void *)&a, sizeof a) == 0);
	n = sizeof a;
	getpeername(s, (void *)&a, &n);
	CHECK("::1", !strcmp(text(a), "::1"));
	close(s); close(c);
}

static void dual(void)
{
	char buf[100];
	int s = bound("::", 0, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	int port = ntohs(name_of(s).sin6_port);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 from, b;
	socklen_t n = sizeof from;
	CHECK("IPv4 to IPv6's", sendto(c, "four", 4, 0, (void *)&a, sizeof a) == 4);
	CHECK("comes", recvfrom(s, buf, 100, 0, (void *)&from, &n) == 4);
	CHECK("mapped", !strcmp(text(from), "::ffff:127.0.0.1"));
	CHECK("answer", send_at(s, "back", 4, from) == 4 && recv(c, buf, 100, 0) == 4);
	CHECK_ERRNO("IPv4 bind to the same port", bind(c, (void *)&a, sizeof a), EINVAL);
	close(c);
	c = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO("IPv4 bind to a port of both families", bind(c, (void *)&a, sizeof a), EADDRINUSE);
	CHECK_ERRNO("V6ONLY is too late", option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1), EINVAL);
	close(s);
	s = bound("::", port, 1);
	CHECK("v6-only shares with IPv4", s >= 0 && bind(c, (void *)&a, sizeof a) == 0);
	b = at("::ffff:127.0.0.1", port);
	CHECK_ERRNO("v6-only does not speak IPv4", send_at(s, "x", 1, b), ENETUNREACH);
	close(s); close(c);
	s = bound("::ffff:127.0.0.1", 0, 0);
	CHECK("bind to a mapped address", s >= 0 && !strcmp(text(name_of(s)), "::ffff:127.0.0.1"));
	c = socket(AF_INET6, SOCK_DGRAM, 0);
	b = name_of(s);
	CHECK("connect to it", connect(c, (void *)&b, sizeof b) == 0 && !strcmp(text(name_of(c)), "::ffff:127.0.0.1"));
	CHECK("and send", send(c, "x", 1, 0) == 1 && recv(s, buf, 10, 0) == 1);
	close(s); close(c);
}

static void *cmsg(struct msghdr *m, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level && c->cmsg_type == type) return CMSG_DATA(c);
	return NULL;
}

static void ancillary(void)
{
	char buf[100], ctl[512];
	int s = bound("::", 0, -1), c = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = at("::1", ntohs(name_of(s).sin6_port)), from;
	option(s, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	option(s, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	option(s, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	option(c, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 44);
	option(c, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	send_at(c, "m", 1, a);
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {&from, sizeof from, &iov, 1, ctl, sizeof ctl, 0};
	CHECK("recvmsg", recvmsg(s, &m, 0) == 1);
	printf("controllen %d\n", (int)m.msg_controllen);
	struct in6_pktinfo *pi = cmsg(&m, IPPROTO_IPV6, IPV6_PKTINFO);
	CHECK("pktinfo", pi && pi->ipi6_ifindex == 1 && !memcmp(&pi->ipi6_addr, &a.sin6_addr, 16));
	int *h = cmsg(&m, IPPROTO_IPV6, IPV6_HOPLIMIT), *t = cmsg(&m, IPPROTO_IPV6, IPV6_TCLASS);
	CHECK("hop limit and traffic class", h && *h == 44 && t && *t == 0x20);
	/* pktinfo of what came by IPv4 */
	a = at("::ffff:127.0.0.3", ntohs(a.sin6_port));
	send_at(c, "m", 1, a);
	m.msg_controllen = sizeof ctl;
	recvmsg(s, &m, 0);
	pi = cmsg(&m, IPPROTO_IPV6, IPV6_PKTINFO);
	CHECK("pktinfo of IPv4", pi && !memcmp(&pi->ipi6_addr, &a.sin6_addr, 16));
	char out[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr w = {&a, sizeof a, &iov, 1, out, sizeof out, 0};
	struct cmsghdr *k = CMSG_FIRSTHDR(&w);
	k->cmsg_level = IPPROTO_IPV6; k->cmsg_type = IPV6_HOPLIMIT; k->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(k) = 5;
	a = at("::1", ntohs(a.sin6_port));
	iov.iov_len = 1;
	CHECK("a hop limit for one", sendmsg(c, &w, 0) == 1);
	m.msg_controllen = sizeof ctl; iov.iov_len = sizeof buf;
	recvmsg(s, &m, 0);
	h = cmsg(&m, IPPROTO_IPV6, IPV6_HOPLIMIT);
	CHECK("arrives", h && *h == 5);
	*(int *)CMSG_DATA(k) = 256;
	CHECK_ERRNO("out of range", sendmsg(c, &w, 0), EINVAL);
	close(s); close(c);
}

static void errors(void)
{
	char buf[100], ctl[512];
	int s = bound("::1", 0, -1), c = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = name_of(s), from = {0};
	close(s);
	CHECK("IPV6_RECVERR", option(c, IPPROTO_IPV6, IPV6_RECVERR, 1) == 0);
	CHECK("to nobody", send_at(c, "payload", 7, a) == 7);
	struct pollfd p = {c, POLLIN, 0};
	poll(&p, 1, 1000);
	CHECK("POLLERR", p.revents == POLLERR);
	CHECK_ERRNO("an error is told though not connected", recv(c, buf, 10, 0), ECONNREFUSED);
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {&from, sizeof from, &iov, 1, ctl, sizeof ctl, 0};
	CHECK("MSG_ERRQUEUE", recvmsg(c, &m, MSG_ERRQUEUE) == 7 && !memcmp(buf, "payload", 7));
	CHECK("its flag", m.msg_flags == MSG_ERRQUEUE);
	CHECK("where it was to go", from.sin6_port == a.sin6_port && !strcmp(text(from), "::1"));
	struct sock_extended_err *e = cmsg(&m, IPPROTO_IPV6, IPV6_RECVERR);
	CHECK("extended error", e && e->ee_errno == ECONNREFUSED && e->ee_origin == SO_EE_ORIGIN_ICMP6 &&
		e->ee_type == 1 && e->ee_code == 4);
	CHECK("offender", e && !strcmp(text(*(struct sockaddr_in6 *)SO_EE_OFFENDER(e)), "::1"));
	CHECK_ERRNO("no more", recvmsg(c, &m, MSG_ERRQUEUE), EAGAIN);
	close(c);
}

static void groups(void)
{
	int s = bound("::", 0, -1), c = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 g = at("ff02::1:99", ntohs(name_of(s).sin6_port));
	struct ipv6_mreq r = {.ipv6mr_multiaddr = g.sin6_addr, .ipv6mr_interface = 1};
	CHECK("join", setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof r) == 0);
	CHECK_ERRNO("join twice", setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof r), EADDRINUSE);
	CHECK("IPV6_MULTICAST_IF", option(c, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1) == 0 && value(c, IPPROTO_IPV6, IPV6_MULTICAST_IF) == 1);
	CHECK_ERRNO("lo has no way to groups", send_at(c, "x", 1, g), ENETUNREACH);
	CHECK("leave", setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &r, sizeof r) == 0);
	CHECK_ERRNO("leave twice", setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &r, sizeof r), EADDRNOTAVAIL);
	r.ipv6mr_multiaddr = in6addr_loopback;
	CHECK_ERRNO("no group", setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof r), EINVAL);
	r.ipv6mr_multiaddr = g.sin6_addr;
	r.ipv6mr_interface = 9999;
	CHECK_ERRNO("no interface", setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &r, sizeof r), ENODEV);
	close(s); close(c);
}

static void options(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	CHECK("defaults", value(s, IPPROTO_IPV6, IPV6_V6ONLY) == 0 && value(s, IPPROTO_IPV6, IPV6_MULTICAST_HOPS) == 1 &&
		value(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP) == 1 && value(s, IPPROTO_IPV6, IPV6_TCLASS) == 0 &&
		value(s, IPPROTO_IPV6, IPV6_MTU_DISCOVER) == IPV6_PMTUDISC_WANT);
	CHECK_ERRNO("hops 256", option(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 256), EINVAL);
	CHECK_ERRNO("hops -2", option(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, -2), EINVAL);
	CHECK_ERRNO("tclass 256", option(s, IPPROTO_IPV6, IPV6_TCLASS, 256), EINVAL);
	CHECK_ERRNO("loop 2", option(s, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 2), EINVAL);
	unsigned char b = 1;
	CHECK_ERRNO("one byte", setsockopt(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &b, 1), EINVAL);
	CHECK_ERRNO("unknown", option(s, IPPROTO_IPV6, 250, 1), ENOPROTOOPT);
	CHECK("unknown, asked", value(s, IPPROTO_IPV6, 250) == -ENOPROTOOPT);
	CHECK("IPV6_MTU", value(s, IPPROTO_IPV6, IPV6_MTU) == -ENOTCONN);
	CHECK("SOL_IP at an IPv6 socket", option(s, IPPROTO_IP, IP_TTL, 5) == 0 && value(s, IPPROTO_IP, IP_TTL) == 5);
	close(s);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO("SOL_IPV6 at an IPv4 socket", option(s, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5), ENOPROTOOPT);
	close(s);
}

static int has_ipv6(void)
{
	int s = bound("::1", 0, -1);
	if (s >= 0) close(s);
	return s >= 0;
}

int main(void)
{
	if (!has_ipv6()) return T_NOT_HERE;
	basics();
	dual();
	ancillary();
	errors();
	groups();
	options();
	return t_end();
}
