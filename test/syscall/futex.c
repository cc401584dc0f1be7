/* Futexes, by the bare system call: who waits, who is woken, how long. */
#include "t.h"
#include "asleep.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

typedef long long ns_t;

static long futex(uint32_t *word, int op, uint32_t val, const void *timeout, uint32_t *word2, uint32_t val3)
{
	return syscall(SYS_futex, word, op, val, timeout, word2, val3);
}

static ns_t now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct timespec in(clockid_t id, ns_t later)
{
	ns_t t = now(id) + later;
	return (struct timespec){t / 1000000000, t % 1000000000};
}

static void nap(void) { usleep(2000); }

/* A thread that waits, and tells how that ended. */
struct sleeper {
	pthread_t thread;
	uint32_t *word;
	int op;
	uint32_t bits;
	long result;
	int error;
	volatile int done;
	volatile long tid;
};

static void *sleeps(void *arg)
{
	struct sleeper *s = arg;
	s->tid = syscall(SYS_gettid);
	s->result = futex(s->word, s->op, 0, NULL, NULL, s->bits);
	s->error = errno;
	s->done = 1;
	return NULL;
}

/* Started, and asleep as far as /proc tells. */
static void start(struct sleeper *s, uint32_t *word, int op, uint32_t bits)
{
	*s = (struct sleeper){.word = word, .op = op, .bits = bits};
	pthread_create(&s->thread, NULL, sleeps, s);
	while (!s->tid) nap();
	asleep(s->tid);
}

static int finishes(struct sleeper *s)
{
	pthread_join(s->thread, NULL);
	return s->result == 0;
}

static uint32_t a, b;

