/* For the programs about control groups: files of a group by name. */
#ifndef CG_H
#define CG_H

#include "t.h"
#include "put.h"
#include <fcntl.h>
#include <sys/stat.h>

/* Where the tree is mounted, and the directory in it that the program works in. */
static char cg_top[256], cg_root[512];

/* Finds cgroup2 and makes a directory of our own there: 0 if there is none, or it is not ours to change. */
__attribute__((unused))
static int cg_begin(void)
{
	FILE *f = fopen("/proc/self/mounts", "r");
	char dev[256], at[256], type[64];
	while (f && fscanf(f, "%255s %255s %63s %*s %*d %*d", dev, at, type) == 3)
		if (strcmp(type, "cgroup2") == 0) strcpy(cg_top, at);
	if (f) fclose(f);
	if (!*cg_top) return 0;
	snprintf(cg_root, sizeof cg_root, "%s/t-%d", cg_top, (int)getpid());
	return mkdir(cg_root, 0755) == 0;
}

static const char *cg_path(const char *name)
{
	static char paths[4][1024];
	static int next;
	char *p = paths[next++ & 3];
	snprintf(p, sizeof paths[0], "%s/%s", cg_root, name);
	return p;
}

__attribute__((unused))
static const char *cg_read(const char *name)
{
	static char texts[4][8192];
	static int next;
	char *t = texts[next++ & 3];
	int fd = open(cg_path(name), O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, t, sizeof texts[0] - 1);
	int error = errno;
	if (fd >= 0) close(fd);
	errno = error;
	if (n < 0) return "(error)";
	t[n] = 0;
	return t;
}

__attribute__((unused))
static int cg_write(const char *name, const char *text)
{
	return put(cg_path(name), text);
}

/* The number after `key` in a flat-keyed file; with key "" the file's only number. -1 if there is none. */
__attribute__((unused))
static long cg_value(const char *name, const char *key)
{
	const char *t = cg_read(name);
	size_t length = strlen(key);
	if (!length) return strncmp(t, "max", 3) == 0 ? -1 : atol(t);
	for (; t && *t; t = strchr(t, '\n') ? strchr(t, '\n') + 1 : NULL)
		if (strncmp(t, key, length) == 0 && t[length] == ' ') return atol(t + length);
	return -1;
}

__attribute__((unused))
static int cg_join(const char *group, pid_t pid)
{
	char file[256], text[32];
	snprintf(file, sizeof file, "%s/cgroup.procs", group);
	snprintf(text, sizeof text, "%d", (int)pid);
	return cg_write(file, text);
}

/* Waits until a flat-keyed value is as wanted: for what follows soon, but not at once. */
__attribute__((unused))
static int cg_becomes(const char *name, const char *key, long wanted)
{
	for (int i = 0; i < 1000; i++) {
		if (cg_value(name, key) == wanted) return 1;
		usleep(10000);
	}
	return 0;
}

#endif
