/* Answers that are easily got wrong, of calls of many kinds; in no order. */
#include "t.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>

#ifndef F_GET_RW_HINT
#define F_GET_RW_HINT 1035
#define F_SET_RW_HINT 1036
#endif
#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; uint64_t more; };

static void moving(void)
{
	int f = open("f", O_RDWR | O_CREAT, 0600), d = open(".", O_RDONLY), p[2];
	loff_t o = 0;
	CHECK(pipe(p) == 0);
	CHECK_ERRNO("a directory is not spliced", splice(d, NULL, p[1], NULL, 3, 0), EINVAL);
	CHECK_ERRNO("nor sent", sendfile(f, d, NULL, 3), EINVAL);
	CHECK("nothing is spliced however it is asked for", splice(p[0], NULL, p[1], NULL, 0, 0) == 0);
	CHECK_ERRNO("a directory is not copied", copy_file_range(d, &o, f, NULL, 3, 0), EISDIR);
	CHECK_ERRNO("an unknown flag", splice(p[0], NULL, f, NULL, 1, 64), EINVAL);
	uint64_t hint = 3;
	CHECK("how long data lasts may be said", fcntl(f, F_SET_RW_HINT, &hint) == 0);
	hint = 0;
	int again = open("f", O_RDONLY);
	CHECK("and is kept with the file", fcntl(again, F_GET_RW_HINT, &hint) == 0 && hint == 3);
	hint = 6;
	CHECK_ERRNO("a hint of no meaning", fcntl(f, F_SET_RW_HINT, &hint), EINVAL);
	CHECK_ERRNO("a hint from nowhere", fcntl(f, F_SET_RW_HINT, 8), EFAULT);
}

static void times(void)
{
	struct timespec omit[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}}, bad[2] = {{0, 1 << 30}, {0, 0}};
	CHECK("no change asks for no file", utimensat(AT_FDCWD, "nope", omit, 0) == 0);
	CHECK_ERRNO("a change does", utimensat(AT_FDCWD, "nope", bad, 0), ENOENT);
	CHECK_ERRNO("and for a time", utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
	CHECK_ERRNO("and for a place to read it from", syscall(SYS_utimensat, AT_FDCWD, "nope", 8, 0), EFAULT);
	clockid_t mine, none = CLOCK_MONOTONIC;
	struct timespec ts = {1, 0};
	struct timex tx = {0};
	CHECK(clock_getcpuclockid(0, &mine) == 0);
	CHECK_ERRNO("time used is not set", clock_settime(mine, &ts), EPERM);
	CHECK_ERRNO("nor monotonic time", clock_settime(none, &ts), EINVAL);
	CHECK_ERRNO("which cannot be adjusted", clock_adjtime(none, &tx), EOPNOTSUPP);
	CHECK_ERRNO("no such clock", clock_adjtime(99, &tx), EINVAL);
}

static void scheduling(void)
{
	struct sched_param p = {0};
	struct attr a = {.size = 20}, got = {0};
	CHECK("a policy for oneself alone", sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p) == 0);
	CHECK("is told", sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK));
	CHECK("with its attributes", syscall(SYS_sched_getattr, 0, &got, 48, 0) == 0 && got.policy == SCHED_BATCH && got.flags == 1);
	int s = STATUS_OF(_exit((sched_getscheduler(0) & SCHED_RESET_ON_FORK) != 0));
	CHECK("a child is without it", s == 0);
	CHECK_ERRNO("attributes too short", syscall(SYS_sched_setattr, 0, &a, 0), E2BIG);
	CHECK("say how long they are", a.size >= 48);
	a = (struct attr){.size = sizeof a, .policy = SCHED_BATCH, .flags = 1, .more = 1};
	a.flags = 1UL << 40;
	a.more = 0;
	CHECK_ERRNO("unknown flags", syscall(SYS_sched_setattr, 0, &a, 0), EINVAL);
	CHECK_ERRNO("an I/O class of none has no level", syscall(SYS_ioprio_set, 1, 0, 3), EINVAL);
	CHECK_ERRNO("no such I/O class", syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
	CHECK("a level of a class", syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 5) == 0 && syscall(SYS_ioprio_get, 1, 0) == ((2 << 13) | 5));
}

static void others(void)
{
	int in = inotify_init1(IN_NONBLOCK);
	CHECK_ERRNO("nothing to watch for", inotify_add_watch(in, ".", 0), EINVAL);
	CHECK_ERRNO("unknown things to watch for", inotify_add_watch(in, ".", 0x00100000 | IN_CREATE), EINVAL);
	CHECK("once is a thing to watch for", inotify_add_watch(in, ".", IN_ONESHOT) == 1);
	CHECK_ERRNO("handles: unknown flags", syscall(SYS_name_to_handle_at, AT_FDCWD, "f", NULL, NULL, 4), EINVAL);
	CHECK("no huge pages", prctl(PR_SET_THP_DISABLE, 1L, 0L, 0L, 0L) == 0 && prctl(PR_GET_THP_DISABLE, 0L, 0L, 0L, 0L) == 1);
	int s = STATUS_OF(_exit(prctl(PR_GET_THP_DISABLE, 0L, 0L, 0L, 0L) != 1));
	CHECK("nor for a child", s == 0);
	prctl(PR_SET_THP_DISABLE, 0L, 0L, 0L, 0L);
	CHECK_ERRNO("with no more arguments", prctl(PR_SET_THP_DISABLE, 1L, 1L, 0L, 0L), EINVAL);
	CHECK("times are statistical", prctl(PR_GET_TIMING) == 0);
}

int main(void)
{
	char dir[] = "/tmp/edgesXXXXXX";
	CHECK(mkdtemp(dir) != NULL && chdir(dir) == 0);
	moving();
	times();
	scheduling();
	others();
	unlink("f");
	rmdir(dir);
	return t_end();
}
