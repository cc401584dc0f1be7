/* Clocks and sleeping: clock_gettime, nanosleep, clock_nanosleep, the vDSO, CPU time, adjtimex. */
#include "t.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

typedef long long ns_t;

static ns_t ns_of(struct timespec t) { return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec; }

static ns_t now(clockid_t id)
{
	struct timespec t;
	if (clock_gettime(id, &t) != 0) return -1;
	return ns_of(t);
}

/* The system call itself, where the C library would ask the vDSO. */
static ns_t really(clockid_t id)
{
	struct timespec t;
	if (syscall(SYS_clock_gettime, id, &t) != 0) return -1;
	return ns_of(t);
}

static void burn(ns_t howLong)
{
	ns_t until = now(CLOCK_THREAD_CPUTIME_ID) + howLong;
	while (now(CLOCK_THREAD_CPUTIME_ID) < until) {
		for (volatile int i = 0; i < 10000; i++) {}
	}
}

static void all_clocks(void)
{
	static const clockid_t ids[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
		CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
		CLOCK_TAI,
	};
	struct timespec t;
	for (unsigned i = 0; i < sizeof ids / sizeof *ids; i++) {
		char name[40];
		snprintf(name, sizeof name, "clock %d can be read", ids[i]);
		CHECK(name, clock_gettime(ids[i], &t) == 0 && t.tv_sec >= 0 && t.tv_nsec >= 0 &&
				t.tv_nsec < 1000000000);
		snprintf(name, sizeof name, "clock %d has a resolution", ids[i]);
		CHECK(name, clock_getres(ids[i], &t) == 0 && t.tv_sec == 0 && t.tv_nsec > 0);
		snprintf(name, sizeof name, "clock %d does not go backwards", ids[i]);
		ns_t last = 0;
		int good = 1;
		for (int k = 0; k < 2000; k++) {
			ns_t n = k & 1 ? now(ids[i]) : really(ids[i]);
			/* Coarse clocks may lag behind, but not behind themselves. */
			if (n < last) good = 0;
			last = n;
		}
		CHECK(name, good);
	}
	CHECK_ERRNO("no clock 10", syscall(SYS_clock_gettime, 10, &t), EINVAL);
	CHECK_ERRNO("no clock 99", syscall(SYS_clock_gettime, 99, &t), EINVAL);
	CHECK_ERRNO("getres of no clock", syscall(SYS_clock_getres, 99, &t), EINVAL);
	CHECK_ERRNO("gettime to nowhere", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 8L), EFAULT);
	CHECK_ERRNO("getres to nowhere", syscall(SYS_clock_getres, CLOCK_MONOTONIC, 8L), EFAULT);
	CHECK("getres may ask nothing", syscall(SYS_clock_getres, CLOCK_MONOTONIC, 0L) == 0);
}

static void vdso(void)
{
	static const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	for (int i = 0; i < 3; i++) {
		int good = 1;
		for (int k = 0; k < 200; k++) {
			ns_t a = really(ids[i]), b = now(ids[i]), c = really(ids[i]);
			if (a > b || b > c) good = 0;
		}
		CHECK("the vDSO's clock lies between two readings of the kernel's", good);
	}
	struct timeval tv, tv2;
	struct timezone tz = {7, 7};
	CHECK("gettimeofday", gettimeofday(&tv, NULL) == 0);
	CHECK("gettimeofday as a call", syscall(SYS_gettimeofday, &tv2, &tz) == 0);
	CHECK("the time zone is none", tz.tz_minuteswest == 0 && tz.tz_dsttime == 0);
	CHECK("both agree", (tv2.tv_sec - tv.tv_sec) * 1000000L + tv2.tv_usec - tv.tv_usec < 2000000);
	CHECK("time() agrees", labs(time(NULL) - tv.tv_sec) <= 2);
	CHECK_ERRNO("gettimeofday to nowhere", syscall(SYS_gettimeofday, 8L, 0L), EFAULT);
}

