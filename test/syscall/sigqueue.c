/* What becomes of signals when RLIMIT_SIGPENDING leaves no room for their siginfo. See sigqueue(3), getrlimit(2). */
#include "t.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static int rt;

/* Takes a pending `sig` of those blocked; its number, or 0. */
static int take(int sig, siginfo_t *info)
{
	sigset_t only;
	struct timespec now = {0};
	memset(info, 0x55, sizeof *info);
	sigemptyset(&only);
	sigaddset(&only, sig);
	int r = sigtimedwait(&only, info, &now);
	return r < 0 ? 0 : r;
}

static int is_blank(const siginfo_t *info)
{
	return info->si_code == SI_USER && info->si_pid == 0 && info->si_uid == 0 && info->si_errno == 0;
}

static void limit(int n)
{
	struct rlimit l = { n, 1000 };
	CHECK(setrlimit(RLIMIT_SIGPENDING, &l) == 0);
}

int main(void)
{
	sigset_t all;
	siginfo_t info;
	union sigval v = { .sival_int = 7 };

	rt = SIGRTMIN + 1;
	sigfillset(&all);
	CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);

	limit(0);
	CHECK_ERRNO("sigqueue of a real-time signal fails when the queue is full", sigqueue(getpid(), rt, v), EAGAIN);
	CHECK("and leaves nothing pending", take(rt, &info) == 0);
	CHECK_ERRNO("so does tgkill", syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), rt), EAGAIN);
	CHECK("and leaves nothing pending", take(rt, &info) == 0);
	CHECK("pthread_kill says so", pthread_kill(pthread_self(), rt) == EAGAIN);
	CHECK("kill goes through", kill(getpid(), rt) == 0);
	CHECK("more than once", kill(getpid(), rt) == 0);
	CHECK("it arrives without siginfo", take(rt, &info) == rt && is_blank(&info));
	CHECK("once", take(rt, &info) == 0);

	CHECK("kill of a standard signal keeps its siginfo", kill(getpid(), SIGUSR1) == 0 &&
	      take(SIGUSR1, &info) == SIGUSR1 && info.si_pid == getpid());
	CHECK("sigqueue of a standard signal goes through", sigqueue(getpid(), SIGUSR1, v) == 0);
	CHECK("without siginfo", take(SIGUSR1, &info) == SIGUSR1 && is_blank(&info));
	CHECK("tgkill of a standard signal goes through",
	      syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2) == 0);
	CHECK("without siginfo", take(SIGUSR2, &info) == SIGUSR2 && is_blank(&info));

	timer_t t;
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = rt, .sigev_value = v };
	CHECK_ERRNO("a timer needs a place in the queue when it is made",
		    timer_create(CLOCK_MONOTONIC, &e, &t), EAGAIN);
	limit(500);
	CHECK(timer_create(CLOCK_MONOTONIC, &e, &t) == 0);
	limit(0);
	struct itimerspec soon = { .it_value = { .tv_nsec = 1000000 } };
	CHECK(timer_settime(t, 0, &soon, NULL) == 0);
	usleep(20000);
	CHECK("and has it when it fires", take(rt, &info) == rt && info.si_code == SI_TIMER && info.si_value.sival_int == 7);

	limit(500);
	CHECK(sigqueue(getpid(), rt, v) == 0);
	limit(0);
	CHECK("what was queued before keeps its siginfo", kill(getpid(), rt) == 0 &&
	      take(rt, &info) == rt && info.si_code == SI_QUEUE && info.si_value.sival_int == 7);
	CHECK("and covers the one without", take(rt, &info) == 0);

	/* All processes of a user count together. */
	limit(500);
	int sync[2];
	CHECK(pipe(sync) == 0);
	pid_t child = fork();
	if (child == 0) {
		char c;
		for (int i = 0; i < 50; i++) sigqueue(getpid(), rt, v);
		write(sync[1], "x", 1);
		close(sync[1]);
		pause();
		read(sync[0], &c, 1);
	}
	char c;
	CHECK(read(sync[0], &c, 1) == 1);
	limit(50);
	CHECK_ERRNO("what another process of the user has queued counts", sigqueue(getpid(), rt, v), EAGAIN);
	kill(child, SIGKILL);
	CHECK(waitpid(child, NULL, 0) == child);
	limit(500);
	CHECK("until it ends", sigqueue(getpid(), rt, v) == 0 && take(rt, &info) == rt);
	return t_end();
}
