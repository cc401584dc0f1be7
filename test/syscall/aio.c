/* Asynchronous requests: rings, transfers, polls, and what ends them. */
#include "t.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, header_length;
	struct io_event events[];
};

static long io_setup(unsigned n, aio_context_t *id) { return syscall(SYS_io_setup, n, id); }
static long io_destroy(aio_context_t id) { return syscall(SYS_io_destroy, id); }
static long io_submit(aio_context_t id, long n, struct iocb **list) { return syscall(SYS_io_submit, id, n, list); }
static long io_cancel(aio_context_t id, struct iocb *i, struct io_event *e) { return syscall(SYS_io_cancel, id, i, e); }
static long io_getevents(aio_context_t id, long min, long n, struct io_event *e, struct timespec *t)
{
	return syscall(SYS_io_getevents, id, min, n, e, t);
}

static struct iocb request(int op, int fd, const void *buf, unsigned long length, long offset)
{
	struct iocb i = {.aio_data = 0xfedcba9876543210, .aio_lio_opcode = op, .aio_fildes = fd,
			 .aio_buf = (unsigned long)buf, .aio_nbytes = length, .aio_offset = offset};
	return i;
}

static long submit(aio_context_t id, struct iocb *i) { return io_submit(id, 1, &i); }

static struct timespec at_once;

/* What one request says, which is over when it was submitted. */
static long result_of(aio_context_t id, struct iocb i)
{
	struct io_event e;
	if (submit(id, &i) != 1) return -1000 - errno;
	if (io_getevents(id, 1, 1, &e, NULL) != 1) return -3000;
	if (e.data != i.aio_data || e.obj != (unsigned long)&i || e.res2 != 0) return -4000;
	return e.res;
}

static char path[] = "/tmp/aio-XXXXXX";

