/* A message is read once: what another thread writes to its header, segments, addresses and control data meanwhile is too late. */
#include "t.h"
#include "sleeper.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static int s[2];
static char one[8], two[8], control[64];
static struct iovec iov[2];
static struct msghdr m;
static struct mmsghdr mm[2];
static long result;
static struct sockaddr_un to;
static socklen_t to_len;
static int plain;
static char big[400000];


static void *receives(void *arg) { (void)arg; sleeper_ready(); result = recvmsg(s[0], &m, 0); return NULL; }
static void *receives_many(void *arg) { (void)arg; sleeper_ready(); result = recvmmsg(s[0], mm, 2, 0, NULL); return NULL; }
static void *sends(void *arg) { (void)arg; sleeper_ready(); result = sendmsg(s[1], &m, 0); return NULL; }
static void *sends_to(void *arg) { (void)arg; sleeper_ready(); result = sendto(plain, "last", 4, 0, (void *)&to, to_len); return NULL; }

static socklen_t name(struct sockaddr_un *a, const char *which)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	return 3 + snprintf(a->sun_path + 1, 60, "once-%d-%s", getpid(), which);
}

int main(void)
{
	pthread_t t;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	iov[0] = (struct iovec){one, 2};
	iov[1] = (struct iovec){two, 2};
	m = (struct msghdr){.msg_iov = iov, .msg_iovlen = 2};
	sleeper_start(&t, receives);
	iov[0] = (struct iovec){NULL, 1000};
	iov[1].iov_len = 0;
	m.msg_iov = NULL;
	m.msg_iovlen = 1;
	CHECK(write(s[1], "abcd", 4) == 4);
	pthread_join(t, NULL);
	CHECK("recvmsg", result == 4 && memcmp(one, "ab", 2) == 0 && memcmp(two, "cd", 2) == 0);

	/* A descriptor that goes and comes as another file while the send waits. */
	int p[2];
	CHECK(pipe(p) == 0);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	long filled = 0, r;
	while ((r = write(s[1], big, sizeof big)) > 0) filled += r;
	fcntl(s[1], F_SETFL, 0);
	struct cmsghdr *c = (void *)control;
	*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(4), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(c), &p[1], 4);
	iov[0] = (struct iovec){"x", 1};
	m = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(4)};
	sleeper_start(&t, sends);
	memset(control, 0xff, sizeof control);
	iov[0] = (struct iovec){NULL, 5};
	int null = open("/dev/null", O_RDWR);
	CHECK(dup2(null, p[1]) == p[1]);
	for (long got = 0; got < filled; got += r) CHECK((r = read(s[0], big, filled - got)) > 0);
	struct iovec in = {one, 8};
	struct msghdr h = {.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	CHECK("sendmsg", recvmsg(s[0], &h, 0) == 1 && one[0] == 'x');
	pthread_join(t, NULL);
	int fd;
	memcpy(&fd, CMSG_DATA(c), 4);
	CHECK("the file that it was", result == 1 && write(fd, "y", 1) == 1 && read(p[0], one, 1) == 1 && one[0] == 'y');

	iov[0] = (struct iovec){one, 2};
	iov[1] = (struct iovec){two, 2};
	for (int i = 0; i < 2; i++) mm[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	sleeper_start(&t, receives_many);
	mm[0].msg_hdr.msg_iov = NULL;
	iov[0].iov_len = 1;
	CHECK(write(s[1], "abcd", 4) == 4);
	pthread_join(t, NULL);
	CHECK("recvmmsg", result == 2 && mm[0].msg_len == 2 && memcmp(one, "ab", 2) == 0 && memcmp(two, "cd", 2) == 0);

	struct sockaddr_un other;
	int a = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t n = name(&other, "b");
	CHECK(bind(b, (void *)&other, n) == 0);
	to_len = name(&to, "a");
	CHECK(bind(a, (void *)&to, to_len) == 0);
	plain = socket(AF_UNIX, SOCK_DGRAM, 0);
	while (sendto(plain, "x", 1, MSG_DONTWAIT, (void *)&to, to_len) == 1) ;
	sleeper_start(&t, sends_to);
	memcpy(&to, &other, sizeof to);
	while (recv(a, one, 1, 0) == 1 && one[0] == 'x') usleep(1000);
	pthread_join(t, NULL);
	CHECK("sendto's address", result == 4 && recv(b, one, 4, 0) == -1 && errno == EAGAIN);
	return t_end();
}
