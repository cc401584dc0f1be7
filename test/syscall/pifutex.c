/* Futexes that are locks: FUTEX_LOCK_PI and its kin, and the mutexes that libc makes of them. */
#include "t.h"
#include "asleep.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static long futex(uint32_t *w, int op, const void *timeout)
{
	return syscall(SYS_futex, w, op | FUTEX_PRIVATE_FLAG, 0, timeout, NULL, 0);
}

static uint32_t word, other;
static uint32_t me;

struct locker { pthread_t thread; volatile uint32_t tid; long result; uint32_t *first, *second; volatile int stays; };

static void *locks(void *arg)
{
	struct locker *s = arg;
	s->tid = syscall(SYS_gettid);
	if (s->second) {
		CHECK(futex(s->second, FUTEX_LOCK_PI, NULL) == 0);
		s->stays = 1;
	}
	s->result = futex(s->first, FUTEX_LOCK_PI, NULL);
	if (s->result == 0 && !s->stays) futex(s->first, FUTEX_UNLOCK_PI, NULL);
	return NULL;
}

static void start(struct locker *s, uint32_t *first, uint32_t *second, int stays)
{
	*s = (struct locker){.first = first, .second = second, .stays = stays};
	pthread_create(&s->thread, NULL, locks, s);
	while (!s->tid) usleep(1000);
	/* Until it sleeps for the lock. */
	while (!(__atomic_load_n(first, __ATOMIC_SEQ_CST) & FUTEX_WAITERS)) usleep(1000);
	asleep(s->tid);
}

static void *owns(void *arg)
{
	uint32_t *owner = arg;
	__atomic_store_n(owner, syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	while (__atomic_load_n(owner, __ATOMIC_SEQ_CST)) usleep(1000);
	return NULL;
}

static void plain(void)
{
	struct timespec past = {1, 0}, soon, bad = {0, -1};
	CHECK("a free lock is taken", futex(&word, FUTEX_LOCK_PI, NULL) == 0 && word == me);
	CHECK_ERRNO("not twice", futex(&word, FUTEX_LOCK_PI, NULL), EDEADLK);
	CHECK_ERRNO("nor by trying", futex(&word, FUTEX_TRYLOCK_PI, NULL), EDEADLK);
	CHECK("given back", futex(&word, FUTEX_UNLOCK_PI, NULL) == 0 && word == 0);
	CHECK_ERRNO("not twice", futex(&word, FUTEX_UNLOCK_PI, NULL), EPERM);
	CHECK("taken by trying", futex(&word, FUTEX_TRYLOCK_PI, NULL) == 0 && word == me);
	word = FUTEX_OWNER_DIED;
	CHECK("who takes it learns that its owner died", futex(&word, FUTEX_LOCK_PI, NULL) == 0 && word == (me | FUTEX_OWNER_DIED));
	word = 0x3ffffff0;
	CHECK_ERRNO("an owner that is not", futex(&word, FUTEX_LOCK_PI, NULL), ESRCH);
	word = 0;
	CHECK_ERRNO("misaligned", futex((void *)((char *)&word + 1), FUTEX_LOCK_PI, NULL), EINVAL);
	CHECK_ERRNO("nowhere", futex((void *)8, FUTEX_LOCK_PI, NULL), EFAULT);
	CHECK_ERRNO("no such time", futex(&word, FUTEX_LOCK_PI, &bad), EINVAL);
	CHECK_ERRNO("an op without a clock", futex(&word, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, NULL), ENOSYS);
	pthread_t thread;
	uint32_t owner = 0;
	pthread_create(&thread, NULL, owns, &owner);
	while (!__atomic_load_n(&owner, __ATOMIC_SEQ_CST)) usleep(1000);
	uint32_t pid = owner;
	word = pid;
	CHECK_ERRNO("in the past", futex(&word, FUTEX_LOCK_PI, &past), ETIMEDOUT);
	CHECK("that one waited is seen", word == (pid | FUTEX_WAITERS));
	clock_gettime(CLOCK_MONOTONIC, &soon);
	soon.tv_nsec += 2000000;
	if (soon.tv_nsec >= 1000000000) { soon.tv_sec++; soon.tv_nsec -= 1000000000; }
	CHECK_ERRNO("until then", futex(&word, FUTEX_LOCK_PI2, &soon), ETIMEDOUT);
	CHECK_ERRNO("taken", futex(&word, FUTEX_TRYLOCK_PI, NULL), EAGAIN);
	__atomic_store_n(&owner, 0, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	word = 0;
}

static volatile int alarms;
static void count(int sig) { (void)sig; alarms++; }

static void waiting(void)
{
	struct locker a, b, c;
	CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0);
	start(&a, &word, NULL, 0);
	CHECK("a waiter is seen", word == (me | FUTEX_WAITERS));
	start(&b, &word, NULL, 0);
	CHECK_ERRNO("a lock is not woken", syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), EINVAL);
	CHECK("given on", futex(&word, FUTEX_UNLOCK_PI, NULL) == 0);
	CHECK("in turn", (pthread_join(a.thread, NULL), a.result) == 0 && (pthread_join(b.thread, NULL), b.result) == 0);
	CHECK("free in the end", (word & FUTEX_TID_MASK) == 0);

	word = 0;
	CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0);
	start(&a, &word, &other, 0);
	CHECK_ERRNO("who waits for us is not waited for", futex(&other, FUTEX_LOCK_PI, NULL), EDEADLK);
	futex(&word, FUTEX_UNLOCK_PI, NULL);
	pthread_join(a.thread, NULL);
	CHECK("it ended with both", a.result == 0 && word == (a.tid | FUTEX_WAITERS));

	word = other = 0;
	CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0);
	start(&a, &word, NULL, 1);
	start(&b, &word, NULL, 1);
	start(&c, &word, NULL, 0);
	futex(&word, FUTEX_UNLOCK_PI, NULL);
	pthread_join(a.thread, NULL);
	pthread_join(b.thread, NULL);
	pthread_join(c.thread, NULL);
	CHECK("owners that end hand the lock on", a.result == 0 && b.result == 0 && c.result == 0);

	word = 0;
	struct sigaction sa = {.sa_handler = count};
	sigaction(SIGUSR1, &sa, NULL);
	CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0);
	start(&a, &word, NULL, 0);
	pthread_kill(a.thread, SIGUSR1);
	while (!alarms) usleep(1000);
	asleep(a.tid);
	CHECK("a handler does not end the wait", word == (me | FUTEX_WAITERS));
	/* Both at once: the signal, and the lock. */
	pthread_kill(a.thread, SIGUSR1);
	futex(&word, FUTEX_UNLOCK_PI, NULL);
	pthread_join(a.thread, NULL);
	CHECK("nor does it lose the lock", a.result == 0);
}

