/* Connections in all manners, many of which end badly: nothing of them is to be left. */
#include "../../syscall/inet.h"
#include <signal.h>

static int v6_pair(int s[2])
{
	struct sockaddr_in6 a = at6(0);
	int l = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(bind(l, (sa *)&a, sizeof a) == 0 && listen(l, 3) == 0);
	a = at6(port_of(l));
	s[0] = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(connect(s[0], (sa *)&a, sizeof a) == 0);
	s[1] = accept(l, NULL, NULL);
	return close(l);
}

static void once(int how)
{
	static char big[300000];
	int s[2], l, c[6];
	struct linger linger = { 1, 0 };
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in a;
	switch (how) {
	case 0: pair4(s); close(s[0]); close(s[1]); break;
	case 1: pair4(s); write(s[0], "x", 1); close(s[1]); close(s[0]); break;
	case 2: pair4(s); write(s[0], big, sizeof big); shutdown(s[0], SHUT_WR); close(s[1]); close(s[0]); break;
	case 3: pair4(s); setsockopt(s[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger); close(s[0]); close(s[1]); break;
	case 4: v6_pair(s); shutdown(s[0], SHUT_RDWR); close(s[1]); close(s[0]); break;
	case 5:
		l = listener4(3);
		for (int i = 0; i < 6; i++) {
			a = at4(port_of(l));
			c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
			connect(c[i], (sa *)&a, sizeof a);
			if (i == 2) write(c[i], "unheard", 7);
		}
		if (how & 1) close(l);
		for (int i = 0; i < 6; i++) close(c[i]);
		if (!(how & 1)) close(l);
		break;
	case 6:
		l = listener4(3);
		a = at4(port_of(l));
		close(l);
		s[0] = socket(AF_INET, SOCK_STREAM, 0);
		for (int i = 0; i < 3; i++) CHECK_ERRNO(connect(s[0], (sa *)&a, sizeof a), ECONNREFUSED);
		close(s[0]);
		break;
	case 7: pair4(s); connect(s[0], &none, sizeof none); read(s[1], big, 1); connect(s[1], &none, sizeof none); close(s[0]); close(s[1]); break;
	case 8: pair4(s); if (fork() == 0) { write(s[1], big, 1000); _exit(0); } wait(NULL); close(s[1]); read(s[0], big, 10); close(s[0]); break;
	case 9: pair4(s); nonblocking(s[0]); while (write(s[0], big, sizeof big) > 0) {} close(s[0]); while (read(s[1], big, sizeof big) > 0) {} close(s[1]); break;
	case 10: pair4(s); send(s[0], "u", 1, MSG_OOB); nonblocking(s[0]); while (write(s[0], big, sizeof big) > 0) {} close(s[1]); close(s[0]); break;
	case 11: l = listener4(3); shutdown(l, SHUT_RD); listen(l, 5); close(l); l = socket(AF_INET6, SOCK_STREAM, 0); listen(l, 1); connect(l, &none, sizeof none); close(l); break;
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 120; i++) once(i % 12);
	/* And some that end with the process. */
	int s[2];
	pair4(s);
	write(s[0], "left", 4);
	listener4(3);
	puts("done");
	return 0;
}
