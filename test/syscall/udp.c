/* UDP over loopback, IPv4: names, errors, messages, options. udp(7), ip(7). */
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

static struct sockaddr_in at(const char *addr, int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, addr, &a.sin_addr);
	return a;
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a = {0};
	socklen_t n = sizeof a;
	getsockname(fd, (void *)&a, &n);
	return a;
}

static int bound(const char *addr, int port)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = at(addr, port);
	if (bind(fd, (void *)&a, sizeof a) < 0) { close(fd); return -1; }
	return fd;
}

static int readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	poll(&p, 1, 200);
	return p.revents;
}

static int send_at(int fd, const void *b, size_t n, struct sockaddr_in a)
{
	return sendto(fd, b, n, 0, (void *)&a, sizeof a);
}

static void names(void)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK("socket", s >= 0);
	a = name_of(s);
	CHECK("no name at first", a.sin_family == AF_INET && a.sin_port == 0 && a.sin_addr.s_addr == 0);
	CHECK_ERRNO("no peer", getpeername(s, (void *)&a, &n), ENOTCONN);
	a = at("127.0.0.1", 0);
	CHECK("bind to any port", bind(s, (void *)&a, sizeof a) == 0);
	b = name_of(s);
	CHECK("has a port", ntohs(b.sin_port) >= 1024 && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK_ERRNO("bind again", bind(s, (void *)&a, sizeof a), EINVAL);
	int t = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_ERRNO("port in use", bind(t, (void *)&b, sizeof b), EADDRINUSE);
	a = b; a.sin_addr.s_addr = 0;
	CHECK_ERRNO("port in use, any address", bind(t, (void *)&a, sizeof a), EADDRINUSE);
	a = b; a.sin_addr.s_addr = htonl(0x7f000002);
	CHECK("same port, other address", bind(t, (void *)&a, sizeof a) == 0);
	close(t);
	t = socket(AF_INET, SOCK_DGRAM, 0);
	a = at("192.0.2.1", 0);
	CHECK_ERRNO("not our address", bind(t, (void *)&a, sizeof a), EADDRNOTAVAIL);
	CHECK_ERRNO("short address", bind(t, (void *)&a, 8), EINVAL);
	a.sin_family = AF_INET6;
	CHECK_ERRNO("another family", bind(t, (void *)&a, sizeof a), EAFNOSUPPORT);
	int one = 1;
	setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	CHECK_ERRNO("SO_REUSEADDR of one alone", bind(t, (void *)&b, sizeof b), EADDRINUSE);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	CHECK("SO_REUSEADDR of both", bind(t, (void *)&b, sizeof b) == 0);
	close(t);
	close(s);
}