static pthread_mutex_t mutex;
static long total;
static void *gives_up(void *result)
{
	struct timespec soon;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec += 5000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	*(int *)result = futex(&word, FUTEX_LOCK_PI, &soon) == 0 ? 0 : errno;
	return NULL;
}

static void *sleeps(void *unused)
{
	syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 7, 0, 0, 0);
	return unused;
}

/* One word, by turns of those who wait for a change, and a lock. */
static void turns(void)
{
	struct timespec shortly = {0, 2000000};
	struct locker s;
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		int result = 0;
		word = 5;
		CHECK_ERRNO("nobody wakes", syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 5, &shortly, 0, 0), ETIMEDOUT);
		word = 0;
		CHECK("a lock then", futex(&word, FUTEX_LOCK_PI, NULL) == 0);
		start(&s, &word, NULL, 0);
		CHECK("which is handed on", futex(&word, FUTEX_UNLOCK_PI, NULL) == 0);
		pthread_join(s.thread, NULL);
		CHECK("to who waited", s.result == 0 && word == 0);
		CHECK("again", futex(&word, FUTEX_LOCK_PI, NULL) == 0);
		pthread_create(&thread, NULL, gives_up, &result);
		pthread_join(thread, NULL);
		CHECK("until who waits gives up", result == ETIMEDOUT);
		CHECK("no change wakes nobody", syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0) == 0);
		CHECK("given back", futex(&word, FUTEX_UNLOCK_PI, NULL) == 0);
		long woken;
		word = 7;
		pthread_create(&thread, NULL, sleeps, NULL);
		while ((woken = syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)) == 0) usleep(1000);
		CHECK("who waits for a change after a lock is woken", woken == 1);
		if (woken == 1) pthread_join(thread, NULL);
	}
	word = 0;
}

static void *adds(void *unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&mutex);
		long t = total;
		if (i % 50 == 0) sched_yield();
		total = t + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *dies(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	return NULL;
}

static void mutexes(void)
{
	pthread_mutexattr_t attr;
	pthread_t t[4];
	pthread_mutexattr_init(&attr);
	CHECK("a mutex may inherit priority", pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT) == 0);
	CHECK("is made", pthread_mutex_init(&mutex, &attr) == 0);
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, adds, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	CHECK("and excludes", total == 1200);
	pthread_mutex_destroy(&mutex);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	CHECK("it may be robust", pthread_mutex_init(&mutex, &attr) == 0);
	pthread_create(&t[0], NULL, dies, NULL);
	pthread_join(t[0], NULL);
	CHECK("an owner that died is told of", pthread_mutex_lock(&mutex) == EOWNERDEAD);
	CHECK("and made good", pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
	CHECK("it works on", pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
}

static void processes(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int s;
	*w = 0;
	CHECK(syscall(SYS_futex, w, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (syscall(SYS_futex, w, FUTEX_LOCK_PI, 0, NULL, NULL, 0) != 0) _exit(1);
		_exit((*w & FUTEX_TID_MASK) == (uint32_t)getpid() ? 0 : 2);
	}
	while (!(__atomic_load_n(w, __ATOMIC_SEQ_CST) & FUTEX_WAITERS)) usleep(1000);
	CHECK("another process waits", syscall(SYS_futex, w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
	waitpid(pid, &s, 0);
	CHECK("and gets it", s == 0);
}

int main(void)
{
	me = syscall(SYS_gettid);
	if (futex(&word, FUTEX_LOCK_PI2, NULL) == -1 && errno == ENOSYS) return T_NOT_HERE;
	word = 0;
	plain();
	waiting();
	turns();
	mutexes();
	processes();
	return t_end();
}
