/* What is passed over UNIX sockets beside bytes: open files and credentials. See unix(7), cmsg(3). */
#include "t.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#define MAX_FD 253

static char space[CMSG_SPACE(MAX_FD * 4) + 256];

/* Sends `text` with these descriptors; what sendmsg answers. */
static long give(int s, const char *text, const int *fds, int count)
{
	struct iovec iov = {(char *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space};
	struct cmsghdr *c = (void *)space;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(count * 4);
	memcpy(CMSG_DATA(c), fds, count * 4);
	m.msg_controllen = CMSG_SPACE(count * 4);
	return sendmsg(s, &m, MSG_NOSIGNAL);
}

static int out_flags, out_controllen;

/* Receives up to `size` bytes with room for `room` descriptors; how many came, or -1. */
static int take(int s, char *buf, size_t size, int *fds, int room, int flags)
{
	struct iovec iov = {buf, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = room < 0 ? 0 : CMSG_SPACE(room * 4)};
	memset(space, 0, sizeof space);
	long n = recvmsg(s, &m, flags);
	if (n < 0) return -1;
	buf[n] = 0;
	out_flags = m.msg_flags;
	out_controllen = m.msg_controllen;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS) return 0;
	int count = (c->cmsg_len - CMSG_LEN(0)) / 4;
	memcpy(fds, CMSG_DATA(c), count * 4);
	return count;
}

