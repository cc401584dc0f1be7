/* futex_waitv, futex_wake, futex_wait, futex_requeue: the futex calls of Linux 5.16 and 6.7. */
#include "t.h"
#include "asleep.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define NR_waitv 449
#define NR_wake 454
#define NR_wait 455
#define NR_requeue 456
#define U32 2
#define PRIVATE 128
#define ANY 0xffffffffUL

struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };

static long wake(uint32_t *w, unsigned long mask, int n, unsigned flags) { return syscall(NR_wake, w, mask, n, flags); }
static long fwait(uint32_t *w, unsigned long val, unsigned long mask, unsigned flags, void *t, int clock)
{
	return syscall(NR_wait, w, val, mask, flags, t, clock);
}
static long waitv(struct waitv *v, unsigned n, unsigned flags, void *t, int clock)
{
	return syscall(NR_waitv, v, n, flags, t, clock);
}
static long requeue(struct waitv *v, unsigned flags, int n, int m) { return syscall(NR_requeue, v, flags, n, m); }

static uint32_t words[130];
static struct waitv all[130];

struct sleeper { pthread_t thread; volatile long tid; long from, count, result; unsigned long mask; };

static void *sleeps(void *arg)
{
	struct sleeper *s = arg;
	s->tid = syscall(SYS_gettid);
	s->result = s->count ? waitv(all + s->from, s->count, 0, NULL, 0)
			     : fwait(words + s->from, 0, s->mask, U32 | PRIVATE, NULL, 0);
	return NULL;
}

/* Started, and asleep as far as /proc tells. */
static void start(struct sleeper *s, long from, long count, unsigned long mask)
{
	*s = (struct sleeper){.from = from, .count = count, .mask = mask};
	pthread_create(&s->thread, NULL, sleeps, s);
	while (!s->tid) usleep(1000);
	asleep(s->tid);
}

static long finish(struct sleeper *s) { pthread_join(s->thread, NULL); return s->result; }

static struct timespec past = {0, 1};
static void nothing(int sig) { (void)sig; }

