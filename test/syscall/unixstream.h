/* For the programs about AF_UNIX stream sockets: names in a directory of their own, options. */
#ifndef UNIXSTREAM_H
#define UNIXSTREAM_H
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

__attribute__((unused))
static socklen_t name_of(struct sockaddr_un *a, const char *name)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof a->sun_path, "%s/%s", dir, name);
	return sizeof *a;
}

__attribute__((unused))
static int events(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

__attribute__((unused))
static int int_option(int fd, int name)
{
	int v = -1;
	socklen_t n = sizeof v;
	return getsockopt(fd, SOL_SOCKET, name, &v, &n) == 0 ? v : -errno;
}
#endif