static void relative_sleep(void)
{
	struct timespec t = {0, 20000000}, rest = {-1, -1};
	ns_t a = now(CLOCK_MONOTONIC);
	CHECK("nanosleep", nanosleep(&t, &rest) == 0);
	ns_t took = now(CLOCK_MONOTONIC) - a;
	CHECK("it sleeps as long as asked", took >= 20000000 && took < 3000000000LL);
	CHECK("without interruption nothing is said of the rest", rest.tv_sec == -1);
	t.tv_nsec = 0;
	CHECK("no time at all", nanosleep(&t, NULL) == 0);
	t.tv_nsec = 1000000000;
	CHECK_ERRNO("too many nanoseconds", nanosleep(&t, NULL), EINVAL);
	t.tv_nsec = -1;
	CHECK_ERRNO("negative nanoseconds", nanosleep(&t, NULL), EINVAL);
	t = (struct timespec){-1, 0};
	CHECK_ERRNO("negative seconds", nanosleep(&t, NULL), EINVAL);
	CHECK_ERRNO("no request", syscall(SYS_nanosleep, 0L, 0L), EFAULT);
	t = (struct timespec){0, 5000000};
	CHECK("clock_nanosleep relative", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL) == 0);
	CHECK("also of real time", clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL) == 0);
	CHECK("also of boot time", clock_nanosleep(CLOCK_BOOTTIME, 0, &t, NULL) == 0);
	CHECK("also of TAI", clock_nanosleep(CLOCK_TAI, 0, &t, NULL) == 0);
	CHECK_ERRNO("not of the raw clock", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &t, NULL),
		    EOPNOTSUPP);
	CHECK_ERRNO("not of a coarse one", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &t, NULL),
		    EOPNOTSUPP);
	CHECK_ERRNO("not of a thread's time", syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL),
		    EOPNOTSUPP);
	CHECK_ERRNO("not of no clock", syscall(SYS_clock_nanosleep, 77, 0, &t, NULL), EINVAL);
	t.tv_nsec = 1000000000;
	CHECK("a bad time", clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL) == EINVAL);
	CHECK_ERRNO("a time nowhere", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 8L, NULL), EFAULT);
}

static void absolute_sleep(void)
{
	static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
	for (int i = 0; i < 3; i++) {
		struct timespec t;
		clock_gettime(ids[i], &t);
		ns_t until = ns_of(t) + 15000000;
		t.tv_sec = until / 1000000000;
		t.tv_nsec = until % 1000000000;
		CHECK("clock_nanosleep until", clock_nanosleep(ids[i], TIMER_ABSTIME, &t, NULL) == 0);
		CHECK("not earlier", now(ids[i]) >= until);
		t.tv_sec = t.tv_sec > 100 ? t.tv_sec - 100 : 0;
		ns_t a = now(CLOCK_MONOTONIC);
		CHECK("a time that has passed", clock_nanosleep(ids[i], TIMER_ABSTIME, &t, NULL) == 0);
		CHECK("is no sleep", now(CLOCK_MONOTONIC) - a < 1000000000);
	}
}

static volatile sig_atomic_t alarms;
static void on_alarm(int sig) { (void)sig; alarms++; }

