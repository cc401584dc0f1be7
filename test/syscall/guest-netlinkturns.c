/* Thousands of requests in one message, each of which goes through all interfaces: others get their turns meanwhile. */
#include "netns.h"
#include "link.h"
#include <pthread.h>
#include <stdlib.h>

enum { LINKS = 100, REQUESTS = 4000 };

static volatile int state;

static void *send_all(void *arg)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		struct rtattr group;
		int n;
		struct rtattr queue;
		int length;
	} *all = calloc(REQUESTS, sizeof *all);
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), size = REQUESTS * sizeof *all, room = 2 * size;
	for (int i = 0; i < REQUESTS; i++) {
		all[i].h = (struct nlmsghdr){sizeof *all, RTM_NEWLINK, NLM_F_REQUEST, i, 0};
		all[i].group = (struct rtattr){RTA_LENGTH(4), IFLA_GROUP};
		all[i].queue = (struct rtattr){RTA_LENGTH(4), IFLA_TXQLEN};
		all[i].length = i;
	}
	CHECK(setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) == 0);
	state = 1;
	int sent = send(s, all, size, 0);
	state = 2;
	CHECK(sent == size);
	return arg;
}

int main(void)
{
	pthread_t t;
	long turns = 0;
	own_network();
	for (int i = 0; i < LINKS; i++) CHECK(change_link(RTM_NEWLINK, NLM_F_CREATE, "d%d", "dummy", NULL, 0) == 0);
	CHECK(pthread_create(&t, NULL, send_all, NULL) == 0);
	while (state == 0) sched_yield();
	while (state == 1) turns++, sched_yield();
	CHECK(pthread_join(t, NULL) == 0);
	CHECK("others had their turns", turns > 1);
	char text[16] = "";
	FILE *f = fopen("/sys/class/net/d0/tx_queue_len", "r");
	CHECK("all was done, once and in order", f && fgets(text, sizeof text, f) && atoi(text) == REQUESTS - 1);
	return t_end();
}
