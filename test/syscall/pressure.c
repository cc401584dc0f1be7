/* /proc/pressure: its texts, and being told of stalls. See psi.rst in Linux's Documentation. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include "t.h"

static int valid(const char *name, unsigned long *total)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/pressure/%s", name);
	int fd = open(path, O_RDONLY);
	int n = read(fd, text, sizeof text - 1), used = 0;
	close(fd);
	if (n <= 0) return 0;
	text[n] = 0;
	float a, b, c;
	unsigned long some, full;
	if (sscanf(text, "some avg10=%f avg60=%f avg300=%f total=%lu\nfull avg10=%*f avg60=%*f avg300=%*f total=%lu%n",
		   &a, &b, &c, &some, &full, &used) != 5) return 0;
	*total = some;
	return strcmp(text + used, "\n") == 0 && a >= 0 && a <= 100 && b <= 100 && c <= 100 && full <= some;
}

static int trigger(const char *text)
{
	int fd = open("/proc/pressure/cpu", O_RDWR | O_NONBLOCK);
	if (fd < 0) return -1;
	int n = write(fd, text, strlen(text) + 1), e = errno;
	if (n < 0) {
		close(fd);
		errno = e;
		return -1;
	}
	return fd;
}

static pid_t spinner(void)
{
	pid_t p = fork();
	if (p == 0) for (volatile unsigned i = 0;; i++);
	return p;
}

int main(void)
{
	unsigned long before, after;
	int fd = open("/proc/pressure/cpu", O_RDONLY);
	char c;
	/* Not built in, or turned off. */
	if (fd < 0 || read(fd, &c, 1) != 1) return T_NOT_HERE;
	int probe = trigger("some 100000 1000000");
	if (probe < 0) return T_NOT_HERE;
	close(probe);

	CHECK("memory", valid("memory", &before));
	CHECK("io", valid("io", &before));
	CHECK("cpu", valid("cpu", &before));

	struct pollfd p = { .fd = fd, .events = POLLPRI };
	CHECK("without a trigger there is nothing to wait for", poll(&p, 1, 0) == 1 && (p.revents & POLLERR) &&
	      (p.revents & POLLPRI));
	close(fd);
	CHECK_ERRNO("a window is no shorter than half a second", trigger("some 10000 499999"), EINVAL);
	CHECK_ERRNO("and no longer than ten", trigger("some 10000 10000001"), EINVAL);
	CHECK_ERRNO("thresholds are not zero", trigger("some 0 1000000"), EINVAL);
	CHECK_ERRNO("nor longer than the window", trigger("some 1000001 1000000"), EINVAL);
	CHECK_ERRNO("stalls are some or full", trigger("none 10000 1000000"), EINVAL);
	CHECK_ERRNO("both numbers are needed", trigger("some 10000"), EINVAL);
	CHECK_ERRNO("who has no rights asks for whole periods",
		    ({ int r = -1; pid_t k = fork(); if (k == 0) { if (setgid(1000) || setuid(1000)) _exit(9);
		       _exit(trigger("some 100000 1000000") < 0 ? errno : 0); } int st; waitpid(k, &st, 0);
		       errno = WEXITSTATUS(st); r; }), EINVAL);
	fd = trigger("some 400000 10000000");
	CHECK("one may ask", fd >= 0);
	CHECK_ERRNO("once for each file", write(fd, "some 400000 10000000", 21), EBUSY);
	close(fd);

	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
	fd = trigger("some 50000 500000");
	p.fd = fd;
	pid_t a = spinner(), b = spinner();
	/* They need the processor, and so do we: it comes, however fast the machine is. */
	CHECK("two that spin on one processor are held up", poll(&p, 1, 30000) == 1 && p.revents == POLLPRI);
	kill(a, SIGKILL);
	kill(b, SIGKILL);
	waitpid(a, 0, 0);
	waitpid(b, 0, 0);
	CHECK("and the total grows", valid("cpu", &after) && after >= before + 50000);
	close(fd);
	return t_failed != 0;
}
