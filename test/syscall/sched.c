/* Scheduling: policies, affinity, priorities, and what nice(2) is good for. */
#include "t.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

struct attr {
	unsigned size, policy;
	unsigned long flags;
	int nice;
	unsigned priority;
	unsigned long runtime, deadline, period;
};

static void policies(void)
{
	struct sched_param p = {0};
	struct timespec t;
	CHECK("the policy is other", sched_getscheduler(0) == SCHED_OTHER);
	CHECK("by its own id too", sched_getscheduler(getpid()) == SCHED_OTHER);
	CHECK("priority 0", sched_getparam(0, &p) == 0 && p.sched_priority == 0);
	CHECK_ERRNO("nobody's policy", sched_getscheduler(99999999), ESRCH);
	CHECK_ERRNO("a negative one's", sched_getscheduler(-1), EINVAL);
	CHECK_ERRNO("nobody's parameters", sched_getparam(99999999, &p), ESRCH);
	CHECK_ERRNO("parameters to nowhere", sched_getparam(0, NULL), EINVAL);
	CHECK("batch", sched_setscheduler(0, SCHED_BATCH, &p) == 0 && sched_getscheduler(0) == SCHED_BATCH);
	CHECK("a child inherits it", STATUS_OF(_exit(sched_getscheduler(0) != SCHED_BATCH)) == 0);
	CHECK("other again", sched_setscheduler(0, SCHED_OTHER, &p) == 0 && sched_getscheduler(0) == SCHED_OTHER);
	p.sched_priority = 1;
	CHECK_ERRNO("no priority 1 there", sched_setscheduler(0, SCHED_OTHER, &p), EINVAL);
	CHECK_ERRNO("nor by setparam", sched_setparam(0, &p), EINVAL);
	p.sched_priority = 0;
	CHECK("setparam", sched_setparam(0, &p) == 0);
	CHECK_ERRNO("no policy 99", sched_setscheduler(0, 99, &p), EINVAL);
	CHECK_ERRNO("no policy -1", sched_setscheduler(0, -1, &p), EINVAL);
	CHECK_ERRNO("nobody to set", sched_setscheduler(99999999, SCHED_OTHER, &p), ESRCH);
	CHECK_ERRNO("real time without a priority", sched_setscheduler(0, SCHED_FIFO, &p), EINVAL);
	p.sched_priority = 100;
	CHECK_ERRNO("or too high a one", sched_setscheduler(0, SCHED_RR, &p), EINVAL);
	CHECK_ERRNO("from nowhere", syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8L), EFAULT);
	CHECK("priorities of FIFO", sched_get_priority_min(SCHED_FIFO) == 1 && sched_get_priority_max(SCHED_FIFO) == 99);
	CHECK("of RR", sched_get_priority_min(SCHED_RR) == 1 && sched_get_priority_max(SCHED_RR) == 99);
	CHECK("of other", sched_get_priority_min(SCHED_OTHER) == 0 && sched_get_priority_max(SCHED_OTHER) == 0);
	CHECK("of batch", sched_get_priority_max(SCHED_BATCH) == 0);
	CHECK("of idle", sched_get_priority_max(SCHED_IDLE) == 0);
	CHECK_ERRNO("of nothing", sched_get_priority_max(4), EINVAL);
	CHECK_ERRNO("the least of nothing", sched_get_priority_min(99), EINVAL);
	CHECK("rr_get_interval", sched_rr_get_interval(0, &t) == 0 && t.tv_sec == 0);
	CHECK_ERRNO("nobody's", sched_rr_get_interval(99999999, &t), ESRCH);
	CHECK_ERRNO("a negative one's interval", sched_rr_get_interval(-1, &t), EINVAL);
	CHECK("who may not have real time is told",
	      STATUS_OF(if (getuid() == 0 && setuid(65534) != 0) _exit(9); struct rlimit r = {0, 0};
			setrlimit(RLIMIT_RTPRIO, &r); p.sched_priority = 5;
			_exit(sched_setscheduler(0, SCHED_FIFO, &p) == -1 && errno == EPERM ? 0 : 1)) == 0);
}

