/* TCP over loopback: how connections begin, what they carry, how they end. */
#include "inet.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void names(void)
{
	int l = listener4(5), port = port_of(l);
	struct sockaddr_in a;
	socklen_t n = sizeof a;
	int c = connect4(port);
	int s = accept4(l, (sa *)&a, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(s >= 0);
	CHECK("accept tells who it is", n == sizeof a && a.sin_family == AF_INET && ntohs(a.sin_port) == port_of(c));
	CHECK("accept4 sets flags", (fcntl(s, F_GETFL) & O_NONBLOCK) && fcntl(s, F_GETFD) == FD_CLOEXEC);
	CHECK("both ends have the server's port", port_of(s) == port && getpeername(c, (sa *)&a, &n) == 0 && ntohs(a.sin_port) == port);
	CHECK("an address that is cut tells its length", (n = 4, getsockname(c, (sa *)&a, &n)) == 0 && n == sizeof a);
	CHECK_ERRNO("connect twice", connect(c, (sa *)&a, sizeof a), EISCONN);
	CHECK_ERRNO("listen when connected", listen(c, 1), EINVAL);
	CHECK_ERRNO("bind when connected", bind(c, (sa *)&a, sizeof a), EINVAL);
	CHECK_ERRNO("accept on no listener", accept(c, NULL, NULL), EINVAL);
	CHECK_ERRNO("connect a listener", connect(l, (sa *)&a, sizeof a), EISCONN);
	CHECK_ERRNO("read from a listener", read(l, &a, 1), ENOTCONN);
	CHECK_ERRNO("peer of a listener", getpeername(l, (sa *)&a, &n), ENOTCONN);
	CHECK_ERRNO("nobody to accept", (nonblocking(l), accept(l, NULL, NULL)), EAGAIN);
	close(c); close(s); close(l);
	s = socket(AF_INET, SOCK_STREAM, 0);
	a = at4(port);
	CHECK_ERRNO("nobody listens", connect(s, (sa *)&a, sizeof a), ECONNREFUSED);
	CHECK("the error was told", error_of(s) == 0);
	CHECK_ERRNO("and once more", connect(s, (sa *)&a, sizeof a), ECONNREFUSED);
	CHECK_ERRNO("too short an address", connect(s, (sa *)&a, 8), EINVAL);
	a.sin_family = AF_INET6;
	CHECK_ERRNO("another family", connect(s, (sa *)&a, sizeof a), EAFNOSUPPORT);
	CHECK_ERRNO("read unconnected", read(s, &a, 1), ENOTCONN);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERRNO("write unconnected", write(s, &a, 1), EPIPE);
	CHECK_ERRNO("shut down unconnected", shutdown(s, SHUT_RDWR), ENOTCONN);
	close(s);
	CHECK_ERRNO("no such protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	CHECK("protocol by name", (s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP)) >= 0 && option(s, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
	close(s);
	CHECK_ERRNO("no pairs", socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}), EOPNOTSUPP);
	s = socket(AF_INET, SOCK_STREAM, 0);
	CHECK("listen binds", listen(s, 1) == 0 && port_of(s) > 0);
	CHECK("listen again", listen(s, 7) == 0);
	close(s);
}