static void contexts(void)
{
	aio_context_t id = 0, other = 7;
	CHECK_ERRNO("a context that is not 0", io_setup(8, &other), EINVAL);
	CHECK_ERRNO("for nothing", io_setup(0, &id), EINVAL);
	CHECK_ERRNO("for far too much", io_setup(0x7fffffff, &id), EINVAL);
	CHECK_ERRNO("for more than the machine has", io_setup(1 << 22, &id), EAGAIN);
	CHECK_ERRNO("nowhere", io_setup(8, (void *)8), EFAULT);
	CHECK("io_setup", io_setup(100, &id) == 0 && id != 0);
	struct ring *ring = (struct ring *)id;
	CHECK("the ring says what it is", ring->magic == 0xa10a10a1 && ring->compat == 1 && ring->incompat == 0);
	CHECK("and where it begins", ring->header_length == 32 && ring->head == 0 && ring->tail == 0);
	CHECK("it has room for twice as many", ring->nr >= 202);
	CHECK("no events yet", io_getevents(id, 0, 1, NULL, &at_once) == 0);
	CHECK_ERRNO("more than one wants", io_getevents(id, 2, 1, NULL, &at_once), EINVAL);
	CHECK_ERRNO("less than nothing", io_getevents(id, -1, 1, NULL, &at_once), EINVAL);
	CHECK_ERRNO("of no context", io_getevents(12345, 0, 1, NULL, &at_once), EINVAL);
	CHECK_ERRNO("until nowhere", io_getevents(id, 0, 1, NULL, (void *)8), EFAULT);
	struct timespec soon = {0, 1000000};
	CHECK("time is up", io_getevents(id, 1, 1, NULL, &soon) == 0);
	CHECK_ERRNO("nothing to no context", io_submit(12345, 0, NULL), EINVAL);
	CHECK_ERRNO("less than nothing", io_submit(id, -1, NULL), EINVAL);
	CHECK("nothing", io_submit(id, 0, NULL) == 0);
	CHECK_ERRNO("requests from nowhere", io_submit(id, 1, (void *)8), EFAULT);
	struct iocb *bad = (struct iocb *)8;
	CHECK_ERRNO("a request from nowhere", io_submit(id, 1, &bad), EFAULT);
	CHECK("a child has no contexts", STATUS_OF(_exit(io_getevents(id, 0, 1, NULL, &at_once) == -1 && errno == EINVAL ? 0 : 1)) == 0);
	CHECK("but the ring", STATUS_OF(_exit(ring->magic == 0xa10a10a1 ? 0 : 1)) == 0);
	unsigned nr = ring->nr;
	size_t size = (32 + nr * 32ul + 4095) & ~4095ul;
	void *moved = mremap(ring, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)ring - (64ul << 20));
	CHECK("the ring moves", moved != MAP_FAILED);
	CHECK_ERRNO("and with it the context", io_getevents(id, 0, 1, NULL, &at_once), EINVAL);
	id = (aio_context_t)moved;
	CHECK("which goes on", io_getevents(id, 0, 1, NULL, &at_once) == 0);
	CHECK("it does not grow", mremap(moved, size, size * 2, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	CHECK("io_destroy", io_destroy(id) == 0);
	CHECK_ERRNO("twice", io_destroy(id), EINVAL);
	CHECK("the ring has gone", msync(moved, 4096, MS_ASYNC) == -1 && errno == ENOMEM);
}

static void transfers(aio_context_t id)
{
	char buf[64] = {0};
	int fd = mkstemp(path);
	CHECK("a file", fd >= 0);
	CHECK("a write", result_of(id, request(IOCB_CMD_PWRITE, fd, "hello, world", 12, 100)) == 12);
	CHECK("a read", result_of(id, request(IOCB_CMD_PREAD, fd, buf, 5, 107)) == 5 && memcmp(buf, "world", 5) == 0);
	CHECK("at the end", result_of(id, request(IOCB_CMD_PREAD, fd, buf, 5, 112)) == 0);
	CHECK("the offset did not move", lseek(fd, 0, SEEK_CUR) == 0);
	struct iovec iov[2] = {{buf, 2}, {buf + 10, 3}};
	CHECK("a scattered read", result_of(id, request(IOCB_CMD_PREADV, fd, iov, 2, 100)) == 5 && memcmp(buf + 10, "llo", 3) == 0);
	CHECK("a gathered write", result_of(id, request(IOCB_CMD_PWRITEV, fd, iov, 2, 0)) == 5);
	CHECK("fsync", result_of(id, request(IOCB_CMD_FSYNC, fd, NULL, 0, 0)) == 0);
	CHECK("fdatasync", result_of(id, request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0)) == 0);
	CHECK("fsync of some of it", result_of(id, request(IOCB_CMD_FSYNC, fd, NULL, 1, 0)) == -1000 - EINVAL);
	struct iocb append = request(IOCB_CMD_PWRITE, fd, "!", 1, 0);
	append.aio_rw_flags = RWF_APPEND | RWF_DSYNC;
	CHECK("appended", result_of(id, append) == 1 && lseek(fd, 0, SEEK_END) == 113);
	append.aio_rw_flags = 1 << 30;
	CHECK("with an unknown flag", result_of(id, append) == -1000 - EOPNOTSUPP);
	CHECK("memory that is not there", result_of(id, request(IOCB_CMD_PREAD, fd, (void *)8, 5, 0)) == -EFAULT);
	CHECK("before the beginning", result_of(id, request(IOCB_CMD_PREAD, fd, buf, 5, -1)) == -1000 - EINVAL);
	CHECK("of a negative length", result_of(id, request(IOCB_CMD_PREAD, fd, buf, -1ul, 0)) == -1000 - EINVAL);
	CHECK("no such request", result_of(id, request(6, fd, buf, 1, 0)) == -1000 - EINVAL);
	CHECK("another that is not", result_of(id, request(99, fd, buf, 1, 0)) == -1000 - EINVAL);
	CHECK("no such file", result_of(id, request(IOCB_CMD_PREAD, 999, buf, 1, 0)) == -1000 - EBADF);
	struct iocb reserved = request(IOCB_CMD_PREAD, fd, buf, 1, 0);
	reserved.aio_reserved2 = 1;
	CHECK("reserved", result_of(id, reserved) == -1000 - EINVAL);
	struct iocb priority = request(IOCB_CMD_PREAD, fd, buf, 1, 0);
	priority.aio_flags = IOCB_FLAG_IOPRIO;
	priority.aio_reqprio = 2 << 13 | 3;
	CHECK("with a priority", result_of(id, priority) == 1);
	priority.aio_reqprio = 7 << 13;
	CHECK("with one that is none", result_of(id, priority) == -1000 - EINVAL);
	int rd = open(path, O_RDONLY), dir = open("/tmp", O_RDONLY);
	CHECK("a write to what is read only", result_of(id, request(IOCB_CMD_PWRITE, rd, buf, 1, 0)) == -1000 - EBADF);
	CHECK("a directory", result_of(id, request(IOCB_CMD_PREAD, dir, buf, 1, 0)) == -1000 - EINVAL);
	struct rlimit limit = {200, RLIM_INFINITY}, old;
	getrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	CHECK("past the limit", result_of(id, request(IOCB_CMD_PWRITE, fd, buf, 1, 200)) == -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);

	struct iocb i[3] = {request(IOCB_CMD_PREAD, fd, buf, 1, 0), request(IOCB_CMD_PREAD, 999, buf, 1, 0),
			    request(IOCB_CMD_PREAD, fd, buf, 3, 0)};
	i[0].aio_key = 5;
	struct iocb *list[3] = {&i[0], &i[2], &i[1]};
	struct io_event e[4];
	CHECK("as many as go well", io_submit(id, 3, list) == 2);
	CHECK("the key is the kernel's", i[0].aio_key == 0);
	CHECK_ERRNO("events to nowhere", io_getevents(id, 2, 4, (void *)8, NULL), EFAULT);
	CHECK("all at once", io_getevents(id, 2, 4, e, NULL) == 2 && e[0].res == 1 && e[1].res == 3);
	CHECK_ERRNO("what is over cannot be cancelled", io_cancel(id, &i[0], e), EINVAL);
	i[0].aio_key = 1;
	CHECK_ERRNO("nor what was none", io_cancel(id, &i[0], e), EINVAL);

	struct ring *ring = (struct ring *)id;
	long n = 0;
	struct iocb one = request(IOCB_CMD_PREAD, fd, buf, 1, 0);
	while (n < 100000 && submit(id, &one) == 1) n++;
	CHECK("a ring gets full", errno == EAGAIN && n <= ring->nr - 1 && n >= 100);
	ring->head = (ring->head + 5) % ring->nr;
	long more = 0;
	while (more < 100000 && submit(id, &one) == 1) more++;
	CHECK("who takes events from it makes room", more >= 1 && more <= 5);
	while (io_getevents(id, 0, 4, e, &at_once) > 0) n--;
	CHECK("none is left", ring->head == ring->tail);
	close(rd);
	close(dir);
	close(fd);
}

