/* Hogs of sockets: what waits in them, and connections. */
#include "hog.h"

/* Full of bytes, of messages, of sockets on their way that hold each other. */
static void sockets(void)
{
	static char block[65536], control[CMSG_SPACE(4)];
	for (int type = SOCK_STREAM;; type = type == SOCK_STREAM ? SOCK_DGRAM : SOCK_STREAM) {
		int s[2];
		if (!tried(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s), "socketpair")) return;
		struct iovec iov = {block, 1};
		struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		struct cmsghdr *c = (void *)control;
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		for (int i = 0; i < 50; i++) {
			memcpy(CMSG_DATA(c), &s[i & 1], 4);
			if (!tried(sendmsg(s[0], &m, 0), "sendmsg")) return;
		}
		while (write(s[0], block, sizeof block) > 0) ;
		while (write(s[1], "x", 1) > 0) ;
		if (errno != EAGAIN) {
			tried(-1, "write");
			return;
		}
		if (done % 3 == 0) {
			close(s[0]);
			close(s[1]);
		}
	}
}

/* Datagrams that nobody reads, small ones first, and one of many that stays; groups; errors that nobody asks for. */
static void datagrams(void)
{
	static char block[60000];
	int most = 1 << 30, one = 1;
	struct sockaddr_in drop = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int k = 0;; k++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t length = sizeof a;
		int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (!tried(s, "socket")) return;
		if (!tried(bind(s, (void *)&a, sizeof a), "bind")) return;
		setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &most, sizeof most);
		setsockopt(s, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
		getsockname(s, (void *)&a, &length);
		for (int i = 0; i < 3000; i++) {
			if (sendto(s, block, k % 3 == 2 ? sizeof block : 1, 0, (void *)&a, sizeof a) < 0) break;
			for (int j = 0; k % 3 == 1 && j < 4; j++) sendto(s, block, 1, 0, (void *)&drop, sizeof drop);
		}
		for (int i = 0; i < 100; i++) {
			struct ip_mreqn r = {.imr_multiaddr.s_addr = htonl(0xef000001 + i), .imr_ifindex = 1};
			if (setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &r, sizeof r) < 0) break;
		}
		sendto(s, block, sizeof block, MSG_MORE, (void *)&a, sizeof a);
	}
}

/* Connections that nobody reads from, full in both directions; bytes one by one on every second. */
static void tcp_connections(void)
{
	static char block[65536];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	bind(l, (void *)&a, sizeof a);
	getsockname(l, (void *)&a, &length);
	if (!tried(listen(l, 100), "listen")) return;
	for (;;) {
		int s[2] = {socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), -1};
		if (!tried(s[0], "socket")) return;
		if (connect(s[0], (void *)&a, sizeof a) < 0 && errno != EINPROGRESS) {
			tried(-1, "connect");
			return;
		}
		/* Some wait to be accepted for ever. */
		if (done % 5 != 0 && (s[1] = accept4(l, NULL, NULL, SOCK_NONBLOCK)) < 0) {
			tried(-1, "accept");
			return;
		}
		for (int i = 0; i < 2; i++) {
			if (done % 2 == 0) {
				while (write(s[i], block, sizeof block) > 0) ;
				continue;
			}
			setsockopt(s[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			for (int k = 0; k < 2000 && write(s[i], block, 1) > 0; k++) ;
		}
	}
}

/* Calls that nobody takes, from ports that are let go and taken again; what is left of many short ones. */
static void tcp_calls(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof a;
	struct linger linger = {1, 0};
	int l = socket(AF_INET, SOCK_STREAM, 0);
	bind(l, (void *)&a, sizeof a);
	getsockname(l, (void *)&a, &length);
	if (!tried(listen(l, 4096), "listen")) return;
	for (;;) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (!tried(s, "socket")) return;
		connect(s, (void *)&a, sizeof a);
		write(s, "?", 1);
		if (done % 3 == 0) setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
		if (done % 3 != 1) close(s);
	}
}