static void interrupted(void)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	/* Again and again, should the first come before the sleep began. */
	struct itimerval it = {{0, 50000}, {0, 20000}}, none = {{0, 0}, {0, 0}};
	sigaction(SIGALRM, &sa, NULL);
	struct timespec t = {30, 0}, rest = {0, 0};
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK_ERRNO("a handler interrupts nanosleep, whatever its flags", nanosleep(&t, &rest), EINTR);
	CHECK("what was left", rest.tv_sec == 29 || (rest.tv_sec > 20 && rest.tv_sec < 29));
	CHECK("by the alarm", alarms >= 1);
	setitimer(ITIMER_REAL, &it, NULL);
	rest = (struct timespec){-3, -4};
	CHECK("a relative clock_nanosleep too",
	      clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest) == EINTR && rest.tv_sec > 20);
	setitimer(ITIMER_REAL, &it, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += 30;
	rest = (struct timespec){-3, -4};
	CHECK("an absolute one says nothing of the rest",
	      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, &rest) == EINTR && rest.tv_sec == -3);
	setitimer(ITIMER_REAL, &it, NULL);
	t = (struct timespec){30, 0};
	CHECK_ERRNO("the rest must have a place", syscall(SYS_nanosleep, &t, 8L), EFAULT);
	setitimer(ITIMER_REAL, &none, NULL);
	/* A stop and a continue, without a handler, do not end a sleep nor make it longer. */
	ns_t a = now(CLOCK_MONOTONIC);
	pid_t p = fork();
	if (p == 0) {
		t = (struct timespec){0, 150000000};
		_exit(nanosleep(&t, NULL) == 0 ? 0 : 1);
	}
	usleep(20000);
	kill(p, SIGSTOP);
	usleep(20000);
	kill(p, SIGCONT);
	int st;
	CHECK("a stopped sleeper goes on sleeping", waitpid(p, &st, 0) == p && st == 0);
	CHECK("to its first deadline", now(CLOCK_MONOTONIC) - a >= 150000000);
}

static void *burner(void *arg)
{
	burn(*(ns_t *)arg);
	return NULL;
}

static void *idler(void *arg)
{
	(void)arg;
	pause();
	return NULL;
}

static void cpu_time(void)
{
	ns_t a = now(CLOCK_PROCESS_CPUTIME_ID), b = now(CLOCK_THREAD_CPUTIME_ID);
	burn(30000000);
	CHECK("work counts for the process", now(CLOCK_PROCESS_CPUTIME_ID) - a >= 30000000);
	CHECK("and for the thread", now(CLOCK_THREAD_CPUTIME_ID) - b >= 30000000);
	a = now(CLOCK_PROCESS_CPUTIME_ID);
	usleep(60000);
	CHECK("sleep does not", now(CLOCK_PROCESS_CPUTIME_ID) - a < 40000000);
	pthread_t t;
	ns_t much = 150000000;
	a = now(CLOCK_PROCESS_CPUTIME_ID);
	b = now(CLOCK_THREAD_CPUTIME_ID);
	pthread_create(&t, NULL, burner, &much);
	pthread_join(t, NULL);
	CHECK("another thread's work counts for the process", now(CLOCK_PROCESS_CPUTIME_ID) - a >= much);
	CHECK("but not for this thread", now(CLOCK_THREAD_CPUTIME_ID) - b < much * 2 / 3);
	clockid_t id;
	CHECK("clock_getcpuclockid", clock_getcpuclockid(0, &id) == 0);
	CHECK("is this process's clock", llabs(now(id) - now(CLOCK_PROCESS_CPUTIME_ID)) < 20000000);
	CHECK("clock_getcpuclockid of oneself", clock_getcpuclockid(getpid(), &id) == 0);
	CHECK("is too", llabs(now(id) - now(CLOCK_PROCESS_CPUTIME_ID)) < 20000000);
	CHECK("of nobody", clock_getcpuclockid(99999999, &id) == ESRCH);
	CHECK("pthread_getcpuclockid", pthread_getcpuclockid(pthread_self(), &id) == 0);
	CHECK("is this thread's clock", llabs(now(id) - now(CLOCK_THREAD_CPUTIME_ID)) < 20000000);
	a = now(id);
	burn(10000000);
	CHECK("and runs", now(id) - a >= 10000000);
	pthread_create(&t, NULL, idler, NULL);
	CHECK("another thread's clock", pthread_getcpuclockid(t, &id) == 0);
	/* It takes a while until it sleeps. */
	for (int i = 0; i < 500 && (a = now(id), usleep(10000), now(id) != a); i++) continue;
	burn(10000000);
	CHECK("stands while that one sleeps", now(id) == a);
	pthread_cancel(t);
	pthread_join(t, NULL);
	struct timespec at;
	CHECK("a sleep in a CPU clock of one's own process that cannot pass",
	      clock_getcpuclockid(getpid(), &id) == 0);
	pid_t p = fork();
	if (p == 0) {
		burn(500000000);
		_exit(0);
	}
	CHECK("a child's clock", clock_getcpuclockid(p, &id) == 0);
	usleep(30000);
	CHECK("can be read", clock_gettime(id, &at) == 0);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	CHECK_ERRNO("until the child is gone", clock_gettime(id, &at), EINVAL);
	clock_t c = clock();
	CHECK("clock() is CPU time", c > 0 && llabs((ns_t)c * 1000 - now(CLOCK_PROCESS_CPUTIME_ID)) < 20000000);
}

