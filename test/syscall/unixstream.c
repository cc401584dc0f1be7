/* AF_UNIX stream sockets: connections, half closes, errors and readiness. See unix(7). */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <linux/sockios.h>

static char dir[] = "/tmp/unixstreamXXXXXX";

static socklen_t name_of(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", dir, name);
	return sizeof *a;
}

static int events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int int_option(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof v;
	return getsockopt(fd, SOL_SOCKET, name, &v, &n) == 0 ? v : -errno;
}

static void arguments(void)
{
	int fds[2], *volatile nowhere = (int *)16;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = sizeof a;
	CHECK_ERRNO("a family that is none", socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO("a family beyond all", socket(1000, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO("unknown flags of a type", socket(AF_UNIX, SOCK_STREAM | 0x40, 0), EINVAL);
	CHECK_ERRNO("a type beyond all", socket(AF_UNIX, 14, 0), EINVAL);
	CHECK_ERRNO("a type that it has not", socket(AF_UNIX, SOCK_RDM, 0), ESOCKTNOSUPPORT);
	CHECK_ERRNO("a protocol that it has not", socket(AF_UNIX, SOCK_STREAM, 7), EPROTONOSUPPORT);
	CHECK_ERRNO("no place for a pair", socketpair(AF_UNIX, SOCK_STREAM, 0, nowhere), EFAULT);
	int fd = open("/dev/null", O_RDWR);
	CHECK_ERRNO("bind", bind(fd, (void *)&a, n), ENOTSOCK);
	CHECK_ERRNO("connect", connect(fd, (void *)&a, n), ENOTSOCK);
	CHECK_ERRNO("listen", listen(fd, 1), ENOTSOCK);
	CHECK_ERRNO("accept", accept(fd, NULL, NULL), ENOTSOCK);
	CHECK_ERRNO("accept4", accept4(fd, NULL, NULL, 0), ENOTSOCK);
	CHECK_ERRNO("getsockname", getsockname(fd, (void *)&a, &n), ENOTSOCK);
	CHECK_ERRNO("getpeername", getpeername(fd, (void *)&a, &n), ENOTSOCK);
	CHECK_ERRNO("send", send(fd, "x", 1, 0), ENOTSOCK);
	CHECK_ERRNO("recv", recv(fd, &a, 1, 0), ENOTSOCK);
	CHECK_ERRNO("shutdown", shutdown(fd, SHUT_RDWR), ENOTSOCK);
	struct msghdr m = {0};
	CHECK_ERRNO("sendmsg", sendmsg(fd, &m, 0), ENOTSOCK);
	CHECK_ERRNO("recvmsg", recvmsg(fd, &m, 0), ENOTSOCK);
	CHECK_ERRNO("setsockopt", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &n, sizeof n), ENOTSOCK);
	CHECK_ERRNO("getsockopt", getsockopt(fd, SOL_SOCKET, SO_TYPE, &a, &n), ENOTSOCK);
	CHECK_ERRNO("of nothing open", bind(99, (void *)&a, n), EBADF);
	CHECK_ERRNO("an O_PATH descriptor is none", bind(open("/", O_PATH), (void *)&a, n), EBADF);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
	CHECK("flags of a pair", fcntl(fds[1], F_GETFD) == FD_CLOEXEC && (fcntl(fds[0], F_GETFL) & ~O_LARGEFILE) == (O_RDWR | O_NONBLOCK));
	struct stat st;
	CHECK("fstat", fstat(fds[0], &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 07777) == 0777 && st.st_size == 0);
	char link[64], want[64];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fds[0]);
	snprintf(want, sizeof want, "socket:[%lu]", (unsigned long)st.st_ino);
	char got[64] = {0};
	CHECK("the link in /proc", readlink(link, got, sizeof got - 1) > 0 && strcmp(got, want) == 0);
	CHECK_ERRNO("it cannot be opened", open(link, O_RDWR), ENXIO);
	CHECK_ERRNO("lseek", lseek(fds[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERRNO("pread", pread(fds[0], got, 1, 0), ESPIPE);
	CHECK_ERRNO("fsync", fsync(fds[0]), EINVAL);
	CHECK_ERRNO("ftruncate", ftruncate(fds[0], 0), EINVAL);
	CHECK_ERRNO("mmap", (long)mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[0], 0), ENODEV);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static void addresses(void)
{
	struct sockaddr_un a, b;
	socklen_t n = name_of(&a, "s");
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t;
	CHECK("a new one hangs", events(s) == (POLLOUT | POLLHUP));
	socklen_t m = sizeof b;
	memset(&b, 0xff, sizeof b);
	CHECK("without a name there is the family", getsockname(s, (void *)&b, &m) == 0 && m == 2 && b.sun_family == AF_UNIX);
	CHECK_ERRNO("and no peer", getpeername(s, (void *)&b, &m), ENOTCONN);
	CHECK_ERRNO("bind to nothing", bind(s, (void *)&a, 0), EINVAL);
	CHECK_ERRNO("bind to too much", bind(s, (void *)&a, 111), EINVAL);
	CHECK_ERRNO("more than any address", bind(s, (void *)&a, 129), EINVAL);
	CHECK_ERRNO("a negative length", bind(s, (void *)&a, -1), EINVAL);
	CHECK_ERRNO("a wild address", bind(s, (void *)16, 20), EFAULT);
	a.sun_family = 99;
	CHECK_ERRNO("another family", bind(s, (void *)&a, n), EINVAL);
	a.sun_family = AF_UNIX;
	CHECK_ERRNO("nobody there yet", connect(s, (void *)&a, n), ENOENT);
	CHECK_ERRNO("listen without a name", listen(s, 1), EINVAL);
	umask(027);
	struct stat st;
	CHECK("fchmod", fchmod(s, 0715) == 0 && fstat(s, &st) == 0 && st.st_mode == (S_IFSOCK | 0715));
	CHECK(bind(s, (void *)&a, n) == 0);
	CHECK("a socket in the file system", stat(a.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0710);
	umask(022);
	CHECK_ERRNO("cannot be opened", open(a.sun_path, O_RDWR), ENXIO);
	m = sizeof b;
	memset(&b, 0, sizeof b);
	CHECK("its name", getsockname(s, (void *)&b, &m) == 0 && m == 2 + strlen(a.sun_path) + 1 && strcmp(a.sun_path, b.sun_path) == 0);
	m = 5;
	memset(&b, 0xff, sizeof b);
	CHECK("cut where there is no room", getsockname(s, (void *)&b, &m) == 0 && m == 2 + strlen(a.sun_path) + 1 && memcmp(&b, &a, 5) == 0 && ((signed char *)&b)[5] == -1);
	m = -1;
	CHECK_ERRNO("a negative room", getsockname(s, (void *)&b, &m), EINVAL);
	CHECK_ERRNO("bound twice", bind(s, (void *)&a, n), EADDRINUSE);
	struct sockaddr_un c;
	name_of(&c, "other");
	CHECK_ERRNO("to another name", bind(s, (void *)&c, n), EINVAL);
	CHECK_ERRNO("which was not made", stat(c.sun_path, &st), ENOENT);
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO("in use", bind(t, (void *)&a, n), EADDRINUSE);
	CHECK_ERRNO("nobody listens", connect(t, (void *)&a, n), ECONNREFUSED);
	CHECK_ERRNO("accept where nobody listens", accept(s, NULL, NULL), EINVAL);
	CHECK(listen(s, 5) == 0);
	CHECK("it listens", int_option(s, SO_ACCEPTCONN) == 1 && events(s) == 0);
	int d = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO("another type", connect(d, (void *)&a, n), EPROTOTYPE);
	CHECK_ERRNO("a datagram socket does not listen", listen(d, 1), EOPNOTSUPP);
	CHECK_ERRNO("nor accept", accept(d, NULL, NULL), EOPNOTSUPP);
	close(d);
	name_of(&c, "file");
	close(open(c.sun_path, O_CREAT | O_RDWR, 0644));
	CHECK_ERRNO("a file is no socket", connect(t, (void *)&c, n), ECONNREFUSED);
	CHECK_ERRNO("nor a place for one", bind(t, (void *)&c, n), EADDRINUSE);
	name_of(&c, "no/where");
	CHECK_ERRNO("no such directory", bind(t, (void *)&c, n), ENOENT);
	name_of(&c, "file/x");
	CHECK_ERRNO("no directory", connect(t, (void *)&c, n), ENOTDIR);
	CHECK(connect(t, (void *)&a, n) == 0);
	CHECK_ERRNO("connected twice", connect(t, (void *)&a, n), EISCONN);
	CHECK_ERRNO("a listener does not connect", connect(s, (void *)&a, n), EINVAL);
	CHECK("somebody waits", events(s) == (POLLIN));
	CHECK("sent before it is accepted", write(t, "early", 5) == 5);
	CHECK_ERRNO("wrong flags", accept4(s, NULL, NULL, 1), EINVAL);
	m = sizeof b;
	memset(&b, 0xff, sizeof b);
	int conn = accept4(s, (void *)&b, &m, SOCK_CLOEXEC);
	CHECK("accepted from nobody by name", conn >= 0 && m == 2 && b.sun_family == AF_UNIX && fcntl(conn, F_GETFD) == FD_CLOEXEC);
	m = sizeof b;
	CHECK("whose name is the listener's", getsockname(conn, (void *)&b, &m) == 0 && strcmp(b.sun_path, a.sun_path) == 0);
	m = sizeof b;
	CHECK("as the client sees too", getpeername(t, (void *)&b, &m) == 0 && strcmp(b.sun_path, a.sun_path) == 0);
	char buf[16];
	CHECK("what was sent early", read(conn, buf, 16) == 5 && memcmp(buf, "early", 5) == 0);
	struct ucred cred;
	m = sizeof cred;
	CHECK("who the peer is", getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &m) == 0 && m == sizeof cred && cred.pid == getpid() && cred.uid == geteuid() && cred.gid == getegid());
	CHECK("the file may go", unlink(a.sun_path) == 0);
	CHECK_ERRNO("then nobody finds it", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, n), ENOENT);
	close(s);
	CHECK("a connection outlives its listener", write(t, "x", 1) == 1 && read(conn, buf, 16) == 1);
	close(t);
	CHECK("the end", events(conn) == (POLLIN | POLLOUT | POLLHUP | POLLRDHUP) && read(conn, buf, 16) == 0);
	close(conn);
}

static void abstract_names(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, b;
	int len = snprintf(a.sun_path + 1, 60, "test-%d", getpid());
	socklen_t n = 3 + len, m = sizeof b;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO("nobody has the name", connect(t, (void *)&a, n), ECONNREFUSED);
	CHECK(bind(s, (void *)&a, n) == 0 && listen(s, 0) == 0);
	CHECK("the name", getsockname(s, (void *)&b, &m) == 0 && m == n && memcmp(&a, &b, n) == 0);
	CHECK_ERRNO("taken", bind(t, (void *)&a, n), EADDRINUSE);
	CHECK_ERRNO("with a NUL more it is another", connect(t, (void *)&a, n + 1), ECONNREFUSED);
	int d = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK("each type has its own names", bind(d, (void *)&a, n) == 0);
	close(d);
	CHECK(connect(t, (void *)&a, n) == 0);
	int u = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO("no room in the backlog", connect(u, (void *)&a, n), EAGAIN);
	struct timeval tv = {.tv_usec = 20000};
	fcntl(u, F_SETFL, 0);
	CHECK(setsockopt(u, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	CHECK_ERRNO("nor after a while", connect(u, (void *)&a, n), EAGAIN);
	tv.tv_usec = 0;
	CHECK(setsockopt(u, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv) == 0);
	pid_t kid = fork();
	if (kid == 0) {
		usleep(20000);
		close(accept(s, NULL, NULL));
		close(accept(s, NULL, NULL));
		_exit(0);
	}
	CHECK("waits for room", connect(u, (void *)&a, n) == 0);
	waitpid(kid, NULL, 0);
	close(u);
	int v = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(connect(v, (void *)&a, n) == 0);
	close(s);
	close(t);
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	char c;
	CHECK("not accepted: reset", events(v) == (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
	CHECK_ERRNO("as a read says", read(v, &c, 1), ECONNRESET);
	CHECK("once", read(v, &c, 1) == 0);
	CHECK_ERRNO("the name is free", connect(t, (void *)&a, n), ECONNREFUSED);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(s, (void *)&a, 2) == 0);
	m = sizeof b;
	CHECK("autobind: NUL and five digits", getsockname(s, (void *)&b, &m) == 0 && m == 8 && b.sun_path[0] == 0 && strspn(b.sun_path + 1, "0123456789abcdef") >= 5);
	CHECK("again it is what it was", bind(s, (void *)&a, 2) == 0);
	CHECK(listen(s, 1) == 0);
	CHECK("shutdown of a listener", shutdown(s, SHUT_RD) == 0);
	CHECK_ERRNO("accept sees it", accept(s, NULL, NULL), EINVAL);
	CHECK_ERRNO("connect is refused", connect(t, (void *)&b, m), ECONNREFUSED);
	close(s);
	close(t);
	close(v);
}

static void ends(void)
{
	int s[2];
	char buf[64];
	signal(SIGPIPE, SIG_IGN);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK("a pair may be written", events(s[0]) == POLLOUT);
	CHECK("nothing sent", write(s[0], "", 0) == 0 && send(s[0], "", 0, 0) == 0 && events(s[1]) == POLLOUT);
	CHECK_ERRNO("nothing there", recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK("nothing read", read(s[1], buf, 0) == 0);
	CHECK_ERRNO("shutdown how", shutdown(s[0], 3), EINVAL);
	CHECK(write(s[0], "last", 4) == 4 && shutdown(s[0], SHUT_WR) == 0);
	CHECK("half closed, this side", events(s[0]) == POLLOUT);
	CHECK("half closed, that side", events(s[1]) == (POLLIN | POLLOUT | POLLRDHUP));
	CHECK_ERRNO("no more from here", write(s[0], "x", 1), EPIPE);
	CHECK("what was sent", read(s[1], buf, 64) == 4 && read(s[1], buf, 64) == 0);
	CHECK("the other way goes on", write(s[1], "back", 4) == 4 && read(s[0], buf, 64) == 4);
	CHECK(shutdown(s[1], SHUT_WR) == 0);
	CHECK("both ways", events(s[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
	close(s[0]);
	close(s[1]);

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK(write(s[0], "lost", 4) == 4);
	CHECK(write(s[1], "kept", 4) == 4);
	close(s[1]);
	CHECK("closed with unread bytes", events(s[0]) == (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
	CHECK_ERRNO("a write breaks", write(s[0], "x", 1), EPIPE);
	CHECK("what had come is read", read(s[0], buf, 64) == 4);
	CHECK("the error can be asked for", int_option(s[0], SO_ERROR) == ECONNRESET && int_option(s[0], SO_ERROR) == 0);
	CHECK("then the end", read(s[0], buf, 64) == 0);
	close(s[0]);

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[1]);
	signal(SIGPIPE, SIG_DFL);
	CHECK("MSG_NOSIGNAL", WEXITSTATUS(STATUS_OF(_exit(send(s[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE))) == 1);
	CHECK("SIGPIPE of send", WTERMSIG(STATUS_OF(send(s[0], "x", 1, 0))) == SIGPIPE);
	CHECK("SIGPIPE of write", WTERMSIG(STATUS_OF(write(s[0], "x", 1))) == SIGPIPE);
	struct iovec iov = {buf, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	CHECK("SIGPIPE of sendmsg", WTERMSIG(STATUS_OF(sendmsg(s[0], &m, 0))) == SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	close(s[0]);

	s[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO("send unconnected", send(s[0], "x", 1, 0), ENOTCONN);
	CHECK_ERRNO("read unconnected", recv(s[0], buf, 1, 0), EINVAL);
	CHECK("shutdown unconnected", shutdown(s[0], SHUT_RDWR) == 0);
	struct sockaddr_un a;
	socklen_t n = name_of(&a, "nobody");
	CHECK_ERRNO("sendto unconnected", sendto(s[0], "x", 1, 0, (void *)&a, n), EOPNOTSUPP);
	close(s[0]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK_ERRNO("sendto connected", sendto(s[0], "x", 1, 0, (void *)&a, n), EISCONN);
	close(s[0]);
	close(s[1]);
}

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
	arguments();
	addresses();
	abstract_names();
	ends();
	bytes();
	bad_memory();
	options();
	char command[64];
	snprintf(command, sizeof command, "%s/file", dir);
	unlink(command);
	CHECK(rmdir(dir) == 0);
	return t_end();
}
