/* The C library's locks under load: what 16 threads do to each other. */
#include "t.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define THREADS 16
#define ROUNDS 400

static pthread_t threads[THREADS];

static void run(void *(*f)(void *))
{
	for (long i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, f, (void *)i) != 0) exit(9);
	}
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter;

/* Gives the others a chance in the middle of things, now and then. */
static void yield(long i)
{
	if (i % 7 == 0) sched_yield();
	if (i % 97 == 0) usleep(50);
}

static void *locker(void *arg)
{
	for (long i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		long n = counter;
		yield(i + (long)arg);
		counter = n + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void mutexes(void)
{
	static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
				    PTHREAD_MUTEX_ADAPTIVE_NP};
	for (int i = 0; i < 4; i++) {
		pthread_mutexattr_t a;
		pthread_mutexattr_init(&a);
		pthread_mutexattr_settype(&a, kinds[i]);
		pthread_mutex_init(&mutex, &a);
		counter = 0;
		run(locker);
		CHECK("a lock lets in one at a time", counter == THREADS * ROUNDS);
	}
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&mutex, &a);
	pthread_mutex_lock(&mutex);
	CHECK("a second time by the same", pthread_mutex_lock(&mutex) == EDEADLK);
	CHECK("trying", pthread_mutex_trylock(&mutex) == EBUSY);
	pthread_mutex_unlock(&mutex);
	CHECK("unlocking what is not locked", pthread_mutex_unlock(&mutex) == EPERM);
	pthread_mutex_init(&mutex, NULL);
	pthread_mutex_lock(&mutex);
	CHECK("waiting for a lock until a time", pthread_mutex_timedlock(&mutex, &t) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

/* A ring of eight numbers between producers and consumers. */
static pthread_cond_t notEmpty = PTHREAD_COND_INITIALIZER, notFull = PTHREAD_COND_INITIALIZER;
static long ring[8], put, got, sumPut, sumGot;

static void *trader(void *arg)
{
	long me = (long)arg;
	for (long i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		if (me % 2 == 0) {
			while (put - got == 8) pthread_cond_wait(&notFull, &mutex);
			ring[put++ % 8] = me * 1000 + i;
			sumPut += me * 1000 + i;
			pthread_cond_signal(&notEmpty);
		} else {
			while (put == got) pthread_cond_wait(&notEmpty, &mutex);
			sumGot += ring[got++ % 8];
			pthread_cond_signal(&notFull);
		}
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static volatile int flag, here;
static void *crowd(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	here++;
	while (!flag) pthread_cond_wait(&notEmpty, &mutex);
	here--;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void conditions(void)
{
	run(trader);
	CHECK("what is put is got, once", put == got && put == THREADS / 2 * ROUNDS && sumPut == sumGot);
	for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, crowd, NULL);
	while (here < THREADS) usleep(500);
	pthread_mutex_lock(&mutex);
	flag = 1;
	pthread_cond_broadcast(&notEmpty);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
	CHECK("a broadcast reaches all", here == 0);
	pthread_condattr_t a;
	pthread_cond_t c;
	struct timespec t, after;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&c, &a);
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_mutex_lock(&mutex);
	CHECK("a wait until a monotonic time", pthread_cond_timedwait(&c, &mutex, &t) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	clock_gettime(CLOCK_MONOTONIC, &after);
	CHECK("not too early", after.tv_sec > t.tv_sec || (after.tv_sec == t.tv_sec && after.tv_nsec >= t.tv_nsec));
}

static pthread_barrier_t barrier;
static volatile long phase[THREADS];
static volatile int outOfStep, serials;
static void *marcher(void *arg)
{
	long me = (long)arg;
	for (int i = 0; i < 60; i++) {
		phase[me] = i;
		yield(me + i);
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serials, 1, __ATOMIC_SEQ_CST);
		for (int k = 0; k < THREADS; k++) if (phase[k] != i) outOfStep = 1;
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void barriers(void)
{
	pthread_barrier_init(&barrier, NULL, THREADS);
	run(marcher);
	CHECK("a barrier keeps all in step", !outOfStep);
	CHECK("and chooses one of them each time", serials == 60);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long left, right, torn, most, readers;
static void *reader_or_writer(void *arg)
{
	long me = (long)arg;
	for (long i = 0; i < ROUNDS; i++) {
		if (me % 4 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			left++;
			yield(i);
			right++;
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			long n = __atomic_add_fetch(&readers, 1, __ATOMIC_SEQ_CST);
			if (n > most) most = n;
			long l = left;
			yield(i + me);
			if (right != l) torn = 1;
			__atomic_sub_fetch(&readers, 1, __ATOMIC_SEQ_CST);
			pthread_rwlock_unlock(&rwlock);
		}
	}
	return NULL;
}

static void rwlocks(void)
{
	run(reader_or_writer);
	CHECK("readers never see a writer's half", !torn);
	CHECK("writers exclude each other", left == right && left == THREADS / 4 * ROUNDS);
	CHECK("readers share", most > 1);
}

static sem_t sem, *shared;
static volatile long inside, tooMany;
static void *semaphored(void *arg)
{
	for (long i = 0; i < ROUNDS; i++) {
		sem_wait(&sem);
		if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 3) tooMany = 1;
		yield(i + (long)arg);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		sem_post(&sem);
	}
	return NULL;
}

static void semaphores(void)
{
	int n;
	sem_init(&sem, 0, 3);
	run(semaphored);
	CHECK("a semaphore lets in three", !tooMany && sem_getvalue(&sem, &n) == 0 && n == 3);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(&shared[0], 1, 0);
	sem_init(&shared[1], 1, 0);
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		for (int i = 0; i < 300; i++) {
			sem_wait(&shared[0]);
			sem_post(&shared[1]);
		}
		_exit(0);
	}
	for (int i = 0; i < 300; i++) {
		sem_post(&shared[0]);
		sem_wait(&shared[1]);
	}
	int st;
	CHECK("ping-pong of two processes", waitpid(p, &st, 0) == p && st == 0);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static volatile int onces, freed;
static void first(void) { usleep(1000); onces++; }
static void freeing(void *value) { if (value) __atomic_add_fetch(&freed, 1, __ATOMIC_SEQ_CST); }
static void *specific(void *arg)
{
	pthread_once(&once, first);
	pthread_setspecific(key, (void *)((long)arg + 1));
	yield((long)arg);
	return (void *)(long)(pthread_getspecific(key) == (void *)((long)arg + 1));
}

static void onces_and_keys(void)
{
	pthread_key_create(&key, freeing);
	run(specific);
	CHECK("once is once", onces == 1);
	CHECK("each has its own, and its end", freed == THREADS);
}

static void *short_lived(void *arg) { return arg; }

static void many(void)
{
	int good = 1;
	for (long i = 0; i < 500; i++) {
		pthread_t t;
		void *r;
		if (pthread_create(&t, NULL, short_lived, (void *)i) != 0 || pthread_join(t, &r) != 0 || r != (void *)i)
			good = 0;
	}
	CHECK("500 threads, one after the other", good);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, 65536);
	for (int i = 0; i < 200; i++) {
		pthread_t t;
		if (pthread_create(&t, &a, short_lived, NULL) != 0) good = 0;
	}
	CHECK("200 that nobody waits for", good);
	static pthread_t crowd_of[200];
	flag = 0;
	here = 0;
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_JOINABLE);
	for (int i = 0; i < 200; i++) if (pthread_create(&crowd_of[i], &a, crowd, NULL) != 0) good = 0;
	while (good && here < 200) usleep(500);
	pthread_mutex_lock(&mutex);
	flag = 1;
	pthread_cond_broadcast(&notEmpty);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; good && i < 200; i++) pthread_join(crowd_of[i], NULL);
	CHECK("200 at a time", good && here == 0);
}

static pthread_mutex_t robust;
static void *abandons(void *arg)
{
	int *n = arg;
	int r = pthread_mutex_lock(&robust);
	if (r == EOWNERDEAD) pthread_mutex_consistent(&robust);
	(*n)++;
	return NULL;
}

static void robust_chain(void)
{
	pthread_mutexattr_t a;
	int n = 0;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, abandons, &n);
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
	CHECK("each finds the lock of one who died waiting ones behind him", n == THREADS);
	CHECK("so does the last", pthread_mutex_lock(&robust) == EOWNERDEAD);
	pthread_mutex_unlock(&robust);
	CHECK("not made consistent, it is lost", pthread_mutex_lock(&robust) == ENOTRECOVERABLE);
}

int main(void)
{
	mutexes();
	conditions();
	barriers();
	rwlocks();
	semaphores();
	onces_and_keys();
	many();
	robust_chain();
	return t_end();
}
