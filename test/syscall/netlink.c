/* Netlink sockets and rtnetlink. See netlink(7), rtnetlink(7). */
#include "netns.h"
#include <arpa/inet.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static char buf[65536];
static int seq;

struct req {
	struct nlmsghdr h;
	char body[512];
};

static void add(struct req *r, const void *p, int n)
{
	memcpy((char *)r + NLMSG_ALIGN(r->h.nlmsg_len), p, n);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + n;
}

static void attr(struct req *r, int type, const void *p, int n)
{
	struct rtattr a = {RTA_LENGTH(n), type};
	add(r, &a, sizeof a);
	add(r, p, n);
}

static struct req *req(int type, int flags)
{
	static struct req r;
	memset(&r, 0, sizeof r);
	r.h = (struct nlmsghdr){NLMSG_HDRLEN, type, NLM_F_REQUEST | flags, ++seq, 0};
	return &r;
}

static int talk(int fd, struct req *r)
{
	if (send(fd, r, r->h.nlmsg_len, 0) != (int)r->h.nlmsg_len) return -1000;
	int n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
	struct nlmsghdr *h = (void *)buf;
	if (n < 0) return -2000;
	if (h->nlmsg_seq != r->h.nlmsg_seq) return -3000;
	if (h->nlmsg_type != NLMSG_ERROR) return h->nlmsg_type;
	return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static struct req *ifinfo(int type, int flags, int index)
{
	struct req *r = req(type, flags);
	struct ifinfomsg i = {.ifi_index = index};
	add(r, &i, sizeof i);
	return r;
}

static void *find(int type, int hdr)
{
	struct nlmsghdr *h = (void *)buf;
	int left = h->nlmsg_len - NLMSG_SPACE(hdr);
	for (struct rtattr *a = (void *)(buf + NLMSG_SPACE(hdr)); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type) return RTA_DATA(a);
	return NULL;
}

static int dump(int fd, struct req *r, int *flags)
{
	int count = 0;
	*flags = 0;
	if (send(fd, r, r->h.nlmsg_len, 0) < 0) return -1;
	for (;;) {
		int n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (n < 0) return -1;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			*flags |= h->nlmsg_flags;
			if (h->nlmsg_type == NLMSG_DONE) return *(int *)NLMSG_DATA(h) < 0 ? *(int *)NLMSG_DATA(h) : count;
			if (h->nlmsg_type == NLMSG_ERROR) return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			count++;
		}
	}
}