static int descriptors(void)
{
	int n = 0;
	for (int i = 0; i < 1000; i++) n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void files(int type)
{
	int s[2], p[2], got[300];
	char buf[300];
	CHECK(socketpair(AF_UNIX, type, 0, s) == 0 && pipe(p) == 0);
	int before = descriptors();
	CHECK("one passes", give(s[0], "a", p, 1) == 1 && take(s[1], buf, 9, got, 1, 0) == 1 && strcmp(buf, "a") == 0 && out_flags == 0 && out_controllen == CMSG_SPACE(4));
	struct stat a, b;
	CHECK("it is the same file", fstat(p[0], &a) == 0 && fstat(got[0], &b) == 0 && a.st_ino == b.st_ino && fcntl(got[0], F_GETFD) == 0);
	CHECK("which works", write(p[1], "x", 1) == 1 && read(got[0], buf, 1) == 1);
	close(got[0]);
	CHECK("MSG_CMSG_CLOEXEC", give(s[0], "b", p, 2) == 1 && take(s[1], buf, 9, got, 2, MSG_CMSG_CLOEXEC) == 2 && fcntl(got[1], F_GETFD) == FD_CLOEXEC && (out_flags & ~MSG_CMSG_CLOEXEC) == 0);
	close(got[0]);
	close(got[1]);
	CHECK("peeked, they are duplicates", give(s[0], "c", p, 1) == 1 && take(s[1], buf, 9, got, 1, MSG_PEEK) == 1);
	CHECK("and stay", take(s[1], buf, 9, got + 1, 1, 0) == 1 && got[0] != got[1]);
	close(got[0]);
	close(got[1]);
	CHECK("too little room", give(s[0], "d", p, 2) == 1 && take(s[1], buf, 9, got, 0, 0) == 0 && out_flags == MSG_CTRUNC);
	CHECK("no room", give(s[0], "d", p, 2) == 1 && take(s[1], buf, 9, got, -1, 0) == 0 && out_flags == MSG_CTRUNC && out_controllen == 0);
	CHECK("not asked for", give(s[0], "e", p, 2) == 1 && read(s[1], buf, 9) == 1);
	CHECK("nothing leaks", descriptors() == before);
	CHECK("a bad one", (got[0] = p[0], got[1] = 999, give(s[0], "f", got, 2) == -1) && errno == EBADF);
	for (int i = 0; i < MAX_FD + 1; i++) got[i] = p[0];
	CHECK("as many as may", give(s[0], "g", got, MAX_FD) == 1 && take(s[1], buf, 9, got, MAX_FD, 0) == MAX_FD);
	for (int i = 0; i < MAX_FD; i++) close(got[i]);
	for (int i = 0; i < MAX_FD + 1; i++) got[i] = p[0];
	CHECK("one too many", give(s[0], "h", got, MAX_FD + 1) == -1 && errno == EINVAL);
	int path = open("/", O_PATH);
	CHECK("an O_PATH descriptor too", give(s[0], "i", &path, 1) == 1 && take(s[1], buf, 9, got, 1, 0) == 1 && (fcntl(got[0], F_GETFL) & O_PATH) != 0);
	close(got[0]);
	close(path);

	struct rlimit old, few;
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = dup(p[0]) + 1;
	close(few.rlim_cur - 1);
	CHECK(give(s[0], "j", p, 2) == 1 && setrlimit(RLIMIT_NOFILE, &few) == 0);
	CHECK("no room for all", take(s[1], buf, 9, got, 2, 0) == 1 && out_flags == MSG_CTRUNC);
	setrlimit(RLIMIT_NOFILE, &old);
	close(got[0]);

	CHECK("the last reference is in flight", give(s[0], "k", p + 1, 1) == 1 && close(p[1]) == 0);
	struct pollfd pfd = {.fd = p[0], .events = POLLIN};
	CHECK("open still", poll(&pfd, 1, 0) == 0);
	CHECK("it arrives", take(s[1], buf, 9, got, 1, 0) == 1 && write(got[0], "y", 1) == 1 && read(p[0], buf, 1) == 1);
	CHECK(give(s[0], "l", got, 1) == 1 && close(got[0]) == 0);
	close(s[1]);
	CHECK("thrown away with the socket", poll(&pfd, 1, 10000) == 1 && pfd.revents == POLLHUP);
	close(s[0]);
	close(p[0]);
}

static void streams(void)
{
	int s[2], p[2], got[4];
	char buf[64];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
	CHECK(write(s[0], "ab", 2) == 2 && give(s[0], "cd", p, 1) == 2 && write(s[0], "ef", 2) == 2);
	CHECK("a read joins what came before, and ends with them", take(s[1], buf, 20, got, 4, 0) == 1 && strcmp(buf, "abcd") == 0);
	close(got[0]);
	CHECK("the rest is apart", take(s[1], buf, 20, got, 4, 0) == 0 && strcmp(buf, "ef") == 0);
	CHECK(give(s[0], "abcd", p, 1) == 4 && give(s[0], "efgh", p, 2) == 4);
	CHECK("they come with the first byte", take(s[1], buf, 2, got, 4, 0) == 1 && strcmp(buf, "ab") == 0);
	close(got[0]);
	CHECK("not with later ones, which join the next", take(s[1], buf, 20, got, 4, MSG_WAITALL | MSG_DONTWAIT) == 2 && strcmp(buf, "cdefgh") == 0);
	close(got[0]);
	close(got[1]);
	CHECK("without bytes they do not go", give(s[0], "", p, 1) == 0 && recv(s[1], buf, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
}

static long say(int s, const struct ucred *u, int size)
{
	struct iovec iov = {"x", 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space};
	struct cmsghdr *c = (void *)space;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), u, sizeof *u);
	m.msg_controllen = CMSG_SPACE(size);
	return sendmsg(s, &m, 0);
}

static int heard(int s, char *buf, size_t size, struct ucred *u)
{
	struct iovec iov = {buf, size};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
	long n = recvmsg(s, &m, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof *u)) return -1;
	memcpy(u, CMSG_DATA(c), sizeof *u);
	return n;
}

