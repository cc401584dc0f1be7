/* Timers that signal: setitimer's three, and timer_create's. */
#include "t.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

typedef long long ns_t;

static ns_t now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static volatile sig_atomic_t count[65];
static volatile int code, value, overrun, timer_id;
static volatile long taker;

static void taken(int sig, siginfo_t *info, void *context)
{
	(void)context;
	count[sig]++;
	code = info->si_code;
	value = info->si_value.sival_int;
	overrun = info->si_overrun;
	timer_id = info->si_timerid;
	taker = syscall(SYS_gettid);
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_sigaction = taken, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(sig, &sa, NULL);
	count[sig] = 0;
}

/* Waits for a signal that has a handler, for 10 s at most. */
static int comes(int sig, int times)
{
	for (int i = 0; i < 10000 && count[sig] < times; i++) usleep(1000);
	return count[sig] >= times;
}

static void spin(ns_t howLong)
{
	ns_t until = now(CLOCK_PROCESS_CPUTIME_ID) + howLong;
	while (now(CLOCK_PROCESS_CPUTIME_ID) < until) {
		for (volatile int i = 0; i < 20000; i++) {}
	}
}

static void real(void)
{
	handle(SIGALRM);
	struct itimerval it = {{0, 0}, {0, 20000}}, old;
	ns_t a = now(CLOCK_MONOTONIC);
	CHECK("setitimer", setitimer(ITIMER_REAL, &it, NULL) == 0);
	CHECK("getitimer", getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_sec == 0 &&
				   old.it_value.tv_usec <= 20001);
	CHECK("SIGALRM comes", comes(SIGALRM, 1));
	CHECK("not too early", now(CLOCK_MONOTONIC) - a >= 20000000);
	CHECK("from the kernel", code == SI_KERNEL);
	CHECK("once", getitimer(ITIMER_REAL, &old) == 0 && old.it_value.tv_usec == 0 &&
			      old.it_value.tv_sec == 0);
	it = (struct itimerval){{0, 5000}, {0, 5000}};
	count[SIGALRM] = 0;
	CHECK("a period", setitimer(ITIMER_REAL, &it, NULL) == 0 && comes(SIGALRM, 4));
	CHECK("is shown", getitimer(ITIMER_REAL, &old) == 0 && old.it_interval.tv_usec == 5000);
	it = (struct itimerval){{0, 0}, {100, 500000}};
	CHECK("the old one comes back", setitimer(ITIMER_REAL, &it, &old) == 0 &&
						old.it_interval.tv_usec == 5000);
	count[SIGALRM] = 0;
	CHECK("alarm(2) replaces it, and rounds", alarm(50) == 100 || alarm(50) == 101);
	CHECK("alarm's rest", alarm(0) == 50);
	CHECK("alarm(0) takes it away", alarm(0) == 0);
	int good = 1;
	for (int i = 0; i < 300; i++) {
		it = (struct itimerval){{0, 0}, {2, i}};
		setitimer(ITIMER_REAL, &it, NULL);
		getitimer(ITIMER_REAL, &old);
		if (old.it_value.tv_usec < 0 || old.it_value.tv_usec > 999999) good = 0;
	}
	CHECK("microseconds stay below a million", good);
	CHECK("nothing new disarms", syscall(SYS_setitimer, ITIMER_REAL, NULL, &old) == 0 &&
					     old.it_value.tv_sec > 0 && alarm(0) == 0);
	it = (struct itimerval){{0, 0}, {0, 1000000}};
	CHECK_ERRNO("too many microseconds", setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	it = (struct itimerval){{0, 0}, {-1, 0}};
	CHECK_ERRNO("a negative time", setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERRNO("no such timer", getitimer(3, &old), EINVAL);
	CHECK_ERRNO("no such timer to set", syscall(SYS_setitimer, 3, NULL, NULL), EINVAL);
	CHECK_ERRNO("nowhere", syscall(SYS_getitimer, ITIMER_REAL, 8L), EFAULT);
	CHECK_ERRNO("from nowhere", syscall(SYS_setitimer, ITIMER_REAL, 8L, NULL), EFAULT);
	CHECK("SIGALRM by default kills",
	      WTERMSIG(STATUS_OF(signal(SIGALRM, SIG_DFL); ualarm(5000, 0); for (;;) pause();)) == SIGALRM);
	it = (struct itimerval){{0, 0}, {50, 0}};
	setitimer(ITIMER_REAL, &it, NULL);
	CHECK("a child does not inherit it",
	      STATUS_OF(getitimer(ITIMER_REAL, &old); _exit(old.it_value.tv_sec != 0)) == 0);
	alarm(0);
}

static void used(void)
{
	struct itimerval it = {{0, 0}, {0, 30000}}, old;
	handle(SIGVTALRM);
	handle(SIGPROF);
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	setitimer(ITIMER_PROF, &it, NULL);
	CHECK("it is armed", getitimer(ITIMER_PROF, &old) == 0 && old.it_value.tv_usec > 0);
	usleep(50000);
	CHECK("sleep does not use up CPU timers", count[SIGVTALRM] == 0 && count[SIGPROF] == 0);
	for (int i = 0; i < 1000 && !(count[SIGVTALRM] && count[SIGPROF]); i++) spin(5000000);
	CHECK("work does", count[SIGVTALRM] == 1 && count[SIGPROF] == 1);
	it.it_interval.tv_usec = 10000;
	it.it_value.tv_usec = 10000;
	count[SIGPROF] = 0;
	setitimer(ITIMER_PROF, &it, NULL);
	for (int i = 0; i < 1000 && count[SIGPROF] < 5; i++) spin(5000000);
	CHECK("again and again", count[SIGPROF] >= 5);
	it = (struct itimerval){{0, 0}, {0, 0}};
	CHECK("until disarmed", setitimer(ITIMER_PROF, &it, &old) == 0 && old.it_interval.tv_usec == 10000);
	count[SIGPROF] = 0;
	spin(30000000);
	CHECK("then no more", count[SIGPROF] == 0);
}

static void by_signal(void)
{
	timer_t t;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
	struct itimerspec it = {{0, 0}, {0, 10000000}}, old;
	ev.sigev_value.sival_int = 4711;
	handle(SIGRTMIN + 1);
	CHECK("timer_create", timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	CHECK("a new one is disarmed", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec == 0);
	ns_t a = now(CLOCK_MONOTONIC);
	CHECK("timer_settime", timer_settime(t, 0, &it, NULL) == 0);
	CHECK("timer_gettime", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec <= 10000000);
	CHECK("its signal comes", comes(SIGRTMIN + 1, 1));
	CHECK("not too early", now(CLOCK_MONOTONIC) - a >= 10000000);
	CHECK("with its value, from a timer", value == 4711 && code == SI_TIMER && overrun == 0);
	CHECK("no overrun", timer_getoverrun(t) == 0);
	/* With a period, while the signal is blocked: one signal, the rest counts. */
	sigset_t s, o;
	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &s, &o);
	count[SIGRTMIN + 1] = 0;
	it = (struct itimerspec){{0, 4000000}, {0, 4000000}};
	timer_settime(t, 0, &it, NULL);
	usleep(60000);
	siginfo_t info;
	CHECK("taken by sigwaitinfo", sigwaitinfo(&s, &info) == SIGRTMIN + 1);
	CHECK("with the overrun", info.si_overrun >= 8 && info.si_overrun < 10000);
	CHECK("that timer_getoverrun repeats", timer_getoverrun(t) == info.si_overrun);
	it = (struct itimerspec){{0, 0}, {0, 0}};
	CHECK("disarmed", timer_settime(t, 0, &it, &old) == 0 && old.it_interval.tv_nsec == 4000000);
	struct timespec zero = {0, 0};
	while (sigtimedwait(&s, &info, &zero) > 0) {}
	sigprocmask(SIG_SETMASK, &o, NULL);
	/* Absolute. */
	static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
	for (int i = 0; i < 3; i++) {
		timer_t u;
		CHECK("a timer for an absolute time", timer_create(ids[i], &ev, &u) == 0);
		ns_t until = now(ids[i]) + 12000000;
		it = (struct itimerspec){{0, 0}, {until / 1000000000, until % 1000000000}};
		count[SIGRTMIN + 1] = 0;
		CHECK("is set", timer_settime(u, TIMER_ABSTIME, &it, NULL) == 0);
		CHECK("shows what is left", timer_gettime(u, &old) == 0 && old.it_value.tv_sec == 0 &&
						    old.it_value.tv_nsec <= 12000000);
		CHECK("comes", comes(SIGRTMIN + 1, 1) && now(ids[i]) >= until);
		count[SIGRTMIN + 1] = 0;
		it.it_value.tv_sec = it.it_value.tv_sec > 100 ? it.it_value.tv_sec - 100 : 0;
		it.it_value.tv_nsec = 1;
		CHECK("of the past: at once", timer_settime(u, TIMER_ABSTIME, &it, NULL) == 0 &&
						      comes(SIGRTMIN + 1, 1));
		CHECK("deleted", timer_delete(u) == 0);
	}
	CHECK("deleted", timer_delete(t) == 0);
	CHECK_ERRNO("twice", syscall(SYS_timer_delete, 12345), EINVAL);
	CHECK_ERRNO("settime of none", syscall(SYS_timer_settime, 12345, 0, &it, NULL), EINVAL);
	CHECK_ERRNO("gettime of none", syscall(SYS_timer_gettime, 12345, &it), EINVAL);
	CHECK_ERRNO("overrun of none", syscall(SYS_timer_getoverrun, 12345), EINVAL);
}

static void errors(void)
{
	timer_t t;
	int id;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65};
	CHECK_ERRNO("no such signal", timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev.sigev_signo = 0;
	CHECK_ERRNO("signal 0", timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev = (struct sigevent){.sigev_notify = 77, .sigev_signo = SIGUSR1};
	CHECK_ERRNO("no such notice", syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	ev.sigev_notify_thread_id = 99999999;
	CHECK_ERRNO("no such thread", syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev.sigev_notify_thread_id = 1;
	CHECK_ERRNO("not my thread", syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
	CHECK_ERRNO("no such clock", syscall(SYS_timer_create, 99, NULL, &id), EINVAL);
	CHECK_ERRNO("no timers of a coarse clock", syscall(SYS_timer_create, CLOCK_MONOTONIC_COARSE, NULL, &id),
		    EOPNOTSUPP);
	CHECK_ERRNO("nor of the raw one", syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &id),
		    EOPNOTSUPP);
	CHECK_ERRNO("event nowhere", syscall(SYS_timer_create, CLOCK_MONOTONIC, 8L, &id), EFAULT);
	CHECK_ERRNO("id nowhere", syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 8L), EFAULT);
	CHECK("default event", syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &id) == 0);
	struct itimerspec it = {{0, 0}, {0, 1000000000}};
	CHECK_ERRNO("too many nanoseconds", syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	it.it_value = (struct timespec){-1, 0};
	CHECK_ERRNO("a negative time", syscall(SYS_timer_settime, id, 0, &it, NULL), EINVAL);
	CHECK_ERRNO("no time", syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
	CHECK_ERRNO("time nowhere", syscall(SYS_timer_settime, id, 0, 8L, NULL), EFAULT);
	handle(SIGALRM);
	it = (struct itimerspec){{0, 0}, {0, 2000000}};
	value = -1;
	CHECK("the default is SIGALRM", syscall(SYS_timer_settime, id, 0, &it, NULL) == 0 && comes(SIGALRM, 1));
	CHECK("with the timer's id", value == id && timer_id == id);
	CHECK("a child does not inherit timers",
	      STATUS_OF(_exit(syscall(SYS_timer_gettime, id, &it) == -1 && errno == EINVAL ? 0 : 1)) == 0);
	CHECK("gone", syscall(SYS_timer_delete, id) == 0);
	CHECK_ERRNO("for good", syscall(SYS_timer_gettime, id, &it), EINVAL);
}

static void silent(void)
{
	timer_t t;
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct itimerspec it = {{0, 0}, {0, 5000000}}, old;
	CHECK("a timer that says nothing", timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	timer_settime(t, 0, &it, NULL);
	CHECK("counts down", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec > 0);
	usleep(20000);
	CHECK("to nothing", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec == 0);
	it = (struct itimerspec){{0, 7000000}, {0, 7000000}};
	timer_settime(t, 0, &it, NULL);
	usleep(30000);
	CHECK("with a period goes on", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec > 0 &&
					       old.it_value.tv_nsec <= 7000000);
	timer_delete(t);
}

static volatile long target;
static void *waiter(void *arg)
{
	(void)arg;
	target = syscall(SYS_gettid);
	for (int i = 0; i < 10000 && !count[SIGUSR2]; i++) usleep(1000);
	return NULL;
}

static void to_thread(void)
{
	pthread_t th;
	timer_t t;
	handle(SIGUSR2);
	target = 0;
	pthread_create(&th, NULL, waiter, NULL);
	while (!target) usleep(1000);
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	ev.sigev_notify_thread_id = target;
	CHECK("a timer for a thread", timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	struct itimerspec it = {{0, 0}, {0, 3000000}};
	timer_settime(t, 0, &it, NULL);
	pthread_join(th, NULL);
	CHECK("that thread takes it", count[SIGUSR2] == 1 && taker == target);
	timer_delete(t);
}

static volatile int called;
static void callback(union sigval v) { called = v.sival_int; }

static void by_thread(void)
{
	timer_t t;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = callback};
	ev.sigev_value.sival_int = 99;
	struct itimerspec it = {{0, 0}, {0, 3000000}};
	CHECK("SIGEV_THREAD", timer_create(CLOCK_MONOTONIC, &ev, &t) == 0);
	timer_settime(t, 0, &it, NULL);
	for (int i = 0; i < 10000 && !called; i++) usleep(1000);
	CHECK("calls back", called == 99);
	timer_delete(t);
}

static void of_cpu_time(void)
{
	static const clockid_t ids[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
	for (int i = 0; i < 2; i++) {
		timer_t t;
		struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
		struct itimerspec it = {{0, 0}, {0, 20000000}}, old;
		handle(SIGUSR1);
		CHECK("a timer of CPU time", timer_create(ids[i], &ev, &t) == 0);
		ns_t a = now(ids[i]);
		timer_settime(t, 0, &it, NULL);
		usleep(50000);
		CHECK("does not count sleep", count[SIGUSR1] == 0);
		CHECK("and shows it", timer_gettime(t, &old) == 0 && old.it_value.tv_nsec > 0);
		for (int k = 0; k < 1000 && !count[SIGUSR1]; k++) spin(2000000);
		CHECK("but work", count[SIGUSR1] == 1 && now(ids[i]) - a >= 20000000);
		ns_t until = now(ids[i]) + 15000000;
		it.it_value = (struct timespec){until / 1000000000, until % 1000000000};
		count[SIGUSR1] = 0;
		CHECK("also until", timer_settime(t, TIMER_ABSTIME, &it, NULL) == 0);
		for (int k = 0; k < 1000 && !count[SIGUSR1]; k++) spin(2000000);
		CHECK("that much was used", count[SIGUSR1] == 1 && now(ids[i]) >= until);
		timer_delete(t);
	}
}

static void across_exec(char *self)
{
	handle(SIGALRM);
	int st = STATUS_OF(signal(SIGALRM, SIG_DFL); alarm(100); timer_t t; timer_create(CLOCK_MONOTONIC, NULL, &t);
			   execl(self, self, "--exec", NULL); _exit(9));
	CHECK("execve keeps the interval timer and drops the others", st == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		struct itimerspec it;
		return alarm(0) > 90 && syscall(SYS_timer_gettime, 0, &it) == -1 && errno == EINVAL ? 0 : 1;
	}
	real();
	used();
	by_signal();
	errors();
	silent();
	to_thread();
	by_thread();
	of_cpu_time();
	across_exec("/proc/self/exe");
	(void)argv;
	return t_end();
}
