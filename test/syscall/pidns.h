/* For the programs about pid name spaces: one of their own, and who is told what over pipes. */
#ifndef PIDNS_H
#define PIDNS_H
#include "t.h"
#include "ownusers.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int up[2], down[2];

/* A child with these CLONE_* flags. */
__attribute__((unused))
static int cloned(unsigned long long flags)
{
	struct clone_args a = { .flags = flags, .exit_signal = SIGCHLD };
	fflush(stdout);
	return syscall(SYS_clone3, &a, sizeof a);
}

__attribute__((unused))
static void say(int n)
{
	t_must(write(up[1], &n, sizeof n) == sizeof n, "say", __LINE__);
}

__attribute__((unused))
static int hear(void)
{
	int n = -1;
	if (read(up[0], &n, sizeof n) != sizeof n) n = -1;
	return n;
}

/* Whether the next two that are said are these. */
__attribute__((unused))
static int hear2(int a, int b)
{
	int x = hear(), y = hear();
	return x == a && y == b;
}

__attribute__((unused))
static void go(void)
{
	t_must(write(down[1], "x", 1) == 1, "go", __LINE__);
}

__attribute__((unused))
static void await(void)
{
	char c;
	t_must(read(down[0], &c, 1) == 1, "await", __LINE__);
}

__attribute__((unused))
static int reap(int pid)
{
	int status = -1;
	t_must(waitpid(pid, &status, 0) == pid, "waitpid", __LINE__);
	return status;
}

/* What the line `name` of /proc/PID/status says. */
__attribute__((unused))
static char *line(const char *who, const char *name)
{
	static char buf[8192];
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/status", who);
	FILE *f = fopen(path, "r");
	if (!f) return "";
	while (fgets(buf, sizeof buf, f)) {
		if (strncmp(buf, name, strlen(name)) == 0) {
			fclose(f);
			buf[strcspn(buf, "\n")] = 0;
			return buf + strlen(name);
		}
	}
	fclose(f);
	return "";
}
#endif
