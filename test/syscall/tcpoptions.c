/* Options of TCP sockets: what they take, what they tell, what accepted sockets inherit. */
#include "inet.h"

#define TCP(s, name) option(s, IPPROTO_TCP, name)
#define SET(s, name, v) set_option(s, IPPROTO_TCP, name, v)

static void numbers(void)
{
	static const struct { const char *what; int name, values[8]; } all[] = {
		{ "TCP_NODELAY", TCP_NODELAY, { 1, 0, 7, -1 } },
		{ "TCP_CORK", TCP_CORK, { 1, 0, 5 } },
		{ "TCP_MAXSEG", TCP_MAXSEG, { 1000, 87, 88, 40000, 0 } },
		{ "TCP_KEEPIDLE", TCP_KEEPIDLE, { 10, 0, 32767, 32768, -1 } },
		{ "TCP_KEEPINTVL", TCP_KEEPINTVL, { 3, 0, 32767, 32768 } },
		{ "TCP_KEEPCNT", TCP_KEEPCNT, { 4, 0, 127, 128 } },
		{ "TCP_SYNCNT", TCP_SYNCNT, { 2, 0, 127, 128 } },
		{ "TCP_LINGER2", TCP_LINGER2, { 5, -3, 0, 121, 120 } },
		{ "TCP_DEFER_ACCEPT", TCP_DEFER_ACCEPT, { 1, 2, 3, 4, 10, 100, 0, -1 } },
		{ "TCP_WINDOW_CLAMP", TCP_WINDOW_CLAMP, { 4096, 1, 0 } },
		{ "TCP_USER_TIMEOUT", TCP_USER_TIMEOUT, { 1000, 0, -1 } },
		{ "TCP_QUICKACK", TCP_QUICKACK, { 0, 1 } },
		{ "TCP_NOTSENT_LOWAT", 25, { 16384, 0 } },
		{ "TCP_THIN_DUPACK", 17, { 1, 2 } },
		{ "TCP_REPAIR of an ordinary kind", 9999, { 1 } },
	};
	int s = socket(AF_INET, SOCK_STREAM, 0);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		printf("%s: %d", all[i].what, TCP(s, all[i].name));
		for (int k = 0; k < 8; k++) {
			int v = all[i].values[k];
			if (v == 0 && k > 0 && all[i].values[k - 1] == 0) break;
			printf(", %d:", v);
			printf(" %d", SET(s, all[i].name, v));
			printf(" %d", TCP(s, all[i].name));
		}
		printf("\n");
	}
	static const int sizes[] = { 0, 100, 5000, 100000 };
	for (int i = 0; i < 4; i++) {
		printf("SO_SNDBUF %d: %d", sizes[i], set_option(s, SOL_SOCKET, SO_SNDBUF, sizes[i]));
		printf(" %d", option(s, SOL_SOCKET, SO_SNDBUF));
		printf(", SO_RCVBUF: %d", set_option(s, SOL_SOCKET, SO_RCVBUF, sizes[i]));
		printf(" %d\n", option(s, SOL_SOCKET, SO_RCVBUF));
	}
	char name[32] = "";
	socklen_t n = 32;
	CHECK("congestion control", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0 && getsockopt(s, IPPROTO_TCP, TCP_CONGESTION, name, &n) == 0 && n == 16 && !strcmp(name, "reno"));
	CHECK_ERRNO("of a kind that nobody knows", setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8), ENOENT);
	CHECK_ERRNO("an option cut short", setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &n, 3), EINVAL);
	CHECK_ERRNO("no upper layer", setsockopt(s, IPPROTO_TCP, TCP_ULP, "nope", 4), ENOENT);
	CHECK("accepts connections", option(s, SOL_SOCKET, SO_ACCEPTCONN) == 0 && listen(s, 1) == 0 && option(s, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	CHECK("type, family, protocol", option(s, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && option(s, SOL_SOCKET, SO_DOMAIN) == AF_INET && option(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
	close(s);
}

static void inherited(void)
{
	int l = listener4(5);
	CHECK(SET(l, TCP_NODELAY, 1) == 0 && SET(l, TCP_KEEPIDLE, 77) == 0 && SET(l, TCP_USER_TIMEOUT, 1234) == 0);
	CHECK(set_option(l, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && set_option(l, SOL_SOCKET, SO_RCVBUF, 20000) == 0);
	CHECK(set_option(l, IPPROTO_IP, IP_TTL, 33) == 0 && set_option(l, SOL_SOCKET, SO_OOBINLINE, 1) == 0);
	int c = connect4(port_of(l)), s = accept(l, NULL, NULL);
	CHECK("an accepted socket is as its listener", TCP(s, TCP_NODELAY) == 1 && TCP(s, TCP_KEEPIDLE) == 77 && TCP(s, TCP_USER_TIMEOUT) == 1234);
	CHECK("in all levels", option(s, SOL_SOCKET, SO_KEEPALIVE) == 1 && option(s, SOL_SOCKET, SO_RCVBUF) == 40000 && option(s, IPPROTO_IP, IP_TTL) == 33 && option(s, SOL_SOCKET, SO_OOBINLINE) == 1);
	CHECK("the caller is not", TCP(c, TCP_NODELAY) == 0 && TCP(c, TCP_KEEPIDLE) == 7200);
	CHECK("segments of loopback", TCP(c, TCP_MAXSEG) > 5000 && TCP(c, TCP_MAXSEG) <= 65483);
	close(c); close(s); close(l);
}

static void info(void)
{
	int s[2];
	struct tcp_info i = {0}, j = {0};
	socklen_t n = sizeof i;
	pair4(s);
	char b[100];
	CHECK(write(s[0], b, 100) == 100 && recv(s[1], b, 100, MSG_WAITALL) == 100);
	CHECK(write(s[1], b, 10) == 10 && recv(s[0], b, 10, MSG_WAITALL) == 10);
	CHECK("info", getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &i, &n) == 0 && n > 100);
	n = sizeof j;
	CHECK(getsockopt(s[1], IPPROTO_TCP, TCP_INFO, &j, &n) == 0);
	printf("state %d %d options %d %d pmtu %u advmss %u\n", i.tcpi_state, j.tcpi_state, i.tcpi_options, j.tcpi_options,
	       i.tcpi_pmtu, i.tcpi_advmss);
	CHECK("scales agree", i.tcpi_snd_wscale == j.tcpi_rcv_wscale && i.tcpi_rcv_wscale > 0);
	printf("ca %d retransmits %d probes %d backoff %d unacked %u lost %u retrans %u\n", i.tcpi_ca_state, i.tcpi_retransmits,
	       i.tcpi_probes, i.tcpi_backoff, i.tcpi_unacked, i.tcpi_lost, i.tcpi_retrans);
	CHECK("times are sane", i.tcpi_rtt > 0 && i.tcpi_rtt < 1000000 && i.tcpi_rto >= 200000 && i.tcpi_rto < 3000000);
	CHECK("a window", i.tcpi_snd_cwnd >= 10);
	n = 8;
	CHECK("as much as is wanted", getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &i, &n) == 0 && n == 8);
	close(s[1]);
	await(s[0], POLLRDHUP);
	n = sizeof i;
	CHECK("half closed", getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &i, &n) == 0 && i.tcpi_state == TCP_CLOSE_WAIT);
	close(s[0]);
}

static void corks(void)
{
	int s[2];
	char b[32];
	pair4(s);
	/* Linux holds back what is corked for 200 ms: who was stopped for so long tries again. */
	int n = -1, m = -1, good = 0;
	for (int i = 0; i < 20 && !good; i++) {
		CHECK(SET(s[0], TCP_CORK, 1) == 0);
		CHECK(write(s[0], "part", 4) == 4);
		good = recv(s[1], b, 32, MSG_DONTWAIT) == -1 && errno == EAGAIN &&
		       ioctl(s[0], 0x894b /* SIOCOUTQNSD */, &n) == 0 && n == 4 && ioctl(s[0], TIOCOUTQ, &m) == 0 && m == 4;
		if (good) break;
		CHECK(SET(s[0], TCP_CORK, 0) == 0);
		usleep(1000);
		recv(s[1], b, 32, MSG_DONTWAIT);
	}
	CHECK("a cork keeps it back, unsent", good);
	CHECK(SET(s[0], TCP_CORK, 0) == 0);
	CHECK("without it it goes", (await(s[1], POLLIN), read(s[1], b, 32)) == 4);
	good = 0;
	for (int i = 0; i < 20 && !good; i++) {
		CHECK(send(s[0], "ab", 2, MSG_MORE) == 2);
		good = recv(s[1], b, 32, MSG_DONTWAIT) == -1 && errno == EAGAIN;
	}
	CHECK("more is to come", good);
	CHECK("here it is", send(s[0], "cd", 2, 0) == 2 && (await(s[1], POLLIN), recv(s[1], b, 4, MSG_WAITALL)) == 4);
	CHECK(send(s[0], "late", 4, MSG_MORE) == 4);
	CHECK("it does not wait for ever", await(s[1], POLLIN) == POLLIN && read(s[1], b, 32) == 4);
	for (int i = 0; i < 500 && n != 0; i++) {
		usleep(10000);
		CHECK(ioctl(s[0], TIOCOUTQ, &n) == 0);
	}
	CHECK("all is acknowledged in the end", n == 0);
	close(s[0]); close(s[1]);
}

static void deferred(void)
{
	int l = listener4(5);
	char b[8];
	CHECK(SET(l, TCP_DEFER_ACCEPT, 5) == 0);
	int c = connect4(port_of(l));
	nonblocking(l);
	usleep(10000);
	CHECK_ERRNO("nothing to accept before something was said", accept(l, NULL, NULL), EAGAIN);
	CHECK(write(c, "hi", 2) == 2);
	CHECK("now", await(l, POLLIN) == POLLIN);
	int s = accept(l, NULL, NULL);
	CHECK("with what was said", s >= 0 && read(s, b, 8) == 2);
	close(c); close(s); close(l);
}

int main(void)
{
	numbers();
	inherited();
	info();
	corks();
	deferred();
	return t_end();
}