static void transfer(void)
{
	char buf[70000];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s), from;
	socklen_t n = sizeof from;
	CHECK_ERRNO("send without address", send(c, "x", 1, 0), EDESTADDRREQ);
	CHECK("sendto", send_at(c, "hello", 5, a) == 5);
	CHECK("autobound", name_of(c).sin_port != 0 && name_of(c).sin_addr.s_addr == 0);
	CHECK("readable", readable(s) & POLLIN);
	int q = -1;
	ioctl(s, FIONREAD, &q);
	CHECK("FIONREAD", q == 5);
	CHECK("peek", recv(s, buf, 3, MSG_PEEK) == 3);
	CHECK("peek, whole length", recv(s, buf, 3, MSG_PEEK | MSG_TRUNC) == 5);
	CHECK("recvfrom", recvfrom(s, buf, sizeof buf, 0, (void *)&from, &n) == 5 && !memcmp(buf, "hello", 5));
	CHECK("from", n == sizeof from && from.sin_port == name_of(c).sin_port &&
		from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK_ERRNO("nothing more", recv(s, buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
	CHECK("empty datagram", send_at(c, "", 0, a) == 0 && readable(s) & POLLIN && recv(s, buf, 10, 0) == 0);
	send_at(c, "abcdef", 6, a);
	struct iovec iov[2] = {{buf, 2}, {buf + 100, 2}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	CHECK("cut", recvmsg(s, &m, 0) == 4 && m.msg_flags == MSG_TRUNC && !memcmp(buf + 100, "cd", 2));
	CHECK("the rest is lost", recv(s, buf, 10, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	memset(buf, 'x', sizeof buf);
	CHECK("longest", send_at(c, buf, 65507, a) == 65507);
	CHECK("longest arrives", recv(s, buf, sizeof buf, 0) == 65507);
	CHECK_ERRNO("too long", send_at(c, buf, 65508, a), EMSGSIZE);
	CHECK_ERRNO("far too long", send_at(c, buf, 70000, a), EMSGSIZE);
	a.sin_port = 0;
	CHECK_ERRNO("port 0", send_at(c, "x", 1, a), EINVAL);
	CHECK_ERRNO("out of band", sendto(c, "x", 1, MSG_OOB, (void *)&from, sizeof from), EOPNOTSUPP);
	CHECK_ERRNO("short address", sendto(c, "x", 1, 0, (void *)&from, 7), EINVAL);
	CHECK_ERRNO("bad buffer", sendto(c, (void *)1, 10, 0, (void *)&from, sizeof from), EFAULT);
	close(s);
	close(c);
}

static void connected(void)
{
	char buf[100];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0), d = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s), b;
	socklen_t n = sizeof b;
	CHECK("connect", connect(c, (void *)&a, sizeof a) == 0);
	CHECK("peer", getpeername(c, (void *)&b, &n) == 0 && b.sin_port == a.sin_port);
	b = name_of(c);
	CHECK("local address was chosen", b.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && b.sin_port != 0);
	CHECK("write", write(c, "one", 3) == 3 && read(s, buf, 100) == 3);
	send_at(d, "stranger", 8, b);
	CHECK("strangers are not heard", recv(c, buf, 100, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	send_at(s, "friend", 6, b);
	CHECK("the peer is", recv(c, buf, 100, 0) == 6);
	a.sin_family = AF_UNSPEC;
	CHECK("disconnect", connect(c, (void *)&a, sizeof a) == 0);
	CHECK_ERRNO("no peer", getpeername(c, (void *)&b, &n), ENOTCONN);
	CHECK("no name", name_of(c).sin_port == 0);
	a = at("0.0.0.0", ntohs(a.sin_port));
	CHECK("connect to any is to oneself", connect(c, (void *)&a, sizeof a) == 0);
	getpeername(c, (void *)&b, &n);
	CHECK("127.0.0.1", b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK_ERRNO("listen", listen(c, 1), EOPNOTSUPP);
	CHECK_ERRNO("accept", accept(c, NULL, NULL), EOPNOTSUPP);
	close(s); close(c); close(d);
	/* nobody there: ICMP says so */
	s = bound("127.0.0.1", 0);
	a = name_of(s);
	close(s);
	c = socket(AF_INET, SOCK_DGRAM, 0);
	connect(c, (void *)&a, sizeof a);
	CHECK("to nobody", send(c, "x", 1, 0) == 1);
	struct pollfd p = {c, POLLIN | POLLOUT, 0};
	poll(&p, 1, 1000);
	CHECK("POLLERR", p.revents & POLLERR);
	CHECK_ERRNO("refused", recv(c, buf, 1, 0), ECONNREFUSED);
	send(c, "x", 1, 0);
	CHECK_ERRNO("refused, told by send", send(c, "x", 1, 0), ECONNREFUSED);
	send(c, "x", 1, 0);
	int e = 0;
	n = sizeof e;
	getsockopt(c, SOL_SOCKET, SO_ERROR, &e, &n);
	CHECK("SO_ERROR", e == ECONNREFUSED);
	d = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK("unconnected: not told", send_at(d, "x", 1, a) == 1 && send_at(d, "x", 1, a) == 1);
	close(c); close(d);
}

static void shut(void)
{
	char buf[10];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s);
	CHECK_ERRNO("shutdown of what is not connected", shutdown(c, SHUT_RD), ENOTCONN);
	close(c);
	c = socket(AF_INET, SOCK_DGRAM, 0);
	connect(c, (void *)&a, sizeof a);
	CHECK_ERRNO("how", shutdown(c, 7), EINVAL);
	CHECK("SHUT_WR", shutdown(c, SHUT_WR) == 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO("EPIPE", send(c, "x", 1, 0), EPIPE);
	CHECK("SHUT_RD", shutdown(c, SHUT_RD) == 0 && read(c, buf, 10) == 0);
	struct pollfd p = {c, POLLIN | POLLRDHUP, 0};
	poll(&p, 1, 0);
	CHECK("POLLHUP", p.revents == (POLLIN | POLLRDHUP | POLLHUP));
	close(s); close(c);
}

static int cmsg_int(struct msghdr *m, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return c->cmsg_len == CMSG_LEN(1) ? *CMSG_DATA(c) : *(int *)CMSG_DATA(c);
	return -1;
}

static void ancillary(void)
{
	char buf[100], ctl[512];
	int one = 1, s = bound("0.0.0.0", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = at("127.0.0.5", ntohs(name_of(s).sin_port)), from;
	setsockopt(s, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
	setsockopt(s, IPPROTO_IP, IP_RECVTTL, &one, sizeof one);
	setsockopt(s, IPPROTO_IP, IP_RECVTOS, &one, sizeof one);
	int ttl = 33, tos = 0x10;
	CHECK("IP_TTL", setsockopt(c, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl) == 0);
	CHECK("IP_TOS", setsockopt(c, IPPROTO_IP, IP_TOS, &tos, sizeof tos) == 0);
	send_at(c, "m", 1, a);
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {&from, sizeof from, &iov, 1, ctl, sizeof ctl, 0};
	CHECK("recvmsg", recvmsg(s, &m, 0) == 1);
	printf("controllen %d\n", (int)m.msg_controllen);
	CHECK("ttl", cmsg_int(&m, IPPROTO_IP, IP_TTL) == 33);
	CHECK("tos", cmsg_int(&m, IPPROTO_IP, IP_TOS) == 0x10);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	CHECK("pktinfo first", h && h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO);
	struct in_pktinfo *pi = (void *)CMSG_DATA(h);
	CHECK("its interface", pi->ipi_ifindex == 1);
	CHECK("its addresses", pi->ipi_addr.s_addr == a.sin_addr.s_addr && pi->ipi_spec_dst.s_addr == a.sin_addr.s_addr);
	/* send with a source address and ttl of its own */
	char out[CMSG_SPACE(sizeof *pi) + CMSG_SPACE(sizeof(int))] = {0};
	iov.iov_len = 2;
	struct msghdr w = {&a, sizeof a, &iov, 1, out, sizeof out, 0};
	h = CMSG_FIRSTHDR(&w);
	h->cmsg_level = IPPROTO_IP; h->cmsg_type = IP_PKTINFO; h->cmsg_len = CMSG_LEN(sizeof *pi);
	pi = (void *)CMSG_DATA(h);
	inet_pton(AF_INET, "127.0.0.9", &pi->ipi_spec_dst);
	h = CMSG_NXTHDR(&w, h);
	h->cmsg_level = IPPROTO_IP; h->cmsg_type = IP_TTL; h->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(h) = 7;
	CHECK("sendmsg with control", sendmsg(c, &w, 0) == 2);
	m.msg_controllen = sizeof ctl; m.msg_namelen = sizeof from; iov.iov_len = sizeof buf;
	recvmsg(s, &m, 0);
	CHECK("ttl of one message", cmsg_int(&m, IPPROTO_IP, IP_TTL) == 7);
	CHECK("source of one message", from.sin_addr.s_addr == htonl(0x7f000009));
	*(int *)CMSG_DATA(h) = 300;
	CHECK_ERRNO("ttl out of range", sendmsg(c, &w, 0), EINVAL);
	h->cmsg_len = 3;
	CHECK_ERRNO("broken control message", sendmsg(c, &w, 0), EINVAL);
	m.msg_controllen = 20;
	send_at(c, "m", 1, a);
	recvmsg(s, &m, 0);
	CHECK("MSG_CTRUNC", m.msg_flags & MSG_CTRUNC);
	setsockopt(s, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof one);
	send_at(c, "m", 1, a);
	m.msg_controllen = sizeof ctl;
	recvmsg(s, &m, 0);
	h = CMSG_FIRSTHDR(&m);
	CHECK("SO_TIMESTAMP comes first", h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMP);
	close(s); close(c);
}

static void corking(void)
{
	char buf[100];
	int one = 1, zero = 0, s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s);
	connect(c, (void *)&a, sizeof a);
	CHECK("MSG_MORE", send(c, "ab", 2, MSG_MORE) == 2 && recv(s, buf, 100, MSG_DONTWAIT) == -1);
	CHECK("the rest", send(c, "cd", 2, 0) == 2 && recv(s, buf, 100, 0) == 4 && !memcmp(buf, "abcd", 4));
	CHECK("UDP_CORK", setsockopt(c, IPPROTO_UDP, UDP_CORK, &one, sizeof one) == 0);
	send(c, "ef", 2, 0); send(c, "", 0, 0); send(c, "gh", 2, 0);
	CHECK("waits", recv(s, buf, 100, MSG_DONTWAIT) == -1);
	setsockopt(c, IPPROTO_UDP, UDP_CORK, &zero, sizeof zero);
	CHECK("together", recv(s, buf, 100, 0) == 4 && !memcmp(buf, "efgh", 4));
	static char many[2000];
	int isSent = 1, isWhole = 1;
	recv(s, buf, 100, MSG_DONTWAIT);
	for (int i = 0; i < 1000; i++) {
		char piece = i % 100;
		isSent &= send(c, &piece, 1, MSG_MORE) == 1;
	}
	CHECK("many pieces", isSent && send(c, "!", 1, 0) == 1 && recv(s, many, sizeof many, 0) == 1001);
	for (int i = 0; i < 1000; i++) isWhole &= many[i] == i % 100;
	CHECK("are one datagram", isWhole && many[1000] == '!');
	close(s); close(c);
}

static void broadcast(void)
{
	char buf[10];
	int one = 1, s = bound("0.0.0.0", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = at("127.255.255.255", ntohs(name_of(s).sin_port));
	CHECK_ERRNO("broadcast needs leave", send_at(c, "x", 1, a), EACCES);
	setsockopt(c, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
	CHECK("broadcast", send_at(c, "x", 1, a) == 1 && readable(s) & POLLIN && recv(s, buf, 10, 0) == 1);
	close(s); close(c);
}

static void multicast(void)
{
	char buf[10];
	int zero = 0, s = bound("0.0.0.0", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in g = at("239.1.2.3", ntohs(name_of(s).sin_port));
	struct ip_mreqn r = {.imr_multiaddr = g.sin_addr, .imr_ifindex = 1};
	CHECK("IP_MULTICAST_IF", setsockopt(c, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof r) == 0);
	CHECK("to a group of nobody", send_at(c, "x", 1, g) == 1 && recv(s, buf, 10, MSG_DONTWAIT) == -1);
	CHECK("join", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r) == 0);
	CHECK_ERRNO("join twice", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r), EADDRINUSE);
	CHECK("heard", send_at(c, "x", 1, g) == 1 && readable(s) & POLLIN && recv(s, buf, 10, 0) == 1);
	CHECK("leave", setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof r) == 0);
	CHECK_ERRNO("leave twice", setsockopt(s, IPPROTO_IP, IP_DROP_MEMBERSHIP, &r, sizeof r), EADDRNOTAVAIL);
	inet_pton(AF_INET, "10.0.0.1", &r.imr_multiaddr);
	CHECK_ERRNO("no group", setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r), EINVAL);
	setsockopt(c, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof zero);
	struct group_req gr = {.gr_interface = 1};
	memcpy(&gr.gr_group, &g, sizeof g);
	CHECK("MCAST_JOIN_GROUP", setsockopt(s, IPPROTO_IP, MCAST_JOIN_GROUP, &gr, sizeof gr) == 0);
	CHECK("lo loops all the same", send_at(c, "x", 1, g) == 1 && readable(s) & POLLIN && recv(s, buf, 10, 0) == 1);
	close(s); close(c);
}

static void reuseport(void)
{
	char buf[10];
	int fd[4], got[4] = {0}, one = 1, busy = 0;
	struct sockaddr_in a = at("127.0.0.1", 0);
	for (int i = 0; i < 4; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
		if (bind(fd[i], (void *)&a, sizeof a) != 0) CHECK("SO_REUSEPORT", 0);
		a = name_of(fd[i]);
	}
	for (int i = 0; i < 64; i++) {
		int c = socket(AF_INET, SOCK_DGRAM, 0);
		send_at(c, "x", 1, a);
		send_at(c, "y", 1, a);
		close(c);
	}
	for (int i = 0; i < 4; i++) {
		while (recv(fd[i], buf, 10, MSG_DONTWAIT) == 1) got[i]++;
		if (got[i] > 0) busy++;
		if (got[i] % 2 != 0) CHECK("one sender, one receiver", 0);
		close(fd[i]);
	}
	CHECK("shared among all", busy == 4 && got[0] + got[1] + got[2] + got[3] == 128);
}

static void limits(void)
{
	char buf[1000] = {0};
	int small = 4096, s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0), one = 1, n = 0;
	struct sockaddr_in a = name_of(s);
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	setsockopt(s, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one);
	for (int i = 0; i < 100; i++) if (send_at(c, buf, 1000, a) != 1000) CHECK("never refused", 0);
	while (recv(s, buf, sizeof buf, MSG_DONTWAIT) == 1000) n++;
	CHECK("some were dropped", n > 0 && n < 20);
	send_at(c, buf, 1, a);
	char ctl[100];
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {NULL, 0, &iov, 1, ctl, sizeof ctl, 0};
	recvmsg(s, &m, 0);
	CHECK("SO_RXQ_OVFL tells how many", cmsg_int(&m, SOL_SOCKET, SO_RXQ_OVFL) == 100 - n);
	close(s); close(c);
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

static void options(void)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK("defaults", value(s, IPPROTO_IP, IP_TOS) == 0 && value(s, IPPROTO_IP, IP_MULTICAST_TTL) == 1 &&
		value(s, IPPROTO_IP, IP_MULTICAST_LOOP) == 1 && value(s, IPPROTO_IP, IP_MTU_DISCOVER) == IP_PMTUDISC_WANT);
	CHECK_ERRNO("ttl 0", option(s, IPPROTO_IP, IP_TTL, 0), EINVAL);
	CHECK_ERRNO("ttl 256", option(s, IPPROTO_IP, IP_TTL, 256), EINVAL);
	CHECK("ttl -1", option(s, IPPROTO_IP, IP_TTL, 9) == 0 && option(s, IPPROTO_IP, IP_TTL, -1) == 0 && value(s, IPPROTO_IP, IP_TTL) > 9);
	unsigned char byte = 9;
	CHECK("one byte", setsockopt(s, IPPROTO_IP, IP_TTL, &byte, 1) == 0 && value(s, IPPROTO_IP, IP_TTL) == 9);
	socklen_t n = 1;
	CHECK("read as one byte", getsockopt(s, IPPROTO_IP, IP_TTL, &byte, &n) == 0 && n == 1 && byte == 9);
	CHECK_ERRNO("unknown option", option(s, IPPROTO_IP, 60, 1), ENOPROTOOPT);
	CHECK_ERRNO("unknown level", option(s, 200, 1, 1), ENOPROTOOPT);
	CHECK("unknown level, asked", value(s, 200, 1) == -EOPNOTSUPP);
	CHECK("IP_MTU needs a peer", value(s, IPPROTO_IP, IP_MTU) == -ENOTCONN);
	CHECK_ERRNO("IP_MTU is not set", option(s, IPPROTO_IP, IP_MTU, 1000), ENOPROTOOPT);
	CHECK_ERRNO("IP_HDRINCL", option(s, IPPROTO_IP, IP_HDRINCL, 1), ENOPROTOOPT);
	CHECK_ERRNO("mtu discovery", option(s, IPPROTO_IP, IP_MTU_DISCOVER, 9), EINVAL);
	struct sockaddr_in a = at("127.0.0.1", 9);
	connect(s, (void *)&a, sizeof a);
	CHECK("IP_MTU", value(s, IPPROTO_IP, IP_MTU) == 65535);
	CHECK("SO_DOMAIN", value(s, SOL_SOCKET, SO_DOMAIN) == AF_INET && value(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP);
	CHECK_ERRNO("bind to no device", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "nope0", 6), ENODEV);
	close(s);
	CHECK_ERRNO("protocol", socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
	CHECK_ERRNO("type", socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO("protocol number", socket(AF_INET, SOCK_DGRAM, 300), EINVAL);
	int sv[2];
	CHECK_ERRNO("socketpair", socketpair(AF_INET, SOCK_DGRAM, 0, sv), EOPNOTSUPP);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	a = at("203.0.113.7", 0);
	CHECK_ERRNO("not our address", bind(s, (void *)&a, sizeof a), EADDRNOTAVAIL);
	CHECK("IP_FREEBIND", option(s, IPPROTO_IP, IP_FREEBIND, 1) == 0 && bind(s, (void *)&a, sizeof a) == 0);
	close(s);
}

static void peeking(void)
{
	char buf[10];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s);
	connect(c, (void *)&a, sizeof a);
	send(c, "abcd", 4, 0); send(c, "efgh", 4, 0);
	CHECK("SO_PEEK_OFF", option(s, SOL_SOCKET, SO_PEEK_OFF, 2) == 0 && value(s, SOL_SOCKET, SO_PEEK_OFF) == 2);
	CHECK("from there", recv(s, buf, 1, MSG_PEEK) == 1 && buf[0] == 'c');
	CHECK("goes on", recv(s, buf, 9, MSG_PEEK) == 1 && buf[0] == 'd' && recv(s, buf, 9, MSG_PEEK) == 4 && buf[0] == 'e');
	CHECK("a read takes back", recv(s, buf, 9, 0) == 4 && buf[0] == 'a' && value(s, SOL_SOCKET, SO_PEEK_OFF) == 4);
	close(s); close(c);
}

static void sources(void)
{
	char buf[100], out[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
	int s = bound("127.0.0.1", 0), c = bound("239.9.9.9", 0), d;
	struct sockaddr_in a = name_of(s), from;
	socklen_t n = sizeof from;
	CHECK("bound to a group", c >= 0 && name_of(c).sin_addr.s_addr == inet_addr("239.9.9.9"));
	CHECK("speaks as itself", send_at(c, "x", 1, a) == 1 && recvfrom(s, buf, 10, 0, (void *)&from, &n) == 1 &&
		from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	struct iovec iov = {buf, 1};
	struct msghdr w = {&a, sizeof a, &iov, 1, out, sizeof out, 0};
	struct cmsghdr *h = CMSG_FIRSTHDR(&w);
	h->cmsg_level = IPPROTO_IP; h->cmsg_type = IP_PKTINFO; h->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
	((struct in_pktinfo *)CMSG_DATA(h))->ipi_spec_dst.s_addr = inet_addr("198.51.100.1");
	d = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK("not as a stranger", sendmsg(d, &w, 0) == -1 && (errno == ENETUNREACH || errno == EINVAL));
	close(c);
	c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in b = at("127.0.0.8", 0);
	CHECK("IP_BIND_ADDRESS_NO_PORT", option(c, IPPROTO_IP, 24, 1) == 0 && bind(c, (void *)&b, sizeof b) == 0 && name_of(c).sin_port == 0);
	CHECK("has its address", send_at(c, "x", 1, a) == 1 && recvfrom(s, buf, 10, 0, (void *)&from, &n) == 1 && from.sin_addr.s_addr == b.sin_addr.s_addr);
	struct { int pid; unsigned uid, gid; } cred;
	n = sizeof cred;
	CHECK("SO_PEERCRED of nobody", getsockopt(c, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && cred.pid == 0 && cred.uid == -1U);
	close(s); close(c); close(d);
}

static long counter(const char *name)
{
	char names[2000], values[2000];
	FILE *f = fopen("/proc/net/snmp", "r");
	long found = -1;
	while (f && fgets(names, sizeof names, f) && fgets(values, sizeof values, f)) {
		if (strncmp(names, "Udp:", 4) != 0) continue;
		char *n, *v, *ns = names, *vs = values;
		while ((n = strsep(&ns, " \n")) && (v = strsep(&vs, " \n")))
			if (!strcmp(n, name)) found = atol(v);
	}
	if (f) fclose(f);
	return found;
}

static void tables(void)
{
	char line[300], buf[10];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0), found = 0;
	unsigned addr, port, peer, peerport, state, tx, rx, uid;
	unsigned long inode;
	struct sockaddr_in a = name_of(s);
	struct stat st;
	fstat(s, &st);
	connect(c, (void *)&a, sizeof a);
	send(c, "x", 1, 0);
	FILE *f = fopen("/proc/net/udp", "r");
	CHECK("/proc/net/udp", f != NULL && fgets(line, sizeof line, f) && strlen(line) == 128);
	puts(line);
	while (fgets(line, sizeof line, f)) {
		int n = sscanf(line, " %*u: %x:%x %x:%x %x %x:%x %*x:%*x %*x %u %*u %lu",
			       &addr, &port, &peer, &peerport, &state, &tx, &rx, &uid, &inode);
		if (n != 9 || port != ntohs(a.sin_port)) continue;
		found = strlen(line) == 128 && addr == a.sin_addr.s_addr && peer == 0 && peerport == 0 &&
			state == 7 && tx == 0 && rx > 0 && uid == getuid() && inode == st.st_ino;
	}
	fclose(f);
	CHECK("its line", found);
	long before = counter("InDatagrams"), sent = counter("OutDatagrams");
	recv(s, buf, 10, 0);
	send(c, "x", 1, 0);
	/* others on the host may be at it too */
	CHECK("counters", before >= 0 && counter("InDatagrams") > before && counter("OutDatagrams") > sent);
	close(s); close(c);
}

static void many(void)
{
	char buf[4][10];
	int s = bound("127.0.0.1", 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = name_of(s);
	connect(c, (void *)&a, sizeof a);
	struct iovec iov[4];
	struct mmsghdr m[4] = {0};
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){buf[i], i + 1};
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK("sendmmsg", sendmmsg(c, m, 4, 0) == 4 && m[3].msg_len == 4);
	for (int i = 0; i < 4; i++) iov[i].iov_len = 10;
	CHECK("recvmmsg", recvmmsg(s, m, 4, 0, NULL) == 4 && m[0].msg_len == 1 && m[3].msg_len == 4);
	close(s); close(c);
}

int main(void)
{
	names();
	transfer();
	connected();
	shut();
	ancillary();
	corking();
	broadcast();
	multicast();
	reuseport();
	limits();
	options();
	peeking();
	sources();
	tables();
	many();
	return t_end();
}