static void sockets(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK}, b;
	socklen_t n = sizeof b;
	int on = 1, v, pair[2];
	CHECK_ERRNO("no streams", socket(AF_NETLINK, SOCK_STREAM, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO("protocols end at 32", socket(AF_NETLINK, SOCK_RAW, 32), EPROTONOSUPPORT);
	CHECK_ERRNO("no such protocol", socket(AF_NETLINK, SOCK_RAW, 31), EPROTONOSUPPORT);
	CHECK_ERRNO("no pairs", socketpair(AF_NETLINK, SOCK_RAW, 0, pair), EOPNOTSUPP);
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), t = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	CHECK("has no port", getsockname(s, (void *)&b, &n) == 0 && n == sizeof b && b.nl_pid == 0);
	CHECK_ERRNO("a short address", bind(s, (void *)&a, 4), EINVAL);
	CHECK("bind", bind(s, (void *)&a, sizeof a) == 0);
	CHECK("the port is the pid", getsockname(s, (void *)&b, &n) == 0 && b.nl_pid == (unsigned)getpid());
	CHECK("the next one's is another", bind(t, (void *)&a, sizeof a) == 0 && getsockname(t, (void *)&b, &n) == 0 && (int)b.nl_pid < -4096);
	a.nl_pid = getpid();
	CHECK_ERRNO("bound already", bind(t, (void *)&a, sizeof a), EINVAL);
	int u = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	CHECK_ERRNO("the port is taken", bind(u, (void *)&a, sizeof a), EADDRINUSE);
	CHECK("the peer is the kernel", getpeername(s, (void *)&b, &n) == 0 && b.nl_pid == 0);
	CHECK_ERRNO("nothing there", recv(s, buf, 10, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO("an empty message", send(s, "", 0, 0), ENODATA);
	CHECK_ERRNO("listen", listen(s, 1), EOPNOTSUPP);
	CHECK_ERRNO("shutdown", shutdown(s, SHUT_RDWR), EOPNOTSUPP);
	CHECK_ERRNO("group 0", setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){0}, 4), EINVAL);
	CHECK_ERRNO("no such group", setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){1000}, 4), EINVAL);
	CHECK("a group", setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &(int){RTNLGRP_LINK}, 4) == 0);
	CHECK("shows in the address", getsockname(s, (void *)&b, &n) == 0 && b.nl_groups == 1);
	CHECK("and leaves", setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &(int){RTNLGRP_LINK}, 4) == 0);
	CHECK("a short option is 0", setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &on, 2) == 0);
	CHECK_ERRNO("no such option", setsockopt(s, SOL_NETLINK, 99, &on, 4), ENOPROTOOPT);
	n = sizeof v;
	CHECK("an option is off", getsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &v, &n) == 0 && v == 0);
	CHECK("on", setsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &on, 4) == 0);
	CHECK("is on", getsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &v, &n) == 0 && v == 1);
	n = sizeof v;
	CHECK("SO_PROTOCOL", getsockopt(s, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0 && v == NETLINK_ROUTE);
	struct pollfd p = {.fd = s, .events = POLLIN | POLLOUT};
	CHECK("poll", poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
	a.nl_pid = 123456;
	CHECK_ERRNO("nobody has that port", sendto(s, "hello", 5, 0, (void *)&a, sizeof a), ECONNREFUSED);
	close(s);
	close(t);
	close(u);
}

static void between_programs(void)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_pid = 4711, .nl_groups = 2}, from;
	socklen_t n = sizeof from;
	int on = 1, s = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK), t = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
	CHECK("bind with a group", bind(s, (void *)&a, sizeof a) == 0);
	CHECK("to a port", sendto(t, "hello", 5, 0, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 4711, 0}, sizeof a) == 5);
	CHECK("arrives", recvfrom(s, buf, 100, 0, (void *)&from, &n) == 5 && from.nl_pid == (unsigned)getpid() && from.nl_groups == 0);
	CHECK("names itself", setsockopt(s, SOL_NETLINK, NETLINK_PKTINFO, &on, 4) == 0);
	CHECK_ERRNO("the kernel does not listen", sendto(t, "xx", 2, 0, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 0, 2}, sizeof a), ECONNREFUSED);
	char control[200];
	struct iovec iov = {buf, 100};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control, .msg_name = &from, .msg_namelen = sizeof from};
	CHECK("but the group does", recvmsg(s, &m, MSG_DONTWAIT) == 2 && from.nl_groups == 2);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK("which group", c && c->cmsg_level == SOL_NETLINK && c->cmsg_type == NETLINK_PKTINFO && *(int *)CMSG_DATA(c) == 2);
	CHECK("cut", send(t, "long message", 12, 0) == -1 && sendto(t, "long message", 12, 0, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 4711, 0}, sizeof a) == 12);
	CHECK("and how long it was", recv(s, buf, 4, MSG_PEEK | MSG_TRUNC) == 12 && recv(s, buf, 4, 0) == 4);
	int sent = 0;
	while (sent < 100000 && sendto(t, buf, 1000, MSG_DONTWAIT, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 4711, 0}, sizeof a) == 1000) sent++;
	CHECK("full at last", errno == EAGAIN && sent > 10 && sent < 10000);
	close(s);
	close(t);
}

