/* AF_UNIX stream sockets: connections, half closes, errors and readiness. See unix(7). */
#include "unixstream.h"

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

int main(void)
{
	CHECK(mkdtemp(dir) != NULL);
	CHECK(getpid() > 0);
	signal(SIGPIPE, SIG_IGN);
	arguments();
	addresses();
	abstract_names();
	ends();
	char command[64];
	snprintf(command, sizeof command, "%s/file", dir);
	unlink(command);
	CHECK(rmdir(dir) == 0);
	return t_end();
}