static int slept;
static void *cpu_sleeper(void *arg)
{
	(void)arg;
	struct timespec t = {0, 30000000};
	slept = clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &t, NULL) == 0;
	return NULL;
}

static void sleep_in_cpu_time(void)
{
	pthread_t t;
	pthread_create(&t, NULL, cpu_sleeper, NULL);
	usleep(80000);
	CHECK("time passes, CPU time does not", !slept);
	burn(60000000);
	pthread_join(t, NULL);
	CHECK("a sleep in CPU time ends when it was used", slept);
}

static void setting(void)
{
	fflush(stdout);
	pid_t p = fork();
	if (p == 0) {
		if (getuid() == 0 && setuid(65534) != 0) _exit(9);
		struct timespec t = {1000000000, 0};
		struct timeval tv = {1000000000, 0};
		if (clock_settime(CLOCK_REALTIME, &t) != -1 || errno != EPERM) _exit(1);
		if (settimeofday(&tv, NULL) != -1 || errno != EPERM) _exit(2);
		t.tv_nsec = 1000000000;
		if (clock_settime(CLOCK_REALTIME, &t) != -1 || errno != EINVAL) _exit(3);
		tv.tv_usec = 1000000;
		if (settimeofday(&tv, NULL) != -1 || errno != EINVAL) _exit(4);
		t.tv_nsec = 0;
		if (clock_settime(CLOCK_MONOTONIC, &t) != -1 || errno != EINVAL) _exit(5);
		if (syscall(SYS_clock_settime, CLOCK_REALTIME, 8L) != -1 || errno != EFAULT) _exit(6);
		struct timex tx = {.modes = ADJ_FREQUENCY};
		if (adjtimex(&tx) != -1 || errno != EPERM) _exit(7);
		_exit(0);
	}
	int st;
	CHECK("who may not set the clock is told", waitpid(p, &st, 0) == p && st == 0);
	struct timex tx = {0};
	int state = adjtimex(&tx);
	CHECK("adjtimex shows the clock", state >= 0 && state <= TIME_ERROR);
	CHECK("its time", labs(tx.time.tv_sec - time(NULL)) <= 2);
	CHECK("its tick", tx.tick > 9000 && tx.tick < 11000);
	tx = (struct timex){0};
	CHECK("clock_adjtime", clock_adjtime(CLOCK_REALTIME, &tx) == state);
	CHECK_ERRNO("not of no clock", clock_adjtime(99, &tx), EINVAL);
	tx = (struct timex){.modes = ADJ_OFFSET_SS_READ};
	CHECK("what adjtime(3) has left to do", syscall(SYS_adjtimex, &tx) >= 0);
	tx = (struct timex){.modes = 0x8000};
	CHECK_ERRNO("half of that", syscall(SYS_adjtimex, &tx), EINVAL);
	CHECK_ERRNO("a CPU clock set from nowhere", syscall(SYS_clock_settime, -2, 8L), EFAULT);
	CHECK_ERRNO("adjtimex nowhere", syscall(SYS_adjtimex, 8L), EFAULT);
}

int main(void)
{
	all_clocks();
	vdso();
	relative_sleep();
	absolute_sleep();
	interrupted();
	cpu_time();
	sleep_in_cpu_time();
	setting();
	return t_end();
}