static void attributes(void)
{
	struct attr a;
	memset(&a, 0xff, sizeof a);
	CHECK("sched_getattr", syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0);
	CHECK("says other", a.policy == SCHED_OTHER && a.nice == 0 && a.priority == 0);
	CHECK_ERRNO("too small", syscall(SYS_sched_getattr, 0, &a, 47, 0), EINVAL);
	CHECK_ERRNO("unknown flags", syscall(SYS_sched_getattr, 0, &a, sizeof a, 1), EINVAL);
	CHECK_ERRNO("nobody's", syscall(SYS_sched_getattr, 99999999, &a, sizeof a, 0), ESRCH);
	CHECK_ERRNO("nowhere", syscall(SYS_sched_getattr, 0, NULL, sizeof a, 0), EINVAL);
	CHECK("sched_setattr sets niceness",
	      STATUS_OF(struct attr b = {.size = sizeof b, .policy = SCHED_BATCH, .nice = 7};
			if (syscall(SYS_sched_setattr, 0, &b, 0) != 0) _exit(1);
			_exit(getpriority(PRIO_PROCESS, 0) == 7 && sched_getscheduler(0) == SCHED_BATCH ? 0 : 2)) == 0);
	CHECK_ERRNO("from nowhere", syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
}

static void affinity(void)
{
	cpu_set_t set;
	unsigned cpu = 99, node = 99;
	CPU_ZERO(&set);
	CHECK("sched_getaffinity", sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
	CHECK("the bare call says how many bytes", syscall(SYS_sched_getaffinity, 0, sizeof set, &set) % 8 == 0);
	CHECK_ERRNO("a mask of three bytes", syscall(SYS_sched_getaffinity, 0, 3, &set), EINVAL);
	CHECK_ERRNO("nobody's", sched_getaffinity(99999999, sizeof set, &set), ESRCH);
	CHECK("set what is", sched_setaffinity(0, sizeof set, &set) == 0);
	CHECK("getcpu", syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && CPU_ISSET(cpu, &set) && node < 99);
	CHECK("by the C library", sched_getcpu() >= 0 && CPU_ISSET(sched_getcpu(), &set));
	CHECK("getcpu may ask nothing", syscall(SYS_getcpu, NULL, NULL, NULL) == 0);
	CHECK_ERRNO("getcpu nowhere", syscall(SYS_getcpu, 8L, NULL, NULL), EFAULT);
	CPU_ZERO(&set);
	CHECK_ERRNO("no CPU at all", sched_setaffinity(0, sizeof set, &set), EINVAL);
	CPU_SET(1000, &set);
	CHECK_ERRNO("only one that is not there", sched_setaffinity(0, sizeof set, &set), EINVAL);
	CHECK_ERRNO("set from nowhere", syscall(SYS_sched_setaffinity, 0, 8, 8L), EFAULT);
}

static void io_priority(void)
{
	enum { who_process = 1, class_be = 2 << 13, class_idle = 3 << 13 };
	CHECK("ioprio_set", syscall(SYS_ioprio_set, who_process, 0, class_be | 6) == 0);
	CHECK("ioprio_get", syscall(SYS_ioprio_get, who_process, 0) == (class_be | 6));
	CHECK("idle", syscall(SYS_ioprio_set, who_process, 0, class_idle) == 0 &&
			      syscall(SYS_ioprio_get, who_process, 0) == class_idle);
	CHECK_ERRNO("no such class", syscall(SYS_ioprio_set, who_process, 0, 4 << 13), EINVAL);
	CHECK_ERRNO("nobody", syscall(SYS_ioprio_get, who_process, 99999999), ESRCH);
	CHECK_ERRNO("no such kind of who", syscall(SYS_ioprio_get, 9, 0), EINVAL);
	CHECK("a group's", syscall(SYS_ioprio_get, 2, 0) >= 0);
	CHECK("none by the process", syscall(SYS_ioprio_set, who_process, 0, 0) == 0 && syscall(SYS_ioprio_get, who_process, 0) == 0);
	CHECK("but for a group that of its niceness",
	      STATUS_OF(if (setpgid(0, 0) != 0) _exit(1); if (syscall(SYS_ioprio_get, 2, 0) != (class_be | 4)) _exit(2);
			struct sched_param p = {0}; sched_setscheduler(0, SCHED_IDLE, &p);
			_exit(syscall(SYS_ioprio_get, 2, 0) == (class_idle | 4) ? 0 : 3)) == 0);
	CHECK("a user's", syscall(SYS_ioprio_get, 3, getuid()) >= 0);
}

static struct { volatile long n[2]; volatile int ready[2], go, stop; } *shared;

/* Two that count on one CPU for a while: how many times as much the first did. */
static double race(void (*prepare0)(void), void (*prepare1)(void))
{
	pid_t p[2];
	memset((void *)shared, 0, sizeof *shared);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		if ((p[i] = fork()) != 0) continue;
		(i == 0 ? prepare0 : prepare1)();
		shared->ready[i] = 1;
		while (!shared->go) {}
		while (!shared->stop) {
			for (volatile int k = 0; k < 2000; k++) {}
			shared->n[i]++;
		}
		_exit(0);
	}
	while (!shared->ready[0] || !shared->ready[1]) usleep(1000);
	shared->go = 1;
	usleep(600000);
	shared->stop = 1;
	while (wait(NULL) > 0) {}
	return (double)shared->n[0] / (double)(shared->n[1] + 1);
}

static void plain(void) {}
static void nicest(void) { setpriority(PRIO_PROCESS, 0, 19); }
static void nicer(void) { setpriority(PRIO_PROCESS, 0, 5); }

static void *sleeper(void *arg)
{
	int *rounds = arg;
	for (int i = 0; i < 30; i++) {
		usleep(2000);
		(*rounds)++;
	}
	return NULL;
}

static void niceness(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* All on one CPU, whichever it is. */
	cpu_set_t set, old;
	sched_getaffinity(0, sizeof old, &old);
	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	CHECK("bound to one CPU", sched_setaffinity(0, sizeof set, &set) == 0);
	double equal = race(plain, plain);
	CHECK("equals get about the same", equal > 0.4 && equal < 2.5);
	CHECK("nice 19 gets clearly less than nice 0", race(plain, nicest) > 5);
	double some = race(plain, nicer);
	CHECK("nice 5 somewhat less", some > 1.1 && some < 20);
	/* One that was alone for long must not starve when another joins, nor the other way round. */
	pid_t p = fork();
	if (p == 0) for (;;) {}
	usleep(300000);
	pthread_t t;
	int rounds = 0;
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pthread_create(&t, NULL, sleeper, &rounds);
	pthread_join(t, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK("one that sleeps often is served soon", rounds == 30 && b.tv_sec - a.tv_sec < 3);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	sched_setaffinity(0, sizeof old, &old);
	errno = 0;
	CHECK("nice() says what it is", nice(3) == 3 && errno == 0);
	CHECK("getpriority", getpriority(PRIO_PROCESS, 0) == 3);
	CHECK("a child inherits it", STATUS_OF(_exit(getpriority(PRIO_PROCESS, 0) != 3)) == 0);
	CHECK("no more than 19", nice(100) == 19);
	CHECK("going back needs a right",
	      STATUS_OF(if (getuid() == 0 && setuid(65534) != 0) _exit(9); struct rlimit r = {0, 0};
			setrlimit(RLIMIT_NICE, &r);
			_exit(setpriority(PRIO_PROCESS, 0, 0) == -1 && errno == EACCES ? 0 : 1)) == 0);
}

static volatile int turns[2];
static void *yielder(void *arg)
{
	long me = (long)arg;
	for (int i = 0; i < 2000; i++) {
		turns[me]++;
		if (sched_yield() != 0) return (void *)1;
	}
	return NULL;
}

static void yielding(void)
{
	pthread_t t[2];
	for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, yielder, (void *)i);
	for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
	CHECK("sched_yield comes back", turns[0] == 2000 && turns[1] == 2000);
}

int main(void)
{
	policies();
	attributes();
	affinity();
	io_priority();
	yielding();
	niceness();
	return t_end();
}
