/* ICMP through raw and ping sockets, errors and the error queue, IP options, fragments. raw(7), icmp(7), ip(7). */
#include "inet.h"
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <linux/icmp.h>
#include <sys/uio.h>

static unsigned short sum(const void *p, int n)
{
	unsigned long s = 0;
	const unsigned short *w = p;
	for (; n > 1; n -= 2) s += *w++;
	while (s >> 16) s = (s & 0xffff) + (s >> 16);
	return ~s;
}

static struct sockaddr_in lo4(const char *text)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

static int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

static void timeout(int fd)
{
	struct timeval tv = {2, 0};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
}

static int make_echo(char *buf, int id, int seq, int payload)
{
	struct icmphdr *h = (void *)buf;
	memset(buf, 'p', sizeof *h + payload);
	*h = (struct icmphdr){.type = ICMP_ECHO};
	h->un.echo.id = htons(id);
	h->un.echo.sequence = htons(seq);
	h->checksum = sum(buf, sizeof *h + payload);
	return sizeof *h + payload;
}

static void raw_echo(void)
{
	char buf[2000];
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in a = lo4("127.0.0.1"), from;
	socklen_t n = sizeof from;
	CHECK("raw socket", s >= 0);
	timeout(s);
	int len = make_echo(buf, 0x1234, 1, 56);
	CHECK("send", sendto(s, buf, len, 0, (sa *)&a, sizeof a) == len);
	int r = recvfrom(s, buf, sizeof buf, 0, (sa *)&from, &n);
	struct iphdr *ip = (void *)buf;
	struct icmphdr *h = (void *)(buf + 20);
	CHECK("hears itself", r == len + 20 && h->type == ICMP_ECHO);
	CHECK("IP header", ip->version == 4 && ip->ihl == 5 && ip->protocol == IPPROTO_ICMP && ntohs(ip->tot_len) == r && ip->ttl == 64);
	CHECK("header checksum", sum(buf, 20) == 0);
	CHECK("from", from.sin_addr.s_addr == a.sin_addr.s_addr && from.sin_port == 0);
	r = recv(s, buf, sizeof buf, 0);
	CHECK("answer", r == len + 20 && h->type == ICMP_ECHOREPLY && ntohs(h->un.echo.id) == 0x1234 && sum(buf + 20, len) == 0);
	CHECK("its payload", buf[28] == 'p' && buf[r - 1] == 'p');
	struct icmp_filter f = {~(1U << ICMP_ECHOREPLY)};
	CHECK("ICMP_FILTER", setsockopt(s, SOL_RAW, ICMP_FILTER, &f, sizeof f) == 0);
	len = make_echo(buf, 0x1234, 2, 8);
	sendto(s, buf, len, 0, (sa *)&a, sizeof a);
	recv(s, buf, sizeof buf, 0);
	CHECK("only the answer", h->type == ICMP_ECHOREPLY && ntohs(h->un.echo.sequence) == 2);
	CHECK_ERRNO("nothing else", recv(s, buf, sizeof buf, MSG_DONTWAIT), EAGAIN);
	buf[20] = 0;
	len = make_echo(buf, 1, 1, 8);
	buf[2] ^= 1;
	sendto(s, buf, len, 0, (sa *)&a, sizeof a);
	CHECK("a wrong checksum has no answer", recv(s, buf, sizeof buf, MSG_DONTWAIT) == -1);
	a = lo4("127.0.0.1");
	CHECK("connect and send", connect(s, (sa *)&a, sizeof a) == 0 && send(s, buf, make_echo(buf, 5, 5, 20), 0) == 28);
	CHECK("answer", recv(s, buf, sizeof buf, 0) == 48);
	CHECK("getsockname tells the protocol", (n = sizeof from, getsockname(s, (sa *)&from, &n)) == 0 && ntohs(from.sin_port) == IPPROTO_ICMP);
	close(s);
	CHECK_ERRNO("protocol 0", socket(AF_INET, SOCK_RAW, 0), EPROTONOSUPPORT);
}