static void links(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), on = 1, flags;
	bind(fd, (void *)&(struct sockaddr_nl){.nl_family = AF_NETLINK}, sizeof(struct sockaddr_nl));
	CHECK("one interface", dump(fd, ifinfo(RTM_GETLINK, NLM_F_DUMP, 0), &flags) == 1 && (flags & NLM_F_MULTI));
	CHECK("get lo", talk(fd, ifinfo(RTM_GETLINK, 0, 1)) == RTM_NEWLINK);
	struct ifinfomsg *i = NLMSG_DATA((struct nlmsghdr *)buf);
	CHECK("is down", i->ifi_index == 1 && i->ifi_type == 772 && i->ifi_flags == IFF_LOOPBACK);
	CHECK("name", strcmp(find(IFLA_IFNAME, sizeof *i), "lo") == 0);
	CHECK("mtu", *(int *)find(IFLA_MTU, sizeof *i) == 65536);
	CHECK("operstate", *(char *)find(IFLA_OPERSTATE, sizeof *i) == 2);
	CHECK("discipline", strcmp(find(IFLA_QDISC, sizeof *i), "noop") == 0);
	CHECK("queue", *(int *)find(IFLA_TXQLEN, sizeof *i) == 1000);
	CHECK("statistics", find(IFLA_STATS64, sizeof *i) && find(IFLA_STATS, sizeof *i) && find(IFLA_AF_SPEC, sizeof *i));
	CHECK("no such interface", talk(fd, ifinfo(RTM_GETLINK, 0, 99)) == -ENODEV);
	CHECK("the request comes back", ((struct nlmsghdr *)buf)->nlmsg_len == 20 + 32 && ((struct nlmsghdr *)buf)->nlmsg_flags == 0);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, 4);
	CHECK("or its header", talk(fd, ifinfo(RTM_GETLINK, 0, 99)) == -ENODEV && ((struct nlmsghdr *)buf)->nlmsg_len == 36 && ((struct nlmsghdr *)buf)->nlmsg_flags == NLM_F_CAPPED);
	CHECK("no such request", talk(fd, req(200, 0)) == -EOPNOTSUPP);
	CHECK("a type that is none", talk(fd, req(9999, 0)) == -EOPNOTSUPP);
	CHECK("without a family", send(fd, req(RTM_GETLINK, 0), 16, 0) == 16 && recv(fd, buf, 100, MSG_DONTWAIT) == -1);
	CHECK("but an ACK if asked", talk(fd, req(RTM_GETLINK, NLM_F_ACK)) == 0);
	struct req *r = ifinfo(RTM_NEWLINK, NLM_F_ACK, 1);
	((struct ifinfomsg *)r->body)->ifi_flags = IFF_UP;
	((struct ifinfomsg *)r->body)->ifi_change = IFF_UP;
	int mon = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	bind(mon, (void *)&(struct sockaddr_nl){AF_NETLINK, 0, 0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE}, sizeof(struct sockaddr_nl));
	CHECK("up", talk(fd, r) == 0);
	int kinds = 0, n;
	struct sockaddr_nl from;
	socklen_t fl = sizeof from;
	while ((n = recvfrom(mon, buf, sizeof buf, MSG_DONTWAIT, (void *)&from, &fl)) > 0) kinds |= 1 << (((struct nlmsghdr *)buf)->nlmsg_type - 16);
	CHECK("and listeners hear of it", kinds == (1 << 0 | 1 << (RTM_NEWADDR - 16) | 1 << (RTM_NEWROUTE - 16)));
	CHECK("is up", talk(fd, ifinfo(RTM_GETLINK, 0, 1)) == RTM_NEWLINK && ((struct ifinfomsg *)NLMSG_DATA((struct nlmsghdr *)buf))->ifi_flags == 0x10049);
	CHECK("cannot be removed", talk(fd, ifinfo(RTM_DELLINK, NLM_F_ACK, 1)) == -EOPNOTSUPP);
	r = ifinfo(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE, 0);
	attr(r, IFLA_IFNAME, "nosuch", 7);
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, 4);
	CHECK("no kind", talk(fd, r) == -EOPNOTSUPP && ((struct nlmsghdr *)buf)->nlmsg_flags == (NLM_F_CAPPED | NLM_F_ACK_TLVS));
	char *why = buf + 36 + 4;
	CHECK("and why", strcmp(why, "Unknown device type") == 0);
	close(mon);
	close(fd);
}

static struct req *ifaddr(int type, int flags, const char *addr, int bits)
{
	struct req *r = req(type, NLM_F_ACK | flags);
	struct ifaddrmsg m = {.ifa_family = AF_INET, .ifa_prefixlen = bits, .ifa_index = 1};
	struct in_addr a;
	inet_pton(AF_INET, addr, &a);
	add(r, &m, sizeof m);
	attr(r, IFA_LOCAL, &a, 4);
	attr(r, IFA_ADDRESS, &a, 4);
	return r;
}

static struct req *route(int type, int flags, const char *to, int bits, int oif)
{
	struct req *r = req(type, flags);
	struct rtmsg m = {.rtm_family = AF_INET, .rtm_dst_len = bits, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST};
	struct in_addr a;
	inet_pton(AF_INET, to, &a);
	if (type == RTM_GETROUTE) m = (struct rtmsg){.rtm_family = AF_INET, .rtm_dst_len = 32};
	add(r, &m, sizeof m);
	attr(r, RTA_DST, &a, 4);
	if (oif) attr(r, RTA_OIF, &oif, 4);
	return r;
}

