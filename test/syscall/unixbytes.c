/* AF_UNIX stream sockets: what goes through them, bad memory, options. See unix(7). */
#include "unixstream.h"

static void on_alarm(int sig) { (void)sig; }

static void bytes(void)
{
	int s[2], n;
	char buf[64];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(write(s[0], "one", 3) == 3 && write(s[0], "two", 3) == 3);
	CHECK("FIONREAD", ioctl(s[1], FIONREAD, &n) == 0 && n == 6);
	CHECK("peek", recv(s[1], buf, 4, MSG_PEEK) == 4 && memcmp(buf, "onet", 4) == 0);
	CHECK("writes join", recv(s[1], buf, 5, 0) == 5 && memcmp(buf, "onetw", 5) == 0);
	CHECK("the rest", read(s[1], buf, 64) == 1 && buf[0] == 'o');
	struct iovec iov[3] = {{"ab", 2}, {NULL, 0}, {"cde", 3}}, into[2] = {{buf, 1}, {buf + 10, 10}};
	CHECK("writev and readv", writev(s[0], iov, 3) == 5 && readv(s[1], into, 2) == 5 && buf[0] == 'a' && memcmp(buf + 10, "bcde", 4) == 0);

	int off = 1;
	CHECK("SO_PEEK_OFF", int_option(s[1], SO_PEEK_OFF) == -1 && setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0);
	CHECK(write(s[0], "abcdefgh", 8) == 8);
	CHECK("peeks from there", recv(s[1], buf, 3, MSG_PEEK) == 3 && memcmp(buf, "bcd", 3) == 0 && int_option(s[1], SO_PEEK_OFF) == 4);
	CHECK("and on", recv(s[1], buf, 2, MSG_PEEK) == 2 && memcmp(buf, "ef", 2) == 0);
	CHECK("reading moves it back", read(s[1], buf, 5) == 5 && int_option(s[1], SO_PEEK_OFF) == 1);
	CHECK(read(s[1], buf, 64) == 3);
	off = -1;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &off, sizeof off) == 0);

	pid_t kid = fork();
	if (kid == 0) {
		for (int i = 0; i < 10; i++) {
			usleep(2000);
			CHECK(write(s[0], "12345678", 8) == 8);
		}
		_exit(0);
	}
	char all[100];
	CHECK("MSG_WAITALL", recv(s[1], all, 80, MSG_WAITALL) == 80 && memcmp(all + 72, "12345678", 8) == 0);
	waitpid(kid, NULL, 0);

	struct sigaction sa = {.sa_handler = on_alarm};
	sigaction(SIGALRM, &sa, NULL);
	ualarm(30000, 30000);
	CHECK_ERRNO("a signal ends a wait", recv(s[1], buf, 1, 0), EINTR);
	ualarm(0, 0);
	CHECK(write(s[0], "abc", 3) == 3);
	ualarm(30000, 30000);
	CHECK("but keeps what was read", recv(s[1], buf, 10, MSG_WAITALL) == 3 && memcmp(buf, "abc", 3) == 0);
	ualarm(0, 0);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	struct timeval tv = {.tv_sec = 10};
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	ualarm(30000, 30000);
	CHECK_ERRNO("with a timeout it is not begun anew", recv(s[1], buf, 1, 0), EINTR);
	ualarm(0, 0);
	tv = (struct timeval){.tv_usec = 20000};
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("SO_RCVTIMEO", read(s[1], buf, 1), EAGAIN);
	CHECK(write(s[0], "abc", 3) == 3);
	CHECK("what came before the timeout", recv(s[1], buf, 10, MSG_WAITALL) == 3);
	tv.tv_usec = 0;
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0);

	static char big[1 << 20], sink[65536];
	for (unsigned i = 0; i < sizeof big; i++) big[i] = (char)(i * 7 + (i >> 12));
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	long sent = 0, r;
	while ((r = write(s[0], big + sent, sizeof big - sent)) > 0) sent += r;
	CHECK("as much as fits", r == -1 && errno == EAGAIN && sent >= 65536 && sent < (long)sizeof big);
	CHECK("then it is not writable", events(s[0]) == 0);
	CHECK("SIOCOUTQ", ioctl(s[0], SIOCOUTQ, &n) == 0 && n > 0);
	fcntl(s[0], F_SETFL, 0);
	tv.tv_usec = 20000;
	CHECK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("SO_SNDTIMEO", write(s[0], big, 1 << 20), EAGAIN);
	tv.tv_usec = 0;
	CHECK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	kid = fork();
	if (kid == 0) {
		close(s[1]);
		CHECK(write(s[0], big + sent, sizeof big - sent) == (long)sizeof big - sent);
		_exit(0);
	}
	close(s[0]);
	long got = 0;
	int good = 1;
	while ((r = read(s[1], sink, 1 + got % 60000)) > 0) {
		if (memcmp(sink, big + got, r) != 0) good = 0;
		got += r;
	}
	CHECK("all of it comes, in order", good && got == (long)sizeof big && r == 0);
	waitpid(kid, NULL, 0);
	close(s[1]);
}

