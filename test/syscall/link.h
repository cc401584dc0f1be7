/* For programs that make interfaces: requests of rtnetlink(7). */
#ifndef LINK_H
#define LINK_H
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <string.h>
#include <sys/socket.h>

/* The message that is being made. */
static char msg[1024];
static int len;

__attribute__((unused))
static void put(const void *p, int n)
{
	len = NLMSG_ALIGN(len);
	memcpy(msg + len, p, n);
	len += n;
}

static struct rtattr *begin(int type)
{
	struct rtattr a = {RTA_LENGTH(0), type};
	put(&a, sizeof a);
	return (void *)(msg + len - sizeof a);
}

static void end(struct rtattr *a)
{
	a->rta_len = msg + len - (char *)a;
}

static void attr(int type, const void *p, int n)
{
	struct rtattr *a = begin(type);
	put(p, n);
	end(a);
}

/* RTM_NEWLINK or RTM_DELLINK, and what the kernel says to it. */
__attribute__((unused))
static int change_link(int type, int flags, const char *name, const char *kind, const char *peer, int pid)
{
	static int fd = -1;
	struct ifinfomsg i = {.ifi_family = AF_UNSPEC};
	if (fd < 0) fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	memset(msg, 0, sizeof msg);
	len = NLMSG_HDRLEN;
	put(&i, sizeof i);
	attr(IFLA_IFNAME, name, strlen(name) + 1);
	if (pid) attr(IFLA_NET_NS_PID, &pid, 4);
	if (kind) {
		struct rtattr *info = begin(IFLA_LINKINFO);
		attr(IFLA_INFO_KIND, kind, strlen(kind));
		if (peer) {
			struct rtattr *data = begin(IFLA_INFO_DATA), *p = begin(VETH_INFO_PEER);
			put(&i, sizeof i);
			attr(IFLA_IFNAME, peer, strlen(peer) + 1);
			end(p);
			end(data);
		}
		end(info);
	}
	*(struct nlmsghdr *)msg = (struct nlmsghdr){len, type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0};
	if (send(fd, msg, len, 0) != len || recv(fd, msg, sizeof msg, 0) < 36) return -1000;
	return ((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)msg))->error;
}
#endif
