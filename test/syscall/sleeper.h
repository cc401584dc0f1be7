/* Threads that are known to sleep in a call, not supposed to after a while. See proc_pid_syscall(5). */
#ifndef SLEEPER_H
#define SLEEPER_H
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

static volatile pid_t sleeper_tid;

/* Calls in which a thread of the program waits for long. */
static const long sleeper_calls[] = {
#ifdef SYS_poll
	SYS_poll, SYS_select, SYS_epoll_wait,
#endif
	SYS_ppoll, SYS_pselect6, SYS_epoll_pwait, SYS_waitid, SYS_openat, SYS_read,
};

static int sleeper_sleeps(void)
{
	char name[64], text[32] = "";
	snprintf(name, sizeof name, "/proc/self/task/%d/syscall", sleeper_tid);
	int fd = open(name, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text - 1) < 0) text[0] = 0;
	close(fd);
	for (unsigned i = 0; i < sizeof sleeper_calls / sizeof *sleeper_calls; i++)
		if (text[0] >= '0' && text[0] <= '9' && atol(text) == sleeper_calls[i]) return 1;
	return 0;
}

/* Says which thread it is; its next call is the one to sleep in. */
static void sleeper_ready(void) { sleeper_tid = syscall(SYS_gettid); }

/* Returns when the thread that `run` makes of it sleeps. */
static void sleeper_start(pthread_t *t, void *(*run)(void *))
{
	sleeper_tid = 0;
	CHECK(pthread_create(t, NULL, run, NULL) == 0);
	while (!sleeper_tid || !sleeper_sleeps()) usleep(1000);
}
#endif