static void timing(void)
{
	struct timespec t, bad = {0, 1000000000};
	for (int id = 0; id < 2; id++) {
		clock_gettime(id, &t);
		t.tv_nsec += 3000000;
		if (t.tv_nsec >= 1000000000) { t.tv_sec++; t.tv_nsec -= 1000000000; }
		CHECK_ERRNO("a wait ends in time", fwait(words, 0, ANY, U32 | PRIVATE, &t, id), ETIMEDOUT);
		CHECK_ERRNO("one for several does", waitv(all, 3, 0, &t, id), ETIMEDOUT);
	}
	CHECK_ERRNO("the timeout is absolute", fwait(words, 0, ANY, U32, &past, 1), ETIMEDOUT);
	CHECK_ERRNO("the word is looked at first", fwait(words, 1, ANY, U32, &past, 1), EAGAIN);
	CHECK_ERRNO("no such time", fwait(words, 0, ANY, U32, &bad, 1), EINVAL);
	CHECK_ERRNO("no such clock", fwait(words, 0, ANY, U32, &past, 7), EINVAL);
	CHECK_ERRNO("no such clock for several", waitv(all, 1, 0, &past, 7), EINVAL);
	CHECK_ERRNO("no time there", fwait(words, 0, ANY, U32, (void *)8, 1), EFAULT);
	struct sigaction sa = {.sa_handler = nothing};
	sigaction(SIGALRM, &sa, NULL);
	/* Again and again, should the first come before the sleep. */
	struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	setitimer(ITIMER_REAL, &often, NULL);
	CHECK_ERRNO("a signal ends a wait", waitv(all, 3, 0, NULL, 0), EINTR);
	CHECK_ERRNO("of one word too", fwait(words, 0, ANY, U32, NULL, 0), EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
}

static void arguments(void)
{
	CHECK_ERRNO("no size", fwait(words, 0, ANY, 0, NULL, 0), EINVAL);
	CHECK_ERRNO("64 bits", fwait(words, 0, ANY, 3, NULL, 0), EINVAL);
	CHECK_ERRNO("unknown flags", fwait(words, 0, ANY, U32 | 64, NULL, 0), EINVAL);
	CHECK_ERRNO("a value too large", fwait(words, 1UL << 32, ANY, U32, NULL, 0), EINVAL);
	CHECK_ERRNO("a mask too large", fwait(words, 0, 1UL << 32, U32, NULL, 0), EINVAL);
	CHECK_ERRNO("no mask", fwait(words, 0, 0, U32, NULL, 0), EINVAL);
	CHECK_ERRNO("misaligned", fwait((void *)((char *)words + 1), 0, ANY, U32, NULL, 0), EINVAL);
	CHECK_ERRNO("nowhere", fwait((void *)8, 0, ANY, U32 | PRIVATE, NULL, 0), EFAULT);
	CHECK_ERRNO("nobody is woken with no mask", wake(words, 0, 1, U32), EINVAL);
	CHECK_ERRNO("wake: unknown flags", wake(words, ANY, 1, U32 | 64), EINVAL);
	CHECK_ERRNO("wake: misaligned", wake((void *)((char *)words + 2), ANY, 1, U32), EINVAL);
	CHECK("nobody is there to wake", wake(words, ANY, 1, U32 | PRIVATE) == 0);
	CHECK_ERRNO("none to wait for", waitv(all, 0, 0, NULL, 0), EINVAL);
	CHECK_ERRNO("too many", waitv(all, 129, 0, NULL, 0), EINVAL);
	CHECK_ERRNO("waitv: flags", waitv(all, 1, 1, NULL, 0), EINVAL);
	CHECK_ERRNO("waitv: nothing", waitv(NULL, 1, 0, NULL, 0), EINVAL);
	CHECK_ERRNO("waitv: nowhere", waitv((void *)8, 1, 0, NULL, 0), EFAULT);
	struct waitv v[2] = {{0, (uintptr_t)words, U32, 0}, {0, (uintptr_t)(words + 1), U32, 1}};
	CHECK_ERRNO("waitv: reserved", waitv(v, 2, 0, NULL, 0), EINVAL);
	v[1].reserved = 0;
	v[1].flags = 64 | U32;
	CHECK_ERRNO("waitv: a word's flags", waitv(v, 2, 0, NULL, 0), EINVAL);
	v[1].flags = U32;
	v[1].val = 1;
	CHECK_ERRNO("waitv: another value", waitv(v, 2, 0, NULL, 0), EAGAIN);
	v[1].uaddr = 8;
	CHECK_ERRNO("waitv: a word nowhere", waitv(v, 2, 0, NULL, 0), EFAULT);
	CHECK_ERRNO("requeue: a word nowhere", requeue(v, 0, 1, 1), EFAULT);
	v[1].uaddr = (uintptr_t)(words + 1);
	CHECK_ERRNO("requeue: flags", requeue(v, 1, 1, 1), EINVAL);
	CHECK_ERRNO("requeue: nothing", requeue(NULL, 0, 1, 1), EINVAL);
	CHECK_ERRNO("requeue: below zero", requeue(v, 0, -1, 1), EINVAL);
	v[0].val = 1;
	CHECK_ERRNO("requeue: another value", requeue(v, 0, 1, 1), EAGAIN);
}

static void waking(void)
{
	struct sleeper a, b, c;
	start(&a, 0, 0, 1);
	start(&b, 0, 0, 2);
	CHECK("none wanted, none woken", wake(words, ANY, 0, U32 | PRIVATE) == 0);
	CHECK("other bits", wake(words, 4, 9, U32 | PRIVATE) == 0);
	CHECK("the bits of one", wake(words, 2, 9, U32 | PRIVATE) == 1 && finish(&b) == 0);
	CHECK("the old call wakes the new wait", syscall(SYS_futex, words, FUTEX_WAKE_PRIVATE, 9) == 1 && finish(&a) == 0);

	start(&a, 0, 3, 0);
	CHECK("one of three", wake(words + 1, ANY, 9, U32 | PRIVATE) == 1);
	CHECK("says which", finish(&a) == 1);
	CHECK("the others are left", wake(words, ANY, 9, U32 | PRIVATE) == 0 && wake(words + 2, ANY, 9, U32 | PRIVATE) == 0);
	start(&a, 0, 128, 0);
	CHECK("the last of many", wake(words + 127, ANY, 1, U32 | PRIVATE) == 1 && finish(&a) == 127);

	/* The same word twice in one call, with another sleeper behind it. */
	all[1].uaddr = all[0].uaddr;
	start(&a, 0, 2, 0);
	start(&b, 0, 0, ANY);
	CHECK("a word twice counts twice", wake(words, ANY, 9, U32 | PRIVATE) == 3);
	CHECK("and is its last place", finish(&a) == 1 && finish(&b) == 0);
	all[1].uaddr = (uintptr_t)(words + 1);

	start(&a, 0, 0, ANY);
	start(&b, 0, 0, ANY);
	start(&c, 0, 1, ANY);
	CHECK("one woken, two moved", requeue(all + 0, 0, 1, 9) == 3);
	CHECK("nobody is left", wake(words, ANY, 9, U32 | PRIVATE) == 0);
	CHECK("two are there", wake(words + 1, ANY, 9, U32 | PRIVATE) == 2);
	CHECK("and all end", finish(&a) == 0 && finish(&b) == 0 && finish(&c) == 0);
}

static void shared(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct waitv v[2] = {{0, (uintptr_t)words, U32 | PRIVATE, 0}, {0, (uintptr_t)w, U32, 0}};
		_exit(waitv(v, 2, 0, NULL, 0) == 1 ? 0 : 1);
	}
	while (wake(w, ANY, 1, U32) == 0) usleep(1000);
	int status = -1;
	waitpid(pid, &status, 0);
	CHECK("another process is woken", status == 0);
}

int main(void)
{
	if (syscall(NR_requeue, NULL, 0, 0, 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	for (int i = 0; i < 130; i++) all[i] = (struct waitv){0, (uintptr_t)(words + i), U32 | PRIVATE, 0};
	arguments();
	timing();
	waking();
	shared();
	return t_end();
}
