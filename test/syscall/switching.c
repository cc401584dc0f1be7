/* Timers fire while threads do nothing but wait for each other, whatever the rhythm of their calls. */
#include "t.h"
#include <pthread.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t rung;

static void ring(int sig)
{
	(void)sig;
	rung = 1;
}

/* Without system calls: the vDSO's clock. */
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double end;

static int goes_on(void)
{
	return !rung && now() < end;
}

static void start(void)
{
	struct itimerval soon = {.it_value.tv_usec = 10000};
	rung = 0;
	end = now() + 5;
	setitimer(ITIMER_REAL, &soon, NULL);
}

/* A child echoes `count` bytes at a time, in calls of one byte, with `extra` calls in between. */
static void echo(int count, int extra)
{
	int to[2], from[2];
	char c[8] = {0};
	CHECK(pipe(to) == 0 && pipe(from) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(to[1]);
		close(from[0]);
		while (read(to[0], c, 1) == 1)
			if (write(from[1], c, 1) != 1) break;
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	start();
	while (goes_on()) {
		for (int i = 0; i < count; i++)
			if (write(to[1], c, 1) != 1) break;
		for (int i = 0; i < extra; i++) getppid();
		for (int i = 0; i < count; i++)
			if (read(from[0], c, 1) != 1) break;
	}
	close(to[1]);
	close(from[0]);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct sigaction sa = {.sa_handler = ring};
	sigaction(SIGALRM, &sa, NULL);
	/* Each begins somewhere else in the rhythm of whoever looks at the clock every so many calls. */
	for (int i = 0; i < 16; i++) {
		for (int k = 0; k < i; k++) getppid();
		start();
		while (goes_on()) {
			pid_t pid = vfork();
			if (pid == 0) _exit(0);
			while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) ;
		}
		CHECK("a timer between vforks", rung);
	}
	for (int i = 0; i < 16; i++) {
		for (int k = 0; k < i; k++) getppid();
		echo(1 + i % 2, i % 4);
		CHECK("a timer between two that echo", rung);
	}
	return t_end();
}