static void later(void)
{
	int l = listener4(5);
	struct sockaddr_in a = at4(port_of(l));
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int r = connect(c, (sa *)&a, sizeof a);
	CHECK("a connect that does not wait", r == -1 && errno == EINPROGRESS);
	CHECK("becomes writable", await(c, POLLOUT) == POLLOUT && error_of(c) == 0);
	CHECK("a second one says that it is done", connect(c, (sa *)&a, sizeof a) == 0);
	CHECK_ERRNO("a third one that it was", connect(c, (sa *)&a, sizeof a), EISCONN);
	close(l); close(c);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO("to nobody", connect(c, (sa *)&a, sizeof a), EINPROGRESS);
	CHECK("an error is an event", await(c, POLLOUT) == (POLLOUT | POLLERR | POLLHUP));
	CHECK("which one", error_of(c) == ECONNREFUSED && error_of(c) == 0);
	CHECK_ERRNO("after the error", connect(c, (sa *)&a, sizeof a), ECONNABORTED);
	close(c);
	/* To itself: both sides open at once. */
	c = socket(AF_INET, SOCK_STREAM, 0);
	a = at4(0);
	CHECK(bind(c, (sa *)&a, sizeof a) == 0);
	a = at4(port_of(c));
	CHECK("connect to itself", connect(c, (sa *)&a, sizeof a) == 0);
	char b[8] = "";
	CHECK("and hear itself", write(c, "echo", 4) == 4 && read(c, b, 8) == 4 && !memcmp(b, "echo", 4));
	close(c);
	/* Nowhere is here. */
	l = listener4(5);
	a = at4(port_of(l));
	a.sin_addr.s_addr = 0;
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK("connect to 0.0.0.0", connect(c, (sa *)&a, sizeof a) == 0);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	CHECK("disconnect", connect(c, &none, sizeof none) == 0);
	CHECK_ERRNO("is disconnected", getpeername(c, (sa *)&a, (socklen_t[]){sizeof a}), ENOTCONN);
	a = at4(port_of(l));
	CHECK("connect anew", connect(c, (sa *)&a, sizeof a) == 0);
	close(c); close(l);
	a.sin_addr.s_addr = inet_addr("224.0.0.1");
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO("to many", connect(c, (sa *)&a, sizeof a), ENETUNREACH);
	a.sin_addr.s_addr = inet_addr("203.0.113.77");
	CHECK_ERRNO("bind to a stranger's address", bind(c, (sa *)&a, sizeof a), EADDRNOTAVAIL);
	close(c);
}