static void credentials(int type)
{
	int s[2], on = 1, status;
	char buf[64];
	struct ucred u, me = {getpid(), getuid(), getgid()};
	CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
	CHECK(write(s[0], "early", 5) == 5);
	CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
	CHECK("sent when nobody asked: nobody", heard(s[1], buf, 5, &u) == 5 && u.pid == 0 && u.uid == 65534 && u.gid == 65534);
	CHECK("asked for", write(s[0], "now", 3) == 3 && heard(s[1], buf, 9, &u) == 3 && u.pid == getpid() && u.uid == getuid() && u.gid == getgid());
	CHECK("said", say(s[0], &me, sizeof me) == 1 && heard(s[1], buf, 9, &u) == 1 && u.pid == getpid());
	CHECK_ERRNO("of the wrong size", say(s[0], &me, sizeof me + 1), EINVAL);
	pid_t kid = fork();
	if (kid == 0) {
		write(s[0], "kid", 3);
		_exit(0);
	}
	waitpid(kid, &status, 0);
	CHECK(write(s[0], "parent", 6) == 6);
	CHECK("senders are not mixed", heard(s[1], buf, 64, &u) == 3 && u.pid == kid && heard(s[1], buf, 64, &u) == 6 && u.pid == getpid());
	status = STATUS_OF(
		if (geteuid() == 0 && (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))) _exit(9);
		struct ucred other = {getpid(), getuid(), getgid()};
		if (say(s[0], &other, sizeof other) != 1) _exit(1);
		other.pid = 1;
		if (say(s[0], &other, sizeof other) != -1 || errno != EPERM) _exit(2);
		other.pid = getpid();
		other.uid = 12345;
		if (say(s[0], &other, sizeof other) != -1 || errno != EPERM) _exit(3);
		other.uid = getuid();
		other.gid = 12345;
		if (say(s[0], &other, sizeof other) != -1 || errno != EPERM) _exit(4);
	);
	CHECK("nobody says that he is another", status == 0);
	CHECK(heard(s[1], buf, 9, &u) == 1);
	struct iovec iov = {buf, 9};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = CMSG_LEN(4)};
	CHECK(write(s[0], "cut", 3) == 3);
	CHECK("cut where there is no room", recvmsg(s[1], &m, 0) == 3 && (m.msg_flags & MSG_CTRUNC) != 0 && m.msg_controllen == CMSG_LEN(4) && ((struct cmsghdr *)space)->cmsg_len == CMSG_LEN(4));
	m.msg_control = NULL;
	CHECK(write(s[0], "none", 4) == 4);
	CHECK("or none at all", recvmsg(s[1], &m, 0) == 4 && (m.msg_flags & MSG_CTRUNC) != 0);
	close(s[0]);
	close(s[1]);
}

static long raw(int s, size_t len, int level, int ctype, size_t room)
{
	struct iovec iov = {"r", 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = room};
	memset(space, 0, sizeof space);
	struct cmsghdr *c = (void *)space;
	c->cmsg_len = len;
	c->cmsg_level = level;
	c->cmsg_type = ctype;
	return sendmsg(s, &m, 0);
}

static void malformed(void)
{
	int s[2];
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	CHECK_ERRNO("shorter than a header", raw(s[0], 8, SOL_SOCKET, SCM_RIGHTS, 32), EINVAL);
	CHECK_ERRNO("longer than all", raw(s[0], 64, SOL_SOCKET, SCM_RIGHTS, 32), EINVAL);
	CHECK_ERRNO("enormous", raw(s[0], (size_t)-1, SOL_SOCKET, SCM_RIGHTS, 32), EINVAL);
	CHECK_ERRNO("unknown", raw(s[0], 20, SOL_SOCKET, 99, 32), EINVAL);
	CHECK("of another level", raw(s[0], 20, 41, 99, 32) == 1);
	CHECK("no header fits", raw(s[0], 0, 0, 0, 15) == 1);
	CHECK("files, but none", raw(s[0], CMSG_LEN(0), SOL_SOCKET, SCM_RIGHTS, 16) == 1);
	close(s[0]);
	close(s[1]);
}

