/* veth: two networks joined, made by rtnetlink. See veth(4). A host without veth has nothing to say. */
#include "netns.h"
#include "link.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void up(const char *name, const char *addr)
{
	struct ifreq r = {0};
	struct sockaddr_in *in = (void *)&r.ifr_addr;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	strcpy(r.ifr_name, name);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, addr, &in->sin_addr);
	CHECK(ioctl(s, SIOCSIFADDR, &r) == 0);
	CHECK(ioctl(s, SIOCGIFFLAGS, &r) == 0);
	r.ifr_flags |= IFF_UP;
	CHECK(ioctl(s, SIOCSIFFLAGS, &r) == 0);
	close(s);
}

static int flags(const char *name)
{
	struct ifreq r = {0};
	int s = socket(AF_INET, SOCK_DGRAM, 0), n;
	strcpy(r.ifr_name, name);
	n = ioctl(s, SIOCGIFFLAGS, &r);
	close(s);
	return n < 0 ? -1 : r.ifr_flags;
}

/* Answers what comes to its end, until its end is gone. */
/* Linux looks at carriers when it finds time. */
static int becomes(const char *name, int wanted)
{
	for (int i = 0; i < 500 && flags(name) != wanted; i++) usleep(10000);
	return flags(name) == wanted;
}

static void other_end(int ready)
{
	char c;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(1234)}, from;
	socklen_t n = sizeof from;
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(write(ready, "x", 1) == 1 && read(ready, &c, 1) == 1);
	up("far", "10.1.1.2");
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK(bind(s, (void *)&a, sizeof a) == 0);
	CHECK(write(ready, "x", 1) == 1);
	for (;;) {
		char buf[2000];
		int got = recvfrom(s, buf, sizeof buf, 0, (void *)&from, &n);
		if (got < 0) _exit(1);
		sendto(s, buf, got, 0, (void *)&from, n);
	}
}

int main(void)
{
	int pair[2], s, n;
	char c, buf[3000];
	own_network();
	n = change_link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "near", "veth", "far", 0);
	if (n == -EOPNOTSUPP) _exit(T_NOT_HERE);
	CHECK("a pair", n == 0 && if_nametoindex("near") && if_nametoindex("far"));
	CHECK("is there", change_link(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "near", "veth", "far2", 0) == -EEXIST);
	CHECK("a kind that nobody has", change_link(RTM_NEWLINK, NLM_F_CREATE, "other", "nosuch", NULL, 0) == -EOPNOTSUPP);
	CHECK("a name that is none", change_link(RTM_NEWLINK, NLM_F_CREATE, "a/b", "veth", NULL, 0) == -EINVAL);
	CHECK("down", becomes("near", IFF_BROADCAST | IFF_MULTICAST));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(pair[0]);
		other_end(pair[1]);
	}
	close(pair[1]);
	CHECK(read(pair[0], &c, 1) == 1);
	CHECK("one end goes elsewhere", change_link(RTM_NEWLINK, 0, "far", NULL, NULL, pid) == 0 && if_nametoindex("far") == 0);
	up("near", "10.1.1.1");
	CHECK("no carrier yet", becomes("near", IFF_UP | IFF_BROADCAST | IFF_MULTICAST));
	CHECK(write(pair[0], "x", 1) == 1 && read(pair[0], &c, 1) == 1);
	/* Linux looks after a while. */
	CHECK("carrier", becomes("near", IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(1234)};
	inet_pton(AF_INET, "10.1.1.2", &a.sin_addr);
	s = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd p = {.fd = s, .events = POLLIN};
	CHECK("there", sendto(s, "hello", 5, 0, (void *)&a, sizeof a) == 5);
	CHECK("and back", poll(&p, 1, 5000) == 1 && recv(s, buf, sizeof buf, 0) == 5);
	memset(buf, 'x', sizeof buf);
	CHECK("in pieces", sendto(s, buf, 1900, 0, (void *)&a, sizeof a) == 1900);
	CHECK("and back", poll(&p, 1, 5000) == 1 && recv(s, buf, sizeof buf, 0) == 1900);
	CHECK("the end of one", change_link(RTM_DELLINK, 0, "near", NULL, NULL, 0) == 0 && if_nametoindex("near") == 0);
	CHECK_ERRNO("is the end of the way", sendto(s, "hello", 5, 0, (void *)&a, sizeof a), ENETUNREACH);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return t_end();
}