static void header_included(void)
{
	char buf[200], got[200];
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), r = socket(AF_INET, SOCK_RAW, 253);
	struct sockaddr_in a = lo4("127.0.0.1");
	int v = 0;
	socklen_t n = sizeof v;
	timeout(r);
	CHECK("IPPROTO_RAW includes the header", getsockopt(s, IPPROTO_IP, IP_HDRINCL, &v, &n) == 0 && v == 1);
	memset(buf, 0, sizeof buf);
	struct iphdr *ip = (void *)buf;
	*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 9, .protocol = 253, .tos = 4};
	ip->daddr = a.sin_addr.s_addr;
	ip->saddr = inet_addr("127.9.9.9");
	memcpy(buf + 20, "payload", 7);
	CHECK("send a whole packet", sendto(s, buf, 27, 0, (sa *)&a, sizeof a) == 27);
	CHECK("arrives", recv(r, got, sizeof got, 0) == 27 && !memcmp(got + 20, "payload", 7));
	ip = (void *)got;
	CHECK("what was left empty is filled in", ntohs(ip->tot_len) == 27 && ip->id != 0 && sum(got, 20) == 0);
	CHECK("the rest is as written", ip->ttl == 9 && ip->tos == 4 && ip->saddr == inet_addr("127.9.9.9"));
	ip = (void *)buf;
	ip->saddr = 0;
	sendto(s, buf, 27, 0, (sa *)&a, sizeof a);
	recv(r, got, sizeof got, 0);
	CHECK("source filled in", ((struct iphdr *)got)->saddr == htonl(INADDR_LOOPBACK));
	CHECK_ERRNO("too short for a header", sendto(s, buf, 10, 0, (sa *)&a, sizeof a), EINVAL);
	ip->ihl = 15;
	CHECK_ERRNO("header longer than the packet", sendto(s, buf, 27, 0, (sa *)&a, sizeof a), EINVAL);
	close(s);
	close(r);
}

static void fragments(void)
{
	/* by hand: three pieces in the wrong order */
	char buf[100], got[200];
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), r = socket(AF_INET, SOCK_RAW, 253);
	struct sockaddr_in a = lo4("127.0.0.1");
	timeout(r);
	const int order[3] = {2, 0, 1};
	for (int i = 0; i < 3; i++) {
		int k = order[i], len = k == 2 ? 4 : 8;
		memset(buf, 0, sizeof buf);
		struct iphdr *ip = (void *)buf;
		*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = 253};
		ip->id = htons(77);
		ip->frag_off = htons(k | (k < 2 ? 0x2000 : 0));
		ip->saddr = ip->daddr = a.sin_addr.s_addr;
		memset(buf + 20, 'a' + k, len);
		CHECK("a piece", sendto(s, buf, 20 + len, 0, (sa *)&a, sizeof a) == 20 + len);
	}
	int n = recv(r, got, sizeof got, 0);
	CHECK("the whole", n == 40 && !memcmp(got + 20, "aaaaaaaabbbbbbbbcccc", 20));
	CHECK("as one packet", ((struct iphdr *)got)->frag_off == 0 && ntohs(((struct iphdr *)got)->tot_len) == 40);
	CHECK_ERRNO("just one", recv(r, got, sizeof got, MSG_DONTWAIT), EAGAIN);
	close(s);
	close(r);
}

static void *cmsg(struct msghdr *m, int level, int type)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == level && c->cmsg_type == type) return CMSG_DATA(c);
	return NULL;
}

