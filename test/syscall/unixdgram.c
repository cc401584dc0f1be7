/* AF_UNIX datagrams and sequenced packets; many messages at a time. See unix(7). */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <linux/sockios.h>

static int events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static socklen_t abstract(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	return 3 + snprintf(a->sun_path + 1, 60, "dgram-%d-%s", getpid(), name);
}

static int bound(const char *name, struct sockaddr_un *a, socklen_t *n)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	*n = abstract(a, name);
	CHECK(bind(fd, (void *)a, *n) == 0);
	return fd;
}

static int error_of(int fd)
{
	int v = -1;
	socklen_t n = sizeof v;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &n) == 0);
	return v;
}

static void datagrams(void)
{
	struct sockaddr_un a, b, c;
	socklen_t an, bn, cn;
	char buf[64];
	int s = bound("s", &a, &an), t = bound("t", &b, &bn), n;
	CHECK("one is writable", events(s) == POLLOUT);
	CHECK_ERRNO("to whom?", send(t, "x", 1, 0), ENOTCONN);
	CHECK_ERRNO("nothing there", recv(s, buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK("sendto", sendto(t, "hello", 5, 0, (void *)&a, an) == 5);
	CHECK("an empty one", sendto(t, "", 0, 0, (void *)&a, an) == 0);
	CHECK("and one more", sendto(t, "world!", 6, 0, (void *)&a, an) == 6);
	CHECK("FIONREAD is of the first", ioctl(s, FIONREAD, &n) == 0 && n == 5);
	cn = sizeof c;
	CHECK("who sent it", recvfrom(s, buf, 64, MSG_PEEK, (void *)&c, &cn) == 5 && cn == bn && memcmp(&b, &c, bn) == 0);
	CHECK("cut", recv(s, buf, 2, MSG_PEEK) == 2 && recv(s, buf, 2, MSG_PEEK | MSG_TRUNC) == 5);
	struct iovec iov = {buf, 3};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &c, .msg_namelen = sizeof c};
	CHECK("recvmsg says that it was cut", recvmsg(s, &m, 0) == 3 && m.msg_flags == MSG_TRUNC && m.msg_namelen == bn);
	CHECK("the rest is lost", recv(s, buf, 64, 0) == 0);
	CHECK("read takes one too", read(s, buf, 4) == 4);
	CHECK_ERRNO("that was all", recv(s, buf, 64, MSG_DONTWAIT), EAGAIN);
	CHECK_ERRNO("too long", sendto(t, buf, 300000, 0, (void *)&a, an), EMSGSIZE);
	CHECK_ERRNO("nobody has the name", sendto(t, "x", 1, 0, (void *)&c, abstract(&c, "none")), ECONNREFUSED);
	CHECK_ERRNO("MSG_OOB", sendto(t, "x", 1, MSG_OOB, (void *)&a, an), EOPNOTSUPP);

	for (n = 0; n < 100 && sendto(t, "x", 1, MSG_DONTWAIT, (void *)&a, an) == 1; n++) ;
	CHECK("some may wait", n >= 1 && n < 100 && errno == EAGAIN);
	CHECK(connect(t, (void *)&a, an) == 0);
	CHECK("its queue is full", events(t) == 0);
	pid_t kid = fork();
	if (kid == 0) {
		usleep(20000);
		for (int i = 0; i < n + 1; i++) CHECK(recv(s, buf, 1, 0) == 1);
		_exit(0);
	}
	CHECK("waits for room", send(t, "y", 1, 0) == 1);
	waitpid(kid, NULL, 0);
	CHECK("room", events(t) == POLLOUT);

	cn = sizeof c;
	CHECK("connected", getpeername(t, (void *)&c, &cn) == 0 && cn == an);
	int u = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK(connect(s, (void *)&b, bn) == 0);
	CHECK_ERRNO("who is connected hears his peer only", connect(u, (void *)&a, an), EPERM);
	CHECK_ERRNO("as for sendto", sendto(u, "x", 1, 0, (void *)&a, an), EPERM);
	CHECK(send(s, "a", 1, 0) == 1 && send(t, "b", 1, 0) == 1);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	CHECK("disconnected", connect(t, &none, sizeof none) == 0);
	CHECK_ERRNO("what had come is lost", recv(t, buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK("the other one is told", (events(s) & POLLERR) != 0 && error_of(s) == ECONNRESET);
	CHECK("but has his", recv(s, buf, 1, 0) == 1 && buf[0] == 'b');
	CHECK_ERRNO("no peer", getpeername(t, (void *)&c, &cn), ENOTCONN);
	CHECK("he is still connected", send(s, "c", 1, 0) == 1 && recv(t, buf, 1, 0) == 1);
	close(t);
	CHECK_ERRNO("to one who closed", send(s, "d", 1, 0), ECONNREFUSED);
	CHECK_ERRNO("is told once", send(s, "d", 1, 0), ENOTCONN);
	CHECK("an own message", connect(s, (void *)&a, an) == 0 && send(s, "me", 2, 0) == 2 && recv(s, buf, 64, 0) == 2);
	close(u);

	CHECK(connect(s, &none, sizeof none) == 0 && shutdown(s, SHUT_RD) == 0);
	CHECK("nothing more comes", recv(s, buf, 1, 0) == 0 && events(s) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK_ERRNO("without waiting it is nothing yet", recv(s, buf, 1, MSG_DONTWAIT), EAGAIN);
	u = socket(AF_UNIX, SOCK_DGRAM, 0);
	signal(SIGPIPE, SIG_DFL);
	CHECK_ERRNO("nor is sent, without SIGPIPE", sendto(u, "x", 1, 0, (void *)&a, an), EPIPE);
	CHECK(connect(u, (void *)&a, an) == 0);
	CHECK_ERRNO("not even from write", write(u, "x", 1), EPIPE);
	CHECK(shutdown(u, SHUT_WR) == 0);
	CHECK_ERRNO("nor of its own", send(u, "x", 1, 0), EPIPE);
	close(u);
	close(s);
}

static void pairs(int type)
{
	int s[2], n = 0;
	char buf[200000] = {0};
	CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
	CHECK("writable", events(s[0]) == POLLOUT);
	CHECK("apart", write(s[0], "ab", 2) == 2 && write(s[0], "cde", 3) == 3 && read(s[1], buf, 64) == 2 && read(s[1], buf, 64) == 3);
	CHECK("large", send(s[0], buf, 150000, 0) == 150000 && recv(s[1], buf, sizeof buf, 0) == 150000);
	int off = 0;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0);
	CHECK(send(s[0], "abc", 3, 0) == 3 && send(s[0], "defg", 4, 0) == 4);
	CHECK("SO_PEEK_OFF", recv(s[1], buf, 2, MSG_PEEK) == 2 && recv(s[1], buf, 9, MSG_PEEK) == 1 && buf[0] == 'c' && recv(s[1], buf, 9, MSG_PEEK) == 4 && buf[0] == 'd');
	off = -1;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0);
	CHECK(recv(s[1], buf, 9, 0) == 3 && recv(s[1], buf, 9, 0) == 4);
	while (send(s[0], "x", 1, MSG_DONTWAIT) == 1) n++;
	CHECK("many small ones", errno == EAGAIN && n > 100);
	CHECK("then it is not writable", events(s[0]) == 0);
	struct timeval tv = {.tv_usec = 10000};
	CHECK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("SO_SNDTIMEO", send(s[0], "x", 1, 0), EAGAIN);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	for (int i = 0; i < n; i++) CHECK(recv(s[1], buf, 9, 0) == 1);
	CHECK_ERRNO("SO_RCVTIMEO", recv(s[1], buf, 9, 0), EAGAIN);
	CHECK("writable again", events(s[0]) == POLLOUT);
	struct iovec iov = {buf, 64};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	CHECK(write(s[0], "zzz", 3) == 3);
	CHECK("msg_flags", recvmsg(s[1], &m, 0) == 3 && m.msg_flags == 0);
	close(s[1]);
	if (type == SOCK_SEQPACKET) {
		CHECK("hung up", events(s[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
		CHECK("the end", read(s[0], buf, 64) == 0);
		CHECK_ERRNO("broken, without SIGPIPE", write(s[0], "x", 1), EPIPE);
	} else {
		CHECK("nothing is seen of it", events(s[0]) == POLLOUT);
		CHECK_ERRNO("refused", write(s[0], "x", 1), ECONNREFUSED);
		CHECK_ERRNO("then not connected", write(s[0], "x", 1), ENOTCONN);
	}
	close(s[0]);
}

static void seqpacket(void)
{
	struct sockaddr_un a;
	socklen_t n = abstract(&a, "seq");
	char buf[64];
	int s = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	CHECK_ERRNO("not connected", send(c, "x", 1, 0), ENOTCONN);
	CHECK_ERRNO("nor to receive", recv(c, buf, 1, 0), ENOTCONN);
	CHECK("it hangs", events(c) == (POLLOUT | POLLHUP));
	CHECK(bind(s, (void *)&a, n) == 0 && listen(s, 1) == 0 && connect(c, (void *)&a, n) == 0);
	CHECK("with a name that nobody looks at", sendto(c, "one", 3, 0, (void *)&a, 3) == 3);
	int d = accept(s, NULL, NULL);
	struct iovec iov = {buf, 2};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	CHECK("cut", recvmsg(d, &m, 0) == 2 && m.msg_flags == MSG_TRUNC);
	CHECK(send(c, "two", 3, 0) == 3 && send(d, "2", 1, 0) == 1);
	close(d);
	CHECK("reset", events(c) == (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
	CHECK_ERRNO("the error first", recv(c, buf, 64, 0), ECONNRESET);
	CHECK("then what had come", recv(c, buf, 64, 0) == 1 && recv(c, buf, 64, 0) == 0);
	close(c);
	close(s);
}

static void on_alarm(int sig) { (void)sig; }

static void many(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	char in[5][16], *out[3] = {"a", "bb", "ccc"};
	struct iovec iov[5];
	struct mmsghdr m[5];
	memset(m, 0, sizeof m);
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){out[i], i + 1};
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK("sendmmsg", sendmmsg(s[0], m, 3, 0) == 3 && m[0].msg_len == 1 && m[2].msg_len == 3);
	m[1].msg_hdr.msg_iov = (void *)16;
	CHECK("as many as could be", sendmmsg(s[0], m, 3, 0) == 1);
	CHECK_ERRNO("the first could not", sendmmsg(s[0], m + 1, 2, 0), EFAULT);
	CHECK("none", sendmmsg(s[0], m, 0, 0) == 0);
	memset(m, 0, sizeof m);
	for (int i = 0; i < 5; i++) {
		iov[i] = (struct iovec){in[i], 16};
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	CHECK("recvmmsg", recvmmsg(s[1], m, 2, 0, NULL) == 2 && m[0].msg_len == 1 && m[1].msg_len == 2 && memcmp(in[1], "bb", 2) == 0);
	CHECK("what there is", recvmmsg(s[1], m, 5, MSG_DONTWAIT, NULL) == 2 && m[0].msg_len == 3);
	CHECK_ERRNO("nothing", recvmmsg(s[1], m, 5, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK(send(s[0], "1", 1, 0) == 1 && send(s[0], "2", 1, 0) == 1);
	CHECK("MSG_WAITFORONE", recvmmsg(s[1], m, 5, MSG_WAITFORONE, NULL) == 2);
	struct timespec ts = {.tv_nsec = -1};
	CHECK_ERRNO("no time", recvmmsg(s[1], m, 5, 0, &ts), EINVAL);
	ts.tv_nsec = 0;
	CHECK(send(s[0], "1", 1, 0) == 1 && send(s[0], "2", 1, 0) == 1);
	CHECK("time is looked at after each", recvmmsg(s[1], m, 5, 0, &ts) == 1 && recv(s[1], in[0], 1, 0) == 1);
	struct sigaction sa = {.sa_handler = on_alarm};
	sigaction(SIGALRM, &sa, NULL);
	ualarm(30000, 30000);
	CHECK_ERRNO("a signal ends it", recvmmsg(s[1], m, 5, 0, NULL), EINTR);
	ualarm(0, 0);
	CHECK(send(s[0], "1", 1, 0) == 1);
	ualarm(30000, 30000);
	CHECK("or leaves what came", recvmmsg(s[1], m, 5, 0, NULL) == 1 && m[0].msg_len == 1);
	ualarm(0, 0);
	close(s[0]);
	close(s[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(send(s[0], "12345678901234567890", 20, 0) == 20);
	CHECK("of a stream", recvmmsg(s[1], m, 5, MSG_DONTWAIT, NULL) == 2 && m[0].msg_len == 16 && m[1].msg_len == 4);
	pid_t kid = fork();
	if (kid == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(3000);
			CHECK(send(s[0], "abcdefgh", 8, 0) == 8);
		}
		_exit(0);
	}
	for (int i = 0; i < 5; i++) iov[i].iov_len = 8;
	CHECK("waits for each", recvmmsg(s[1], m, 5, MSG_WAITALL, NULL) == 5 && m[4].msg_len == 8 && memcmp(in[4], "abcdefgh", 8) == 0);
	waitpid(kid, NULL, 0);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	datagrams();
	pairs(SOCK_DGRAM);
	pairs(SOCK_SEQPACKET);
	seqpacket();
	many();
	return t_end();
}