static volatile int signalled;
static void on_signal(int sig) { signalled = sig; }

static void streams(aio_context_t id)
{
	char buf[16] = {0};
	int p[2], s[2];
	CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	CHECK("to a pipe", result_of(id, request(IOCB_CMD_PWRITE, p[1], "abc", 3, 0)) == 3);
	CHECK("from a pipe", result_of(id, request(IOCB_CMD_PREAD, p[0], buf, 16, 0)) == 3 && memcmp(buf, "abc", 3) == 0);
	CHECK("to a socket", result_of(id, request(IOCB_CMD_PWRITE, s[0], "xyz", 3, 0)) == 3);
	CHECK("from a socket", result_of(id, request(IOCB_CMD_PREAD, s[1], buf, 16, 0)) == 3 && memcmp(buf, "xyz", 3) == 0);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	CHECK("nothing there", result_of(id, request(IOCB_CMD_PREAD, p[0], buf, 16, 0)) == -EAGAIN);
	fcntl(p[0], F_SETFL, 0);
	CHECK("fsync of a pipe", result_of(id, request(IOCB_CMD_FSYNC, p[0], NULL, 0, 0)) == -1000 - EINVAL);

	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(write(p[1], "late", 4) == 4 ? 0 : 1);
	}
	CHECK("one that must wait is waited for", result_of(id, request(IOCB_CMD_PREAD, p[0], buf, 16, 0)) == 4);
	waitpid(child, NULL, 0);

	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &sa, NULL);
	pid_t me = getpid();
	child = fork();
	if (child == 0) {
		for (;;) {
			usleep(20000);
			kill(me, SIGUSR1);
		}
	}
	CHECK("a signal ends the wait", result_of(id, request(IOCB_CMD_PREAD, p[0], buf, 16, 0)) == -EINTR && signalled);
	struct io_event e;
	CHECK_ERRNO("and a wait for events", io_getevents(id, 1, 1, &e, NULL), EINTR);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	signal(SIGPIPE, on_signal);
	close(p[0]);
	signalled = 0;
	CHECK("nobody reads", result_of(id, request(IOCB_CMD_PWRITE, p[1], "abc", 3, 0)) == -EPIPE && signalled == SIGPIPE);
	int none = eventfd(0, 0);
	CHECK("to an eventfd", result_of(id, request(IOCB_CMD_PWRITE, none, "abcdefgh", 8, 0)) == -1000 - EINVAL);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(none);
}