static void bytes(void)
{
	int s[2], n;
	char b[64], c[64];
	pair4(s);
	CHECK("write and read", write(s[0], "hello world", 11) == 11 && read(s[1], b, 5) == 5 && !memcmp(b, "hello", 5));
	CHECK("how much is left", ioctl(s[1], FIONREAD, &n) == 0 && n == 6);
	CHECK("look", recv(s[1], b, 64, MSG_PEEK) == 6 && !memcmp(b, " world", 6));
	CHECK("look at less", recv(s[1], b, 2, MSG_PEEK) == 2);
	CHECK("throw away", recv(s[1], NULL, 3, MSG_TRUNC) == 3);
	CHECK("the rest", recv(s[1], b, 64, MSG_DONTWAIT) == 3 && !memcmp(b, "rld", 3));
	CHECK_ERRNO("nothing there", recv(s[1], b, 64, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO("no errors queued", recv(s[1], b, 64, MSG_ERRQUEUE), EAGAIN);
	CHECK("nothing to send", send(s[0], b, 0, 0) == 0);
	CHECK("read nothing", read(s[1], b, 0) == 0);
	CHECK("with an address", sendto(s[0], "x", 1, 0, (sa *)b, 16) == 1 && read(s[1], b, 1) == 1);
	struct iovec v[2] = { { "one", 3 }, { "two", 3 } }, w[2] = { { b, 2 }, { c, 8 } };
	CHECK("gather and scatter", writev(s[0], v, 2) == 6 && readv(s[1], w, 2) == 6 && !memcmp(b, "on", 2) && !memcmp(c, "etwo", 4));
	if (fork() == 0) {
		usleep(20000);
		write(s[0], "ab", 2);
		usleep(20000);
		write(s[0], "cd", 2);
		_exit(0);
	}
	CHECK("all of it", recv(s[1], b, 4, MSG_WAITALL) == 4 && !memcmp(b, "abcd", 4));
	wait(NULL);
	CHECK(set_option(s[1], SOL_SOCKET, SO_RCVLOWAT, 3) == 0);
	write(s[0], "12", 2);
	CHECK("below the low water mark", (events_of(s[1]) & POLLIN) == 0);
	write(s[0], "3", 1);
	CHECK("at the low water mark", (await(s[1], POLLIN) & POLLIN) != 0 && read(s[1], b, 8) == 3);
	CHECK(set_option(s[1], SOL_SOCKET, SO_RCVLOWAT, 1) == 0);
	struct timeval tv = { 0, 30000 };
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("nothing comes in time", read(s[1], b, 1), EAGAIN);
	/* More than fits. */
	nonblocking(s[0]);
	static char big[8 << 20];
	for (size_t i = 0; i < sizeof big; i++) big[i] = i * 7 + (i >> 9);
	ssize_t sent = 0, r;
	while ((r = write(s[0], big + sent, sizeof big - sent)) > 0) sent += r;
	CHECK("it fills up", r == -1 && errno == EAGAIN && sent > 0 && sent < (ssize_t)sizeof big);
	CHECK("and says so", (events_of(s[0]) & POLLOUT) == 0);
	ssize_t got = 0;
	int good = 1;
	char part[50000];
	while (got < (ssize_t)sizeof big) {
		r = recv(s[1], part, sizeof part, 0);
		if (r <= 0) break;
		good &= !memcmp(part, big + got, r);
		got += r;
		while (sent < (ssize_t)sizeof big && (r = write(s[0], big + sent, sizeof big - sent)) > 0) sent += r;
	}
	CHECK("all of it arrives, in order", good && got == (ssize_t)sizeof big);
	CHECK("and it is writable again", await(s[0], POLLOUT) == POLLOUT);
	/* From a file, and by a pipe. */
	char name[] = "/tmp/tcpXXXXXX";
	int f = mkstemp(name);
	unlink(name);
	CHECK(write(f, big, 100000) == 100000);
	off_t off = 1000;
	CHECK("sendfile", sendfile(s[0], f, &off, 50000) == 50000 && off == 51000);
	CHECK("what it sent", recv(s[1], part, 50000, MSG_WAITALL) == 50000 && !memcmp(part, big + 1000, 50000));
	int p[2];
	CHECK(pipe(p) == 0);
	write(s[0], "spliced", 7);
	await(s[1], POLLIN);
	CHECK("splice out of it", splice(s[1], NULL, p[1], NULL, 100, 0) == 7 && read(p[0], b, 8) == 7 && !memcmp(b, "spliced", 7));
	write(p[1], "back", 4);
	CHECK("splice into it", splice(p[0], NULL, s[1], NULL, 4, 0) == 4 && (await(s[0], POLLIN), read(s[0], b, 8)) == 4);
	CHECK_ERRNO("no seeking", lseek(s[0], 0, SEEK_SET), ESPIPE);
	char *volatile nowhere = (char *)8;
	CHECK_ERRNO("bytes nowhere", write(s[0], nowhere, 4), EFAULT);
	close(f); close(p[0]); close(p[1]); close(s[0]); close(s[1]);
}

static volatile int pipes;
static void on_pipe(int sig) { (void)sig; pipes++; }

static void ends(void)
{
	int s[2];
	char b[16];
	signal(SIGPIPE, on_pipe);
	pair4(s);
	write(s[0], "last", 4);
	CHECK("close for writing", shutdown(s[0], SHUT_WR) == 0);
	CHECK("the other side sees it", (await(s[1], POLLRDHUP) & POLLRDHUP) != 0 && read(s[1], b, 16) == 4 && read(s[1], b, 16) == 0);
	CHECK("its events", events_of(s[1]) == (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLRDHUP));
	CHECK("ours", events_of(s[0]) == (POLLOUT | POLLWRNORM));
	CHECK_ERRNO("no more writing", write(s[0], "x", 1), EPIPE);
	CHECK("with a signal", pipes == 1);
	CHECK_ERRNO("no more writing, quietly", send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK("without a signal", pipes == 1);
	CHECK("the other way still goes", write(s[1], "ok", 2) == 2 && read(s[0], b, 16) == 2);
	CHECK("both are closed now", shutdown(s[1], SHUT_WR) == 0 && read(s[0], b, 16) == 0);
	CHECK("hung up", (await(s[0], POLLHUP) & POLLHUP) != 0);
	CHECK("again is an error", shutdown(s[0], SHUT_WR) == -1 && errno == ENOTCONN);
	CHECK_ERRNO("no such way", shutdown(s[0], 7), EINVAL);
	close(s[0]); close(s[1]);

	pair4(s);
	CHECK("close for reading", shutdown(s[0], SHUT_RD) == 0 && read(s[0], b, 1) == 0);
	CHECK("is not seen over there", write(s[1], "abc", 3) == 3);
	CHECK("what still comes can be read", (usleep(1000), read(s[0], b, 16)) == 3);
	close(s[0]); close(s[1]);

	pair4(s);
	write(s[0], "unread", 6);
	await(s[1], POLLIN);
	close(s[1]);
	CHECK("closed with bytes unread", (await(s[0], POLLIN) & (POLLIN | POLLERR | POLLHUP | POLLRDHUP)) == (POLLIN | POLLERR | POLLHUP));
	CHECK_ERRNO("is a reset", read(s[0], b, 1), ECONNRESET);
	CHECK("then the end", read(s[0], b, 1) == 0);
	CHECK_ERRNO("and a broken pipe", write(s[0], b, 1), EPIPE);
	CHECK("twice signalled", pipes == 2);
	close(s[0]);

	pair4(s);
	write(s[1], "before", 6);
	await(s[0], POLLIN);
	struct linger l = { 1, 0 };
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
	close(s[1]);
	await(s[0], POLLHUP);
	CHECK("a reset, with bytes before it", read(s[0], b, 16) == 6);
	CHECK_ERRNO("then the reset", read(s[0], b, 16), ECONNRESET);
	close(s[0]);

	pair4(s);
	close(s[1]);
	CHECK("a write after the other side closed", write(s[0], "1", 1) == 1);
	await(s[0], POLLHUP);
	CHECK_ERRNO("brings a broken pipe", write(s[0], "2", 1), EPIPE);
	close(s[0]);

	/* A listener that closes resets who waits in it. */
	int lis = listener4(5);
	int c = connect4(port_of(lis));
	close(lis);
	await(c, POLLIN);
	CHECK_ERRNO("a server that goes away", read(c, b, 1), ECONNRESET);
	close(c);
	lis = listener4(5);
	int port = port_of(lis);
	CHECK("a listener that is shut down", shutdown(lis, SHUT_RD) == 0);
	struct sockaddr_in a = at4(port);
	c = socket(AF_INET, SOCK_STREAM, 0);
	CHECK_ERRNO("listens no more", connect(c, (sa *)&a, sizeof a), ECONNREFUSED);
	CHECK("until it does", listen(lis, 1) == 0);
	close(c); close(lis);
}

static void blocked(void)
{
	int l = listener4(5), st;
	char b[4];
	struct sockaddr_in a = at4(port_of(l));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(30000);
		int c = connect4(ntohs(a.sin_port));
		write(c, "yes", 3);
		_exit(read(c, b, 4) == 0 ? 0 : 1);
	}
	int s = accept(l, NULL, NULL);
	CHECK("accept waits", s >= 0);
	CHECK("read waits", read(s, b, 4) == 3);
	close(s);
	CHECK("the child saw the end", waitpid(pid, &st, 0) == pid && st == 0);
	struct timeval tv = { 0, 20000 };
	CHECK(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("accept does not wait for ever", accept(l, NULL, NULL), EAGAIN);
	close(l);
}

/* More goodbyes at once than may wait before the stack takes them in. */
static void abandoned(void)
{
	enum { MANY = 2500 };
	struct rlimit most = { MANY + 100, MANY + 100 };
	CHECK(setrlimit(RLIMIT_NOFILE, &most) == 0);
	int l = listener4(MANY), reset = 0;
	struct sockaddr_in a = at4(port_of(l));
	static struct pollfd c[MANY];
	for (int i = 0; i < MANY; i++) {
		c[i] = (struct pollfd){ socket(AF_INET, SOCK_STREAM, 0), POLLIN, 0 };
		if (connect(c[i].fd, (sa *)&a, sizeof a) < 0) { CHECK("all are let in", 0); return; }
	}
	close(l);
	for (int i = 0; i < MANY; i++) reset += poll(&c[i], 1, 1000) == 1 && error_of(c[i].fd) == ECONNRESET;
	CHECK("each hears that the listener is gone", reset == MANY);
	for (int i = 0; i < MANY; i++) close(c[i].fd);
}

int main(void)
{
	names();
	later();
	bytes();
	ends();
	blocked();
	abandoned();
	return t_end();
}
