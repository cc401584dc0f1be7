/*
 * For the C programs of this directory: one topic each, built for the host and
 * for the guest. A check prints "ok N what" or "not ok N what (why)"; the
 * program goes on, and exits with 1 if any failed. A program must pass on the
 * host's Linux before it may judge us.
 */
#ifndef T_H
#define T_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How a program ends on a host that has not got what the program is about. */
#define T_NOT_HERE 77

static int t_count, t_failed;

__attribute__((unused))
static void t_report(int good, const char *what, const char *cond, int line)
{
	t_count++;
	if (good) {
		printf("ok %d %s\n", t_count, what);
	} else {
		t_failed++;
		printf("not ok %d %s (line %d: %s; errno %d %s)\n", t_count, what, line, cond,
		       errno, strerror(errno));
	}
	fflush(stdout);
}

/* Without a name for the behaviour: the first that fails ends the program; ok() names what held. */
__attribute__((unused))
static void t_must(int good, const char *cond, int line)
{
	if (good) return;
	printf("not ok (line %d: %s; errno %d %s)\n", line, cond, errno, strerror(errno));
	fflush(stdout);
	_exit(1);
}

__attribute__((unused))
static void ok(const char *what)
{
	t_report(1, what, "", 0);
}

#define T_PICK2(a, b, name, ...) name
#define T_PICK3(a, b, c, name, ...) name

/* CHECK(what, condition), or CHECK(condition). */
#define CHECK(...) T_PICK2(__VA_ARGS__, T_CHECK_NAMED, T_CHECK_PLAIN, )(__VA_ARGS__)
#define T_CHECK_NAMED(what, cond) t_report(!!(cond), what, #cond, __LINE__)
#define T_CHECK_PLAIN(cond) t_must(!!(cond), #cond, __LINE__)

/* The call fails with this errno: CHECK_ERRNO(what, call, errno), or without what. */
#define CHECK_ERRNO(...) T_PICK3(__VA_ARGS__, T_ERRNO_NAMED, T_ERRNO_PLAIN, )(__VA_ARGS__)
#define T_ERRNO_PLAIN(call, wanted) \
	t_must((errno = 0, (long)(call) == -1 && errno == (wanted)), \
	       #call " == -1 && errno == " #wanted, __LINE__)
#define T_ERRNO_NAMED(what, call, wanted) \
	t_report((errno = 0, (long)(call) == -1 && errno == (wanted)), what, \
		 #call " == -1 && errno == " #wanted, __LINE__)

/* Signals as values: which signal `stmt` raised (0: none), with its code and address. */
static sigjmp_buf t_jump;
static volatile int t_code;
static void *volatile t_addr;

__attribute__((unused))
static void t_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	t_code = info->si_code;
	t_addr = info->si_addr;
	siglongjmp(t_jump, sig);
}

__attribute__((unused))
static void t_catch(int sig)
{
	struct sigaction sa = {0};
	sa.sa_sigaction = t_handler;
	sa.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
	sigaction(sig, &sa, NULL);
}

#define SIGNAL_OF(...) \
	({ int t_sig = sigsetjmp(t_jump, 1); if (t_sig == 0) { __VA_ARGS__; } t_sig; })

/* The wait status of a child that runs this, and exits with 0 where it does not exit itself. */
#define STATUS_OF(...) \
	({ int t_status = -1; fflush(stdout); pid_t t_pid = fork(); \
	   if (t_pid == 0) { __VA_ARGS__; _exit(0); } \
	   waitpid(t_pid, &t_status, 0); t_status; })

__attribute__((unused))
static int t_end(void)
{
	printf("%d checks, %d failed\n", t_count, t_failed);
	return t_failed != 0;
}

#endif