static void refusals(void)
{
	struct timespec t = {0, 5000000};
	a = 1;
	CHECK_ERRNO("another value", futex(&a, FUTEX_WAIT, 0, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO("another value, private", futex(&a, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO("misaligned", futex((uint32_t *)((char *)&a + 1), FUTEX_WAIT, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO("misaligned wake", futex((uint32_t *)((char *)&a + 2), FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO("nowhere", futex((uint32_t *)8, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO("nowhere, private", futex((uint32_t *)8, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO("a shared wake nowhere", futex((uint32_t *)8, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK("a private wake nowhere wakes nobody", futex((uint32_t *)8, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0);
	CHECK_ERRNO("a kernel address", futex((uint32_t *)0xffffffff80000000UL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0),
		    EFAULT);
	CHECK_ERRNO("no bits", futex(&a, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO("no bits to wake", futex(&a, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO("no such operation", futex(&a, 100, 1, NULL, NULL, 0), ENOSYS);
	CHECK_ERRNO("the realtime clock is not for wakes",
		    futex(&a, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
	t.tv_nsec = 1000000000;
	CHECK_ERRNO("a bad time", futex(&a, FUTEX_WAIT, 1, &t, NULL, 0), EINVAL);
	t = (struct timespec){-1, 0};
	CHECK_ERRNO("a negative time", futex(&a, FUTEX_WAIT, 1, &t, NULL, 0), EINVAL);
	CHECK_ERRNO("a time nowhere", futex(&a, FUTEX_WAIT, 1, (void *)8, NULL, 0), EFAULT);
	char *m = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERRNO("memory that can only be read will do to wait", futex((uint32_t *)m, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0),
		    EAGAIN);
	mprotect(m, 4096, PROT_NONE);
	CHECK_ERRNO("but no memory will not", futex((uint32_t *)m, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	munmap(m, 4096);
	CHECK_ERRNO("requeue of a negative number", futex(&a, FUTEX_REQUEUE, 1, (void *)-1L, &b, 0), EINVAL);
	CHECK_ERRNO("requeue when the value changed", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)1L, &b, 7), EAGAIN);
	CHECK_ERRNO("requeue to a misaligned word",
		    futex(&a, FUTEX_REQUEUE, 1, (void *)1L, (uint32_t *)((char *)&b + 1), 0), EINVAL);
	CHECK("nobody to wake", futex(&a, FUTEX_WAKE, 100, NULL, NULL, 0) == 0);
}

static void timeouts(void)
{
	struct timespec t = {0, 20000000};
	a = 0;
	ns_t begin = now(CLOCK_MONOTONIC);
	CHECK_ERRNO("a relative time passes", futex(&a, FUTEX_WAIT, 0, &t, NULL, 0), ETIMEDOUT);
	CHECK("not too early", now(CLOCK_MONOTONIC) - begin >= 20000000);
	t = in(CLOCK_MONOTONIC, 20000000);
	CHECK_ERRNO("an absolute one", futex(&a, FUTEX_WAIT_BITSET, 0, &t, NULL, -1), ETIMEDOUT);
	CHECK("not too early", now(CLOCK_MONOTONIC) >= (ns_t)t.tv_sec * 1000000000 + t.tv_nsec);
	t = in(CLOCK_REALTIME, 20000000);
	CHECK_ERRNO("of the wall clock",
		    futex(&a, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, -1), ETIMEDOUT);
	CHECK("not too early", now(CLOCK_REALTIME) >= (ns_t)t.tv_sec * 1000000000 + t.tv_nsec);
	t = (struct timespec){0, 0};
	CHECK_ERRNO("no time", futex(&a, FUTEX_WAIT, 0, &t, NULL, 0), ETIMEDOUT);
	CHECK_ERRNO("the past", futex(&a, FUTEX_WAIT_BITSET, 0, &t, NULL, -1), ETIMEDOUT);
}

static void wakes(int private)
{
	struct sleeper s[5];
	int f = private ? FUTEX_PRIVATE_FLAG : 0;
	a = 0;
	for (int i = 0; i < 5; i++) start(&s[i], &a, FUTEX_WAIT | f, 0);
	CHECK("one of five", futex(&a, FUTEX_WAKE | f, 1, NULL, NULL, 0) == 1);
	CHECK("is the first that came", finishes(&s[0]));
	CHECK("three more", futex(&a, FUTEX_WAKE | f, 3, NULL, NULL, 0) == 3);
	CHECK("in order", finishes(&s[1]) && finishes(&s[2]) && finishes(&s[3]));
	CHECK("the last sleeps on", !s[4].done);
	CHECK("the rest", futex(&a, FUTEX_WAKE | f, INT32_MAX, NULL, NULL, 0) == 1 && finishes(&s[4]));
	start(&s[0], &a, FUTEX_WAIT | f, 0);
	CHECK("to wake none wakes one all the same", futex(&a, FUTEX_WAKE | f, 0, NULL, NULL, 0) == 1);
	finishes(&s[0]);
	start(&s[0], &a, FUTEX_WAIT_BITSET | f, 1);
	start(&s[1], &a, FUTEX_WAIT_BITSET | f, 2);
	start(&s[2], &a, FUTEX_WAIT_BITSET | f, 0x80000000u);
	start(&s[3], &a, FUTEX_WAIT | f, 0);
	CHECK("bits that nobody waits for but him who waits for all",
	      futex(&a, FUTEX_WAKE_BITSET | f, 10, NULL, NULL, 4) == 1 && finishes(&s[3]));
	CHECK("the highest bit", futex(&a, FUTEX_WAKE_BITSET | f, 10, NULL, NULL, 0x80000000u) == 1 &&
					 finishes(&s[2]));
	CHECK("bit 1", futex(&a, FUTEX_WAKE_BITSET | f, 10, NULL, NULL, 2) == 1 && finishes(&s[1]));
	CHECK("the only one sleeps on, for bits of others",
	      futex(&a, FUTEX_WAKE_BITSET | f, 10, NULL, NULL, 6) == 0 && !s[0].done);
	CHECK("any bit", futex(&a, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 1 && finishes(&s[0]));
}

static void requeues(int private)
{
	struct sleeper s[6];
	int f = private ? FUTEX_PRIVATE_FLAG : 0;
	a = b = 0;
	for (int i = 0; i < 6; i++) start(&s[i], &a, FUTEX_WAIT | f, 0);
	CHECK("one woken, two moved", futex(&a, FUTEX_CMP_REQUEUE | f, 1, (void *)2L, &b, 0) == 3);
	CHECK("the first woke", finishes(&s[0]));
	CHECK("the moved ones wait there", futex(&b, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 2);
	CHECK("in order", finishes(&s[1]) && finishes(&s[2]));
	CHECK("none woken, one moved", futex(&a, FUTEX_REQUEUE | f, 0, (void *)1L, &b, 0) == 1);
	CHECK("he waits there", futex(&b, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 1 && finishes(&s[3]));
	CHECK("all moved", futex(&a, FUTEX_CMP_REQUEUE | f, 0, (void *)(long)INT32_MAX, &b, 0) == 2);
	CHECK("nobody is left", futex(&a, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 0);
	CHECK("back again", futex(&b, FUTEX_CMP_REQUEUE | f, 0, (void *)1L, &a, 0) == 1);
	CHECK("both places", futex(&a, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 1 &&
				     futex(&b, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 1);
	CHECK("all are done", finishes(&s[4]) && finishes(&s[5]));
	start(&s[0], &a, FUTEX_WAIT | f, 0);
	CHECK("the only one moved asleep", futex(&a, FUTEX_CMP_REQUEUE | f, 0, (void *)1L, &b, 0) == 1 && !s[0].done);
	CHECK("and woken there", futex(&b, FUTEX_WAKE | f, 10, NULL, NULL, 0) == 1 && finishes(&s[0]));
}

static void wake_ops(void)
{
	struct sleeper s[2];
	a = 0;
	b = 5;
	CHECK("set", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 5)) == 0 && b == 7);
	CHECK("add", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_NE, 5)) == 0 && b == 10);
	CHECK("add a negative", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_LT, 5)) == 0 && b == 9);
	CHECK("or", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_OR, 6, FUTEX_OP_CMP_LE, 5)) == 0 && b == 15);
	CHECK("and not", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_ANDN, 3, FUTEX_OP_CMP_GT, 5)) == 0 && b == 12);
	CHECK("xor", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_XOR, 5, FUTEX_OP_CMP_GE, 5)) == 0 && b == 9);
	CHECK("shifted", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 10, FUTEX_OP_CMP_EQ, 9)) == 0 && b == 0x409);
	CHECK_ERRNO("no such arithmetic", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(6, 5, FUTEX_OP_CMP_GE, 5)), ENOSYS);
	CHECK_ERRNO("no such comparison", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_SET, 5, 9, 5)), ENOSYS);
	CHECK_ERRNO("second word nowhere", futex(&a, FUTEX_WAKE_OP, 1, (void *)1L, (uint32_t *)8, 0), EFAULT);
	b = 1;
	start(&s[0], &a, FUTEX_WAIT_PRIVATE, 0);
	start(&s[1], &b, FUTEX_WAIT_BITSET_PRIVATE, 1);
	pthread_join(s[1].thread, NULL);
	CHECK("the second's value was another", s[1].result == -1 && s[1].error == EAGAIN);
	b = 0;
	start(&s[1], &b, FUTEX_WAIT_PRIVATE, 0);
	CHECK("condition false: the first only", futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_SET, 4, FUTEX_OP_CMP_GT, 0)) == 1 && b == 4);
	CHECK("he", finishes(&s[0]) && !s[1].done);
	start(&s[0], &a, FUTEX_WAIT_PRIVATE, 0);
	CHECK("condition true: both", futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &b, FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 4)) == 2);
	CHECK("they", finishes(&s[0]) && finishes(&s[1]));
}

static volatile sig_atomic_t handled;
static void on_signal(int sig) { (void)sig; handled++; }

static void signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	/* Again and again, should the first come before the wait began. */
	struct itimerval it = {{0, 50000}, {0, 20000}}, none = {{0, 0}, {0, 0}};
	struct timespec t = {20, 0};
	a = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO("a handler without SA_RESTART ends a wait", futex(&a, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO("and a wait with a time", futex(&a, FUTEX_WAIT, 0, &t, NULL, 0), EINTR);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO("a wait with a time in spite of SA_RESTART", futex(&a, FUTEX_WAIT, 0, &t, NULL, 0), EINTR);
	setitimer(ITIMER_REAL, &none, NULL);
	struct sleeper s;
	start(&s, &a, FUTEX_WAIT_PRIVATE, 0);
	handled = 0;
	pthread_kill(s.thread, SIGALRM);
	while (!handled) nap();
	CHECK("a wait without goes on after the handler", !s.done);
	CHECK("and can be woken", futex(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1 && finishes(&s));
	start(&s, &a, FUTEX_WAIT_PRIVATE, 0);
	handled = 0;
	a = 1;
	pthread_kill(s.thread, SIGALRM);
	pthread_join(s.thread, NULL);
	CHECK("after the handler it looks at the value again", s.result == -1 && s.error == EAGAIN);
}

/* One who is stopped in a wait must not sleep on when the word changed meanwhile. */
static void stops(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		w[1] = 1;
		long r = futex(w, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(r == 0 || errno == EAGAIN ? 0 : 1);
	}
	while (!w[1]) nap();
	usleep(20000);
	int st;
	kill(p, SIGSTOP);
	waitpid(p, &st, WUNTRACED);
	w[0] = 1;
	futex(w, FUTEX_WAKE, 1, NULL, NULL, 0);
	kill(p, SIGCONT);
	CHECK("a word that changed during a stop is seen", waitpid(p, &st, 0) == p && st == 0);
	munmap(w, 4096);
}

static void between_processes(void)
{
	uint32_t *w = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t kids[3];
	int st;
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		if ((kids[i] = fork()) != 0) continue;
		/* Seen at another address, the word is the same. */
		uint32_t *v = mremap(w, 8192, 16384, MREMAP_MAYMOVE);
		if (v == MAP_FAILED) v = w;
		__atomic_add_fetch(&v[1], 1, __ATOMIC_SEQ_CST);
		_exit(futex(v, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
	}
	while (__atomic_load_n(&w[1], __ATOMIC_SEQ_CST) < 3) nap();
	int woken = 0;
	for (int i = 0; i < 1000 && woken < 2; i++) {
		woken += futex(w, FUTEX_WAKE, 2 - woken, NULL, NULL, 0);
		nap();
	}
	CHECK("two of three processes", woken == 2);
	for (int i = 0; i < 1000 && woken < 3; i++) {
		woken += futex(w, FUTEX_CMP_REQUEUE, 0, (void *)1L, &w[1025], 0);
		nap();
	}
	CHECK("the third moved to another page", woken == 3);
	CHECK("and woken there", futex(&w[1025], FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
	int good = 1;
	for (int i = 0; i < 3; i++) {
		waitpid(kids[i], &st, 0);
		if (st != 0) good = 0;
	}
	CHECK("all were woken", good);
	munmap(w, 8192);
	/* A file's page is shared by all who map it. */
	char name[64];
	snprintf(name, sizeof name, "/tmp/futex.%d", getpid());
	FILE *f = fopen(name, "w+");
	unlink(name);
	if (!f || ftruncate(fileno(f), 4096) != 0) exit(9);
	w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	pid_t p = fork();
	if (p == 0) {
		uint32_t *v = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
		v[1] = 1;
		_exit(futex(v, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
	}
	while (!((volatile uint32_t *)w)[1]) nap();
	woken = 0;
	for (int i = 0; i < 1000 && woken < 1; i++) {
		woken += futex(w, FUTEX_WAKE, 1, NULL, NULL, 0);
		nap();
	}
	CHECK("a word in a mapped file", woken == 1 && waitpid(p, &st, 0) == p && st == 0);
	/* Its name is file and offset: neither the page nor a mapping need stay. */
	uint32_t *v = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	struct sleeper away;
	w[0] = 0;
	start(&away, v, FUTEX_WAIT, 0);
	madvise(w, 4096, MADV_REMOVE); /* where the file system can */
	w[2] = 1;
	CHECK(munmap(v, 4096) == 0);
	CHECK("a waiter is found though its page was replaced and its mapping went",
	      futex(w, FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
	CHECK("and returns as if nothing had happened", finishes(&away));
	/* Private words of two processes at one address are two. */
	a = 0;
	struct sleeper s;
	start(&s, &a, FUTEX_WAIT_PRIVATE, 0);
	CHECK("another process's word at the same address is not this one",
	      STATUS_OF(_exit(futex(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))) == 0);
	CHECK("nor without the private flag", STATUS_OF(_exit(futex(&a, FUTEX_WAKE, 1, NULL, NULL, 0))) == 0);
	CHECK("this one is", futex(&a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1 && finishes(&s));
}

int main(void)
{
	refusals();
	timeouts();
	wakes(0);
	wakes(1);
	requeues(0);
	requeues(1);
	wake_ops();
	signals();
	stops();
	between_processes();
	return t_end();
}
