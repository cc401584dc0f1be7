/* A kernel without sockets says so as a Linux built without them. Goes when they come. */
#include "t.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

int main(void)
{
	int fds[2];
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = sizeof a;
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, 45, -1, 1000};
	for (unsigned i = 0; i < sizeof families / sizeof *families; i++)
		CHECK_ERRNO("no such family", socket(families[i], SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERRNO("unknown flags of a type", socket(AF_UNIX, SOCK_STREAM | 0x40, 0), EINVAL);
	CHECK_ERRNO("no pair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), EAFNOSUPPORT);
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
	return t_end();
}
