/* Hogs of asynchronous requests: contexts, requests that wait for one another, rings that are scribbled on. */
#include "hog.h"

#include <linux/aio_abi.h>

static struct iocb aio_poll(int fd, int notify)
{
	struct iocb i = {.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = fd, .aio_buf = POLLIN,
			 .aio_flags = IOCB_FLAG_RESFD, .aio_resfd = notify};
	return i;
}

static void aios(void)
{
	enum { files = 200 };
	static int fds[files];
	for (int i = 0; i < files; i++) fds[i] = eventfd(0, EFD_NONBLOCK);
	for (unsigned seed = getpid();; seed = seed * 1103515245 + 12345) {
		aio_context_t id = 0;
		if (!tried(syscall(SYS_io_setup, 1 + seed % 4000, &id), "io_setup")) return;
		unsigned *ring = (unsigned *)id;
		struct iocb i;
		struct iocb *list[1] = {&i};
		/* Each tells the next one, or itself. */
		for (int k = 0; k < 100000; k++) {
			i = aio_poll(fds[k % files], fds[(k + (seed >> 8) % 3) % files]);
			if (!tried(syscall(SYS_io_submit, id, 1, list), "io_submit")) break;
		}
		ring[2] = seed;
		ring[3] = seed >> 3;
		unsigned long one = 1;
		if (seed & 256) write(fds[0], &one, 8);
		struct io_event e[16];
		struct timespec none = {0, 0};
		syscall(SYS_io_getevents, id, 0, 16, e, &none);
		memset(ring, seed, 4096);
		i = aio_poll(fds[1], fds[2]);
		syscall(SYS_io_submit, id, 1, list);
		if (seed & 512) syscall(SYS_io_destroy, id);
		else if (seed & 1024) munmap((void *)id, 4096);
	}
}

/* Those that would keep the machine for themselves. */
static void urgent(void)
{
	struct sched_param p = {.sched_priority = 1 + getpid() % 99};
	if (!tried(sched_setscheduler(0, getpid() % 2 ? SCHED_FIFO : SCHED_RR, &p), "sched_setscheduler")) return;
	for (;;) done++;
}
