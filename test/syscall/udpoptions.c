/* UDP over loopback, IPv4: what goes with messages, options, groups, tables. udp(7), ip(7). */
#include "udp.h"

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

int main(void)
{
	ancillary();
	multicast();
	limits();
	options();
	sources();
	tables();
	return t_end();
}
