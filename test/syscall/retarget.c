/* A signal for the process reaches some thread that does not block it. See signal(7). */
#include "t.h"
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

static volatile sig_atomic_t taken;

static void on_usr1(int sig)
{
	(void)sig;
	taken++;
}

static void *waiter(void *arg)
{
	(void)arg;
	sigset_t none;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	for (;;) pause();
	return NULL;
}

static long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void spin(long us)
{
	for (long end = now_us() + us; now_us() < end;) continue;
}

/* ppoll lets the signal in for its own length, and ends because of its descriptor at the same moment. */
static int round_of_ppoll(const sigset_t *open)
{
	int fds[2];
	if (pipe(fds) < 0) return 0;
	fflush(stdout);
	int before = taken;
	pid_t pid = fork();
	if (pid == 0) {
		usleep(8000);
		if (write(fds[1], "x", 1) != 1) _exit(1);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	spin(4000);
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	ppoll(&p, 1, NULL, open);
	waitpid(pid, NULL, 0);
	for (long end = now_us() + 500000; taken == before && now_us() < end;) usleep(1000);
	close(fds[0]);
	close(fds[1]);
	return taken == before + 1;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	sigaction(SIGUSR1, &sa, NULL);
	sigset_t usr1, old;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &old);
	pthread_t t;
	CHECK(pthread_create(&t, NULL, waiter, NULL) == 0);

	/* So that the child does both before ppoll is looked at again. */
	CHECK(setpriority(PRIO_PROCESS, 0, 19) == 0);
	int good = 0;
	for (int i = 0; i < 8; i++) good += round_of_ppoll(&old);
	CHECK("a signal that ppoll no longer lets in goes to another thread", good == 8);
	return t_end();
}