static void *destroyer(void *arg)
{
	usleep(20000);
	return (void *)io_destroy((aio_context_t)arg);
}

static void polls(aio_context_t id)
{
	int p[2], done = eventfd(0, EFD_NONBLOCK);
	struct io_event e[4];
	CHECK(pipe(p) == 0);
	struct iocb in = request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
	in.aio_flags = IOCB_FLAG_RESFD;
	in.aio_resfd = done;
	unsigned long count = 0;
	CHECK("a poll", submit(id, &in) == 1);
	CHECK("nothing yet", io_getevents(id, 0, 1, e, &at_once) == 0);
	CHECK("nor by eventfd", read(done, &count, 8) == -1 && errno == EAGAIN);
	CHECK(write(p[1], "x", 1) == 1);
	CHECK("now there is", io_getevents(id, 1, 1, e, NULL) == 1 && (e[0].res & POLLIN) && e[0].obj == (unsigned long)&in);
	CHECK("and the eventfd says so", read(done, &count, 8) == 8 && count == 1);
	CHECK("ready at once", submit(id, &in) == 1 && io_getevents(id, 1, 1, e, NULL) == 1 && e[0].res == POLLIN);
	CHECK("once", io_getevents(id, 0, 1, e, &at_once) == 0);
	char c;
	CHECK(read(p[0], &c, 1) == 1);
	CHECK("cancelled", submit(id, &in) == 1 && io_cancel(id, &in, e) == -1 && errno == EINPROGRESS);
	CHECK("it ends with nothing", io_getevents(id, 1, 1, e, NULL) == 1 && e[0].res == 0);
	struct iocb hang = request(IOCB_CMD_POLL, p[0], (void *)POLLPRI, 0, 0);
	CHECK("a hangup is told unasked", submit(id, &hang) == 1 && close(p[1]) == 0 && io_getevents(id, 1, 1, e, NULL) == 1 && e[0].res == POLLHUP);
	CHECK("unknown fields", result_of(id, request(IOCB_CMD_POLL, p[0], (void *)POLLIN, 1, 0)) == -1000 - EINVAL);
	CHECK("unknown events", result_of(id, request(IOCB_CMD_POLL, p[0], (void *)0x10000, 0, 0)) == -1000 - EINVAL);
	in.aio_resfd = p[0];
	CHECK("told by what is no eventfd", submit(id, &in) == -1 && errno == EINVAL);
	in.aio_resfd = 999;
	CHECK("told by nothing", submit(id, &in) == -1 && errno == EBADF);
	close(p[0]);

	CHECK(pipe(p) == 0);
	CHECK("the file outlives its descriptor", submit(id, &(struct iocb){.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = p[0], .aio_buf = POLLIN}) == 1 && close(p[0]) == 0 && write(p[1], "x", 1) == 1);
	CHECK("and is ready", io_getevents(id, 1, 1, e, NULL) == 1 && (e[0].res & POLLIN));
	close(p[1]);

	/* Each one's end is the next one's beginning. */
	enum { chain = 300 };
	static int fds[chain + 1];
	static struct iocb i[chain];
	aio_context_t big = 0;
	CHECK(io_setup(chain, &big) == 0);
	for (int k = 0; k <= chain; k++) fds[k] = eventfd(0, 0);
	int good = 1;
	for (int k = 0; k < chain; k++) {
		i[k] = request(IOCB_CMD_POLL, fds[k], (void *)POLLIN, 0, 0);
		i[k].aio_flags = IOCB_FLAG_RESFD;
		i[k].aio_resfd = fds[k + 1];
		if (submit(big, &i[k]) != 1) good = 0;
	}
	count = 1;
	CHECK("a chain of polls", good && write(fds[0], &count, 8) == 8 && read(fds[chain], &count, 8) == 8);
	static struct io_event all[chain];
	CHECK("all are over", io_getevents(big, chain, chain, all, NULL) == chain);
	for (int k = 0; k <= chain; k++) close(fds[k]);

	CHECK(pipe(p) == 0);
	in.aio_fildes = p[0];
	in.aio_resfd = done;
	CHECK(submit(big, &in) == 1);
	while (read(done, &count, 8) == 8) {}
	pthread_t t;
	void *r;
	pthread_create(&t, NULL, destroyer, (void *)big);
	CHECK_ERRNO("a context that goes ends the wait for its events", io_getevents(big, 1, 1, e, NULL), EINVAL);
	pthread_join(t, &r);
	CHECK("and is gone", r == NULL && io_destroy(big) == -1);
	CHECK("its requests were ended", read(done, &count, 8) == 8 && count == 1);
	close(p[0]);
	close(p[1]);
	close(done);
}

