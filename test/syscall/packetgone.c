/* Packet sockets whose interface goes down, or away. See packet(7). A host without veth has nothing to say. */
#include "netns.h"
#include "link.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

static void set_up(const char *name, int is)
{
	struct ifreq r = {0};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(r.ifr_name, name);
	CHECK(ioctl(s, SIOCGIFFLAGS, &r) == 0);
	r.ifr_flags = is ? r.ifr_flags | IFF_UP : r.ifr_flags & ~IFF_UP;
	CHECK(ioctl(s, SIOCSIFFLAGS, &r) == 0);
	close(s);
}

static int bound(int index)
{
	struct sockaddr_ll a = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	CHECK(bind(s, (void *)&a, sizeof a) == 0);
	return s;
}

static int receives(int s)
{
	return recv(s, msg, sizeof msg, MSG_DONTWAIT);
}

/* What was said of interface `index` since: how often, and what last. */
static int heard(int nl, int index, int *last)
{
	static char buf[16384];
	int n, count = 0;
	while ((n = recv(nl, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			struct ifinfomsg *i = NLMSG_DATA(h);
			if ((h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK) || i->ifi_index != index) continue;
			count++;
			*last = h->nlmsg_type;
		}
	}
	return count;
}

int main(void)
{
	own_network();
	if (change_link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "d0", "veth", "d1", 0)) return T_NOT_HERE;
	int index = if_nametoindex("d0"), group = RTNLGRP_LINK, last = 0;
	struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	int nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), unbound = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	CHECK(bind(nl, (void *)&any, sizeof any) == 0);
	CHECK(setsockopt(nl, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0);
	CHECK(setsockopt(unbound, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0);

	int s = bound(index);
	CHECK_ERRNO("bound to what is down", receives(s), ENETDOWN);
	CHECK_ERRNO("that is told once", receives(s), EAGAIN);
	set_up("d0", 1);
	while (receives(s) > 0);
	set_up("d0", 0);
	struct pollfd p = {s, POLLIN, 0};
	CHECK("going down is an error", poll(&p, 1, 0) == 1 && (p.revents & POLLERR));
	CHECK_ERRNO("of this kind", ({ int n; while ((n = receives(s)) > 0); n; }), ENETDOWN);
	set_up("d0", 1);

	struct packet_mreq m = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
	int other = socket(AF_PACKET, SOCK_RAW, 0);
	CHECK("another sees all of it", setsockopt(other, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) == 0);
	CHECK("which is told", heard(nl, index, &last) > 0 && last == RTM_NEWLINK);
	CHECK("but not to who has no port", heard(unbound, index, &last) == 0);
	CHECK("it goes away", change_link(RTM_DELLINK, 0, "d0", NULL, NULL, 0) == 0);
	CHECK("its end is the last of it", heard(nl, index, &last) > 0 && last == RTM_DELLINK);
	CHECK_ERRNO("an error for who was bound", ({ int n; while ((n = receives(s)) > 0); n; }), ENETDOWN);
	struct sockaddr_ll a;
	socklen_t n = sizeof a;
	CHECK("who is bound to nothing now", getsockname(s, (void *)&a, &n) == 0 && a.sll_ifindex == -1);
	CHECK("the membership went with it", setsockopt(other, SOL_PACKET, PACKET_DROP_MEMBERSHIP, &m, sizeof m) == 0 || errno == ENODEV || errno == EADDRNOTAVAIL);
	close(other);
	close(s);
	CHECK("and nothing more is said", heard(nl, index, &last) == 0);
	return t_end();
}
