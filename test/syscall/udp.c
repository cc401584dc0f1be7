/* UDP over loopback, IPv4: names, errors, messages, options. udp(7), ip(7). */
#include "udp.h"

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
	corking();
	broadcast();
	reuseport();
	peeking();
	many();
	return t_end();
}