/* The read end of a pipe whose write end is in the hands of nobody but `sockets in flight`. */
static void garbage(void)
{
	int s[2], t[2], p[2];
	char buf[8];
	CHECK(pipe(p) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, t) == 0);
	CHECK("a socket in itself", give(s[0], "p", p + 1, 1) == 1 && give(s[0], "1", s + 1, 1) == 1);
	CHECK("two in each other", give(t[0], "p", p + 1, 1) == 1 && give(t[0], "s", t, 1) == 1 && give(t[1], "x", t + 1, 1) == 1);
	close(p[1]);
	for (int i = 0; i < 2; i++) {
		close(s[i]);
		close(t[i]);
	}
	/* Linux looks when the next UNIX socket is closed, and does so in the background. */
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[0]);
	close(s[1]);
	CHECK("nobody can get them: the pipe ends", read(p[0], buf, 1) == 0);
	close(p[0]);

	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, t) == 0);
	CHECK(give(s[0], "p", p + 1, 1) == 1 && give(t[0], "s", s + 1, 1) == 1);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	struct pollfd pfd = {.fd = p[0], .events = POLLIN};
	CHECK("what can be received is none", poll(&pfd, 1, 50) == 0);
	int got = -1, end = -1;
	CHECK("and is received", take(t[1], buf, 7, &got, 1, 0) == 1 && take(got, buf, 7, &end, 1, 0) == 1 && write(end, "z", 1) == 1 && read(p[0], buf, 1) == 1);
	close(got);
	close(end);
	close(p[0]);
	close(t[0]);
	close(t[1]);

	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = 3 + snprintf(a.sun_path + 1, 60, "garbage-%d", getpid());
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(pipe(p) == 0 && bind(l, (void *)&a, n) == 0 && listen(l, 4) == 0 && connect(c, (void *)&a, n) == 0);
	CHECK("a listener in what waits to be accepted", give(c, "p", p + 1, 1) == 1 && give(c, "l", &l, 1) == 1);
	close(p[1]);
	close(l);
	close(c);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	close(s[0]);
	close(s[1]);
	CHECK("is garbage too", read(p[0], buf, 1) == 0);
	close(p[0]);
}

static void chain(void)
{
	int s[2], p[2];
	char buf[8];
	CHECK(pipe(p) == 0);
	int last = p[1];
	for (int i = 0; i < 3000; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
		CHECK(give(s[0], "n", &last, 1) == 1);
		close(last);
		close(s[0]);
		last = s[1];
	}
	close(last);
	CHECK("one in the other, all are closed", read(p[0], buf, 1) == 0);
	close(p[0]);
}

static void too_many(void)
{
	int s[2], status = STATUS_OF(
		struct rlimit r = {40, 40};
		int p[16];
		CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
		for (int i = 0; i < 16; i++) p[i] = s[0];
		if (setrlimit(RLIMIT_NOFILE, &r) != 0) _exit(8);
		if (geteuid() == 0 && (setresgid(54321, 54321, 54321) || setresuid(54321, 54321, 54321))) _exit(9);
		for (int i = 0; i < 3; i++) if (give(s[0], "x", p, 16) != 1) _exit(1);
		if (give(s[0], "x", p, 16) != -1 || errno != ETOOMANYREFS) _exit(2);
		char buf[8];
		int got[16];
		if (take(s[1], buf, 7, got, 16, 0) != 16) _exit(3);
		if (give(s[0], "x", p, 1) != 1) _exit(4);
	);
	CHECK("a user has so many in flight and no more", status == 0);
}

static void edges(void)
{
	int s[2], e = epoll_create1(0);
	char buf[8];
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET}, out[4];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && epoll_ctl(e, EPOLL_CTL_ADD, s[0], &ev) == 0);
	CHECK("writable", epoll_wait(e, out, 4, 0) == 1 && out[0].events == EPOLLOUT);
	CHECK("told once", epoll_wait(e, out, 4, 0) == 0);
	CHECK("bytes", write(s[1], "a", 1) == 1 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == (EPOLLIN | EPOLLOUT));
	CHECK("the same are not told again", epoll_wait(e, out, 4, 0) == 0);
	CHECK("more are", write(s[1], "b", 1) == 1 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == (EPOLLIN | EPOLLOUT));
	CHECK("reading is none", read(s[0], buf, 1) == 1 && epoll_wait(e, out, 4, 0) == 0);
	CHECK("half a close", shutdown(s[1], SHUT_WR) == 0 && epoll_wait(e, out, 4, 0) == 1 && out[0].events == (EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	close(s[1]);
	CHECK("the whole", epoll_wait(e, out, 4, 0) == 1 && out[0].events == (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP));
	close(s[0]);
	close(e);
}

int main(void)
{
	files(SOCK_STREAM);
	files(SOCK_DGRAM);
	files(SOCK_SEQPACKET);
	streams();
	credentials(SOCK_STREAM);
	credentials(SOCK_DGRAM);
	malformed();
	garbage();
	chain();
	too_many();
	edges();
	return t_end();
}