static void masks(aio_context_t id)
{
	struct { sigset_t *set; size_t size; } arg;
	sigset_t none, usr1;
	struct io_event e;
	struct timespec t = {5, 0};
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	arg.set = &none;
	arg.size = 8;
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signalled = 0;
	raise(SIGUSR1);
	CHECK("blocked meanwhile", signalled == 0);
	CHECK_ERRNO("not in io_pgetevents", syscall(SYS_io_pgetevents, id, 1L, 1L, &e, &t, &arg), EINTR);
	CHECK("and again afterwards", signalled == SIGUSR1 && sigprocmask(0, NULL, &none) == 0 && sigismember(&none, SIGUSR1));
	arg.size = 4;
	CHECK_ERRNO("a mask of another size", syscall(SYS_io_pgetevents, id, 0L, 1L, &e, &at_once, &arg), EINVAL);
	CHECK_ERRNO("from nowhere", syscall(SYS_io_pgetevents, id, 0L, 1L, &e, &at_once, 8L), EFAULT);
	CHECK("none", syscall(SYS_io_pgetevents, id, 0L, 1L, &e, &at_once, NULL) == 0);
}

int main(void)
{
	aio_context_t id = 0;
	contexts();
	CHECK(io_setup(64, &id) == 0);
	transfers(id);
	streams(id);
	polls(id);
	masks(id);
	unlink(path);
	return t_end();
}
