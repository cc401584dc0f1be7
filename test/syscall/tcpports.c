/* TCP's addresses and ports: who may have which; backlogs; TIME-WAIT. */
#include "inet.h"

static int bound(int port, int how)
{
	struct sockaddr_in a = at4(port);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (how & 1) CHECK(set_option(s, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	if (how & 2) CHECK(set_option(s, SOL_SOCKET, SO_REUSEPORT, 1) == 0);
	if (how & 4) a.sin_addr.s_addr = 0;
	if (bind(s, (sa *)&a, sizeof a) == 0) return s;
	int e = errno;
	close(s);
	return -e;
}

static int sign(int r) { if (r >= 0) { close(r); return 0; } return r; }

static void conflicts(void)
{
	for (int first = 0; first < 8; first++) {
		int s = bound(0, first), port = port_of(s);
		printf("bound %d:", first);
		for (int listening = 0; listening < 2; listening++) {
			for (int second = 0; second < 8; second++) printf(" %d", sign(bound(port, second)));
			if (!listening) { CHECK(listen(s, 1) == 0); printf(" listening:"); }
		}
		printf("\n");
		close(s);
	}
	int a = bound(0, 1), b = bound(port_of(a), 1);
	CHECK("two share a port", a >= 0 && b >= 0 && listen(a, 1) == 0);
	CHECK_ERRNO("but one listens", listen(b, 1), EADDRINUSE);
	close(a); close(b);
	a = bound(0, 2);
	b = bound(port_of(a), 2);
	CHECK("two listen to one port", a >= 0 && b >= 0 && listen(a, 50) == 0 && listen(b, 50) == 0);
	int c[40], na = 0, nb = 0, s;
	for (int i = 0; i < 40; i++) c[i] = connect4(port_of(a));
	nonblocking(a); nonblocking(b);
	while ((s = accept(a, NULL, NULL)) >= 0) { na++; close(s); }
	while ((s = accept(b, NULL, NULL)) >= 0) { nb++; close(s); }
	CHECK("and share what comes", na > 0 && nb > 0 && na + nb == 40);
	for (int i = 0; i < 40; i++) close(c[i]);
	close(a); close(b);
}

static void backlog(void)
{
	int l = listener4(1), c[4], n = 0;
	struct sockaddr_in a = at4(port_of(l));
	for (int i = 0; i < 4; i++) {
		c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CHECK_ERRNO(connect(c[i], (sa *)&a, sizeof a), EINPROGRESS);
	}
	usleep(50000);
	for (int i = 0; i < 4; i++) n += (events_of(c[i]) & POLLOUT) != 0;
	CHECK("one more than the backlog gets in", n == 2);
	for (int i = 0; i < 2; i++) close(accept(l, NULL, NULL));
	CHECK("who tried again gets in when there is room", await(c[2], POLLOUT) > 0 && error_of(c[2]) == 0);
	for (int i = 0; i < 4; i++) close(c[i]);
	close(l);
}

static void timewait(void)
{
	int l = bound(0, 1), port = port_of(l);
	CHECK(listen(l, 5) == 0);
	int c = connect4(port), s = accept(l, NULL, NULL);
	close(s);
	close(l);
	char b;
	CHECK(read(c, &b, 1) == 0);
	close(c);
	CHECK("the port of who closed first is taken", sign(bound(port, 0)) == -EADDRINUSE);
	int again = bound(port, 1);
	CHECK("unless it is to be used again", again >= 0 && listen(again, 5) == 0);
	c = connect4(port);
	close(c);
	close(again);
	/* The caller closes first: its port waits, the server's does not. */
	l = listener4(5);
	port = port_of(l);
	c = connect4(port);
	int mine = port_of(c);
	s = accept(l, NULL, NULL);
	close(c);
	CHECK(read(s, &b, 1) == 0);
	close(s);
	close(l);
	CHECK("the server's port is free", sign(bound(port, 0)) == 0);
	CHECK("the caller's is not", sign(bound(mine, 0)) == -EADDRINUSE);
	CHECK("not even for those who share", sign(bound(mine, 1)) == -EADDRINUSE);
}

int main(void)
{
	conflicts();
	backlog();
	timewait();
	return t_end();
}
