/* Threads that are known to sleep in a call, not supposed to after a while. */
#ifndef SLEEPER_H
#define SLEEPER_H
#include "asleep.h"
#include <pthread.h>
#include <sys/syscall.h>

static volatile pid_t sleeper_tid;

/* Says which thread it is; its next call is the one to sleep in. */
static void sleeper_ready(void) { sleeper_tid = syscall(SYS_gettid); }

/* Returns when the thread that `run` makes of it sleeps. */
static void sleeper_start(pthread_t *t, void *(*run)(void *))
{
	sleeper_tid = 0;
	CHECK(pthread_create(t, NULL, run, NULL) == 0);
	while (!sleeper_tid) usleep(1000);
	asleep(sleeper_tid);
}
#endif