static void error_queue(void)
{
	char buf[100], ctl[300];
	int s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in a = lo4("127.0.0.1"), from;
	bind(s, (sa *)&a, sizeof a);
	socklen_t n = sizeof a;
	getsockname(s, (sa *)&a, &n);
	close(s);
	CHECK("IP_RECVERR", set(c, IPPROTO_IP, IP_RECVERR, 1) == 0);
	CHECK("to nobody", sendto(c, "lost words", 10, 0, (sa *)&a, sizeof a) == 10);
	struct pollfd p = {c, POLLIN, 0};
	poll(&p, 1, 2000);
	CHECK("POLLERR", p.revents == POLLERR);
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {&from, sizeof from, &iov, 1, ctl, sizeof ctl, 0};
	CHECK("MSG_ERRQUEUE", recvmsg(c, &m, MSG_ERRQUEUE) == 10 && !memcmp(buf, "lost words", 10));
	printf("controllen %d flags %x\n", (int)m.msg_controllen, m.msg_flags);
	CHECK("where to", from.sin_port == a.sin_port && from.sin_addr.s_addr == a.sin_addr.s_addr);
	struct sock_extended_err *e = cmsg(&m, IPPROTO_IP, IP_RECVERR);
	CHECK("extended error", e && e->ee_errno == ECONNREFUSED && e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == 3 && e->ee_code == 3);
	CHECK("offender", e && ((struct sockaddr_in *)SO_EE_OFFENDER(e))->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	CHECK_ERRNO("no more", recvmsg(c, &m, MSG_ERRQUEUE), EAGAIN);
	p.revents = 0;
	poll(&p, 1, 0);
	CHECK("quiet again", p.revents == 0);
	/* too long, and not to be cut */
	static char big[65507];
	set(c, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	CHECK("65507 fit", sendto(c, big, 65507, 0, (sa *)&a, sizeof a) == 65507);
	close(c);
}

static void ping_socket(void)
{
	char buf[200];
	int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (s < 0) {
		/* net.ipv4.ping_group_range leaves us out: that is the default */
		CHECK("ping socket, or EACCES", errno == EACCES);
		return;
	}
	CHECK("ping socket, or EACCES", 1);
	close(s);
	(void)buf;
}

static void raw6(void)
{
	char buf[200];
	int s = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	CHECK("ICMPv6 socket", s >= 0);
	timeout(s);
	struct sockaddr_in6 a = at6(0), from;
	socklen_t n = sizeof from;
	struct icmp6_filter f;
	ICMP6_FILTER_SETBLOCKALL(&f);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &f);
	CHECK("ICMP6_FILTER", setsockopt(s, IPPROTO_ICMPV6, ICMP6_FILTER, &f, sizeof f) == 0);
	struct icmp6_hdr *h = (void *)buf;
	memset(buf, 'q', 60);
	*h = (struct icmp6_hdr){.icmp6_type = ICMP6_ECHO_REQUEST};
	h->icmp6_id = htons(99);
	h->icmp6_seq = htons(3);
	CHECK("send, the kernel sums", sendto(s, buf, 60, 0, (sa *)&a, sizeof a) == 60);
	memset(buf, 0, sizeof buf);
	CHECK("answer without IP header", recvfrom(s, buf, sizeof buf, 0, (sa *)&from, &n) == 60 && h->icmp6_type == ICMP6_ECHO_REPLY);
	CHECK("it is ours", ntohs(h->icmp6_id) == 99 && ntohs(h->icmp6_seq) == 3 && buf[59] == 'q');
	CHECK("from ::1", !memcmp(&from.sin6_addr, &in6addr_loopback, 16));
	CHECK_ERRNO("the checksum is where it is", set(s, IPPROTO_IPV6, IPV6_CHECKSUM, 4), EINVAL);
	close(s);
	int r = socket(AF_INET6, SOCK_RAW, 253);
	timeout(r);
	CHECK("IPV6_CHECKSUM", set(r, IPPROTO_IPV6, IPV6_CHECKSUM, 2) == 0);
	CHECK_ERRNO("odd", set(r, IPPROTO_IPV6, IPV6_CHECKSUM, 3), EINVAL);
	memset(buf, 7, 20);
	CHECK("send", sendto(r, buf, 20, 0, (sa *)&a, sizeof a) == 20);
	CHECK("with a sum", recv(r, buf, sizeof buf, 0) == 20 && (buf[2] != 7 || buf[3] != 7));
	CHECK_ERRNO("too short for the sum", sendto(r, buf, 3, 0, (sa *)&a, sizeof a), EINVAL);
	close(r);
}

static void unreachable(void)
{
	/* a protocol that nobody speaks */
	char buf[300];
	int s = socket(AF_INET, SOCK_RAW, 254), i = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	struct sockaddr_in a = lo4("127.0.0.1");
	timeout(i);
	connect(s, (sa *)&a, sizeof a);
	shutdown(s, SHUT_RD);
	close(s);
	s = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	memset(buf, 0, sizeof buf);
	struct iphdr *ip = (void *)buf;
	*ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = 254};
	ip->saddr = ip->daddr = a.sin_addr.s_addr;
	CHECK("send", sendto(s, buf, 40, 0, (sa *)&a, sizeof a) == 40);
	int n = recv(i, buf, sizeof buf, 0);
	struct icmphdr *h = (void *)(buf + 20);
	CHECK("protocol unreachable", n == 20 + 8 + 40 && h->type == ICMP_DEST_UNREACH && h->code == ICMP_PROT_UNREACH);
	CHECK("its precedence", ((struct iphdr *)buf)->tos == 0xc0);
	CHECK("it quotes the packet", ((struct iphdr *)(buf + 28))->protocol == 254 && sum(buf + 20, n - 20) == 0);
	close(s);
	close(i);
	/* a port that nobody has: the error queue has what was sent, without IP header */
	s = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	i = socket(AF_INET, SOCK_DGRAM, 0);
	bind(i, (sa *)&a, sizeof a);
	int port = port_of(i);
	close(i);
	unsigned char u[12] = {0, 7, port >> 8, port, 0, 12, 0, 0, 'd', 'a', 't', 'a'};
	set(s, IPPROTO_IP, IP_RECVERR, 1);
	CHECK("UDP by hand", sendto(s, u, 12, 0, (sa *)&a, sizeof a) == 12);
	struct pollfd p = {s, POLLIN, 0};
	poll(&p, 1, 2000);
	char ctl[300];
	struct iovec iov = {buf, sizeof buf};
	struct msghdr m = {NULL, 0, &iov, 1, ctl, sizeof ctl, 0};
	CHECK("its own packet in the error queue", recvmsg(s, &m, MSG_ERRQUEUE) == 12 && !memcmp(buf, u, 12));
	struct sock_extended_err *e = cmsg(&m, IPPROTO_IP, IP_RECVERR);
	CHECK("refused", e && e->ee_errno == ECONNREFUSED);
	close(s);
}

int main(void)
{
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (s < 0) return T_NOT_HERE;
	close(s);
	s = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = at6(0);
	if (bind(s, (sa *)&a, sizeof a) < 0) return T_NOT_HERE;
	close(s);
	raw_echo();
	header_included();
	fragments();
	error_queue();
	ping_socket();
	raw6();
	unreachable();
	return t_end();
}