static void bad_memory(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mprotect(page + 4096, 4096, PROT_NONE) == 0);
	CHECK_ERRNO("nothing of it can be read", write(s[0], page + 4096, 10), EFAULT);
	char c;
	CHECK_ERRNO("so nothing was sent", read(s[1], &c, 1), EAGAIN);
	CHECK(write(s[0], "abcdef", 6) == 6);
	CHECK_ERRNO("nothing of it can be written", read(s[1], page + 4096, 6), EFAULT);
	CHECK("nothing is lost", read(s[1], page, 6) == 6 && memcmp(page, "abcdef", 6) == 0);
	struct msghdr m = {0};
	CHECK_ERRNO("a message nowhere", sendmsg(s[0], (void *)16, 0), EFAULT);
	CHECK_ERRNO("nor to receive", recvmsg(s[0], (void *)16, 0), EFAULT);
	m.msg_iovlen = 1025;
	CHECK_ERRNO("too many segments", sendmsg(s[0], &m, 0), EMSGSIZE);
	m.msg_iov = (void *)16;
	m.msg_iovlen = 1;
	CHECK_ERRNO("segments nowhere", sendmsg(s[0], &m, 0), EFAULT);
	struct iovec iov = {page, (size_t)-1};
	m.msg_iov = &iov;
	CHECK_ERRNO("a segment too long", sendmsg(s[0], &m, 0), EINVAL);
	iov.iov_len = 4;
	m.msg_control = page;
	m.msg_controllen = (size_t)1 << 32;
	CHECK_ERRNO("too much control", sendmsg(s[0], &m, 0), ENOBUFS);
	m.msg_control = (void *)16;
	m.msg_controllen = 64;
	CHECK_ERRNO("control nowhere", sendmsg(s[0], &m, 0), EFAULT);
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_name = page;
	m.msg_namelen = -1;
	CHECK_ERRNO("a negative name", sendmsg(s[0], &m, 0), EINVAL);
	CHECK_ERRNO("to receive too", recvmsg(s[0], &m, 0), EINVAL);
	m.msg_namelen = 0;
	CHECK("an empty name is none", sendmsg(s[0], &m, 0) == 4);
	m.msg_namelen = 100;
	m.msg_flags = -1;
	CHECK("what is told", recvmsg(s[1], &m, 0) == 4 && m.msg_namelen == 0 && m.msg_flags == 0);
	close(s[0]);
	close(s[1]);
}

static void options(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), v;
	CHECK("type, family, protocol", int_option(s, SO_TYPE) == SOCK_STREAM && int_option(s, SO_DOMAIN) == AF_UNIX && int_option(s, SO_PROTOCOL) == 0);
	CHECK("buffers", int_option(s, SO_SNDBUF) == 212992 && int_option(s, SO_RCVBUF) == 212992);
	v = 10000;
	CHECK("twice what is asked for", setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v) == 0 && int_option(s, SO_SNDBUF) == 20000);
	v = 1;
	CHECK("but some", setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof v) == 0 && int_option(s, SO_SNDBUF) == 4608);
	CHECK("and some", setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, sizeof v) == 0 && int_option(s, SO_RCVBUF) == 2304);
	v = 77;
	CHECK("on is one", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, sizeof v) == 0 && int_option(s, SO_REUSEADDR) == 1);
	CHECK("SO_PASSCRED", int_option(s, SO_PASSCRED) == 0 && setsockopt(s, SOL_SOCKET, SO_PASSCRED, &v, sizeof v) == 0 && int_option(s, SO_PASSCRED) == 1);
	CHECK("SO_RCVLOWAT", int_option(s, SO_RCVLOWAT) == 1 && setsockopt(s, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof v) == 0 && int_option(s, SO_RCVLOWAT) == 77);
	struct linger l = {1, 9};
	socklen_t n = sizeof l;
	CHECK("SO_LINGER", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, n) == 0 && (l.l_linger = 0, getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n) == 0) && l.l_onoff == 1 && l.l_linger == 9);
	struct timeval tv = {3, 200000};
	n = sizeof tv;
	CHECK("SO_RCVTIMEO", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, n) == 0 && (tv.tv_sec = 0, getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &n) == 0) && tv.tv_sec == 3 && tv.tv_usec == 200000);
	tv.tv_usec = 1000000;
	CHECK_ERRNO("no time", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), EDOM);
	CHECK_ERRNO("half a time", setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 8), EINVAL);
	CHECK_ERRNO("half an int", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 2), EINVAL);
	CHECK_ERRNO("a negative length", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, -1), EINVAL);
	CHECK_ERRNO("nowhere", setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)16, 4), EFAULT);
	CHECK_ERRNO("not to be set", setsockopt(s, SOL_SOCKET, SO_TYPE, &v, sizeof v), ENOPROTOOPT);
	CHECK_ERRNO("unknown", setsockopt(s, SOL_SOCKET, 9999, &v, sizeof v), ENOPROTOOPT);
	n = sizeof v;
	CHECK_ERRNO("unknown to be told", getsockopt(s, SOL_SOCKET, 9999, &v, &n), ENOPROTOOPT);
	CHECK_ERRNO("another level", getsockopt(s, 6, 1, &v, &n), EOPNOTSUPP);
	CHECK_ERRNO("another level to be set", setsockopt(s, 6, 1, &v, n), EOPNOTSUPP);
	n = 2;
	v = -1;
	CHECK("cut to the room there is", getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n) == 0 && n == 2 && v == (int)0xffff0001);
	n = -1;
	CHECK_ERRNO("negative room", getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &n), EINVAL);
	struct ucred cred;
	n = sizeof cred;
	CHECK("no peer is nobody", getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && cred.pid == 0 && cred.uid == (uid_t)-1 && cred.gid == (gid_t)-1);
	v = 1;
	CHECK("FIONBIO", ioctl(s, FIONBIO, &v) == 0 && (fcntl(s, F_GETFL) & O_NONBLOCK) != 0);
	CHECK_ERRNO("no such ioctl", ioctl(s, 0x5401, &v), ENOTTY);
	close(s);
}

int main(void)
{
	CHECK(mkdtemp(dir) != NULL);
	CHECK(getpid() > 0);
	signal(SIGPIPE, SIG_IGN);
	bytes();
	bad_memory();
	options();
	char command[64];
	snprintf(command, sizeof command, "%s/file", dir);
	unlink(command);
	CHECK(rmdir(dir) == 0);
	return t_end();
}