static void addresses_and_routes(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), flags;
	struct ifaddrmsg family = {.ifa_family = AF_INET};
	struct req *r;
#define ADDRS (r = req(RTM_GETADDR, NLM_F_DUMP), add(r, &family, sizeof family), dump(fd, r, &flags))
	CHECK("lo's", ADDRS == 1);
	CHECK("one more", talk(fd, ifaddr(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "10.1.1.1", 24)) == 0 && ADDRS == 2);
	CHECK("is there already", talk(fd, ifaddr(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "10.1.1.1", 24)) == -EEXIST);
	CHECK("secondary", talk(fd, ifaddr(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "10.1.1.2", 24)) == 0 && ADDRS == 3);
	CHECK("too long a prefix", talk(fd, ifaddr(RTM_NEWADDR, NLM_F_CREATE, "10.1.1.3", 33)) == -EINVAL);
	CHECK("not there", talk(fd, ifaddr(RTM_DELADDR, 0, "10.1.1.3", 24)) == -EADDRNOTAVAIL);
	CHECK("another mask", talk(fd, ifaddr(RTM_DELADDR, 0, "10.1.1.1", 16)) == -EADDRNOTAVAIL);
	CHECK("the first goes with the second", talk(fd, ifaddr(RTM_DELADDR, 0, "10.1.1.1", 24)) == 0 && ADDRS == 1);
	CHECK("a route", talk(fd, route(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, "10.2.0.0", 16, 1)) == 0);
	CHECK("is there already", talk(fd, route(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, "10.2.0.0", 16, 1)) == -EEXIST);
	CHECK("bits beyond the prefix", talk(fd, route(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, "10.2.0.1", 16, 1)) == -EINVAL);
	CHECK("over nothing", talk(fd, route(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, "10.3.0.0", 16, 77)) == -ENODEV);
	CHECK("where to", talk(fd, route(RTM_GETROUTE, 0, "10.2.3.4", 32, 0)) == RTM_NEWROUTE);
	struct rtmsg *m = NLMSG_DATA((struct nlmsghdr *)buf);
	CHECK("over lo", m->rtm_dst_len == 32 && m->rtm_type == RTN_UNICAST && (m->rtm_flags & RTM_F_CLONED) && *(int *)find(RTA_OIF, sizeof *m) == 1);
	CHECK("local", talk(fd, route(RTM_GETROUTE, 0, "127.1.2.3", 32, 0)) == RTM_NEWROUTE && ((struct rtmsg *)NLMSG_DATA((struct nlmsghdr *)buf))->rtm_type == RTN_LOCAL);
	CHECK("no way", talk(fd, route(RTM_GETROUTE, 0, "8.8.8.8", 32, 0)) == -ENETUNREACH);
	CHECK("gone", talk(fd, route(RTM_DELROUTE, NLM_F_ACK, "10.2.0.0", 16, 0)) == 0);
	CHECK("not there", talk(fd, route(RTM_DELROUTE, NLM_F_ACK, "10.2.0.0", 16, 0)) == -ESRCH);
	close(fd);
}

static void generic(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	struct req *r = req(GENL_ID_CTRL, 0);
	struct genlmsghdr g = {.cmd = CTRL_CMD_GETFAMILY, .version = 1};
	add(r, &g, sizeof g);
	attr(r, CTRL_ATTR_FAMILY_NAME, "nlctrl", 7);
	CHECK("nlctrl", talk(fd, r) == GENL_ID_CTRL && *(unsigned short *)find(CTRL_ATTR_FAMILY_ID, sizeof g) == GENL_ID_CTRL);
	r = req(GENL_ID_CTRL, 0);
	add(r, &g, sizeof g);
	attr(r, CTRL_ATTR_FAMILY_NAME, "nosuchfamily", 13);
	CHECK("no such family", talk(fd, r) == -ENOENT);
	r = req(GENL_ID_CTRL, 0);
	add(r, &g, sizeof g);
	CHECK("of nobody", talk(fd, r) == -EINVAL);
	CHECK("no such id", talk(fd, req(0x7777, 0)) == -ENOENT);
	close(fd);
}

int main(void)
{
	own_network();
	sockets();
	between_programs();
	links();
	addresses_and_routes();
	generic();
	return t_end();
}
