/* Options of a mounted /proc: hidepid, gid and subset. See proc(5). */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "t.h"

static int listed(const char *dir, const char *name)
{
	int found = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) found += strcmp(e->d_name, name) == 0;
	if (d) closedir(d);
	return found;
}

/* What a user sees of process `pid`: the errno of reading its stat file, and 1000 more if it is listed. */
static int seen(const char *dir, pid_t pid, gid_t gid)
{
	pid_t p = fork();
	if (p == 0) {
		char name[16], path[64];
		if (setgid(gid) || setuid(1000)) _exit(99);
		snprintf(name, sizeof name, "%d", pid);
		snprintf(path, sizeof path, "%s/%d/stat", dir, pid);
		int fd = open(path, O_RDONLY), e = fd < 0 ? errno : 0;
		_exit(e + (listed(dir, name) ? 100 : 0));
	}
	int st;
	waitpid(p, &st, 0);
	return WEXITSTATUS(st);
}

int main(void)
{
	const pid_t me = getpid();
	char name[16];
	snprintf(name, sizeof name, "%d", me);
	CHECK(mkdir("/p", 0755) == 0 && mkdir("/q", 0755) == 0);
	CHECK("hidepid has a name", mount("proc", "/p", "proc", 0, "hidepid=noaccess") == 0);
	CHECK("users may not look into others", seen("/p", me, 1000) == 100 + EPERM);
	CHECK("elsewhere they may", seen("/proc", me, 1000) == 100);
	CHECK("root may", listed("/p", name) && access("/p/1/stat", R_OK) == 0);
	CHECK("it can be changed", mount(NULL, "/p", NULL, MS_REMOUNT, "hidepid=2") == 0);
	CHECK("so that they do not see them", seen("/p", me, 1000) == ENOENT);
	CHECK("a group may be spared", mount(NULL, "/p", NULL, MS_REMOUNT, "gid=77") == 0 && seen("/p", me, 77) == 100);
	CHECK("others not", seen("/p", me, 78) == ENOENT);
	CHECK("unless only what may be traced counts", mount(NULL, "/p", NULL, MS_REMOUNT, "hidepid=ptraceable") == 0 &&
	      seen("/p", me, 77) == ENOENT);
	CHECK_ERRNO("there is no other", mount("proc", "/q", "proc", 0, "hidepid=3"), EINVAL);
	CHECK_ERRNO("nor another subset", mount("proc", "/q", "proc", 0, "subset=all"), EINVAL);
	CHECK("processes alone", mount("proc", "/q", "proc", 0, "subset=pid") == 0);
	CHECK("are there", listed("/q", name) && listed("/q", "self"));
	CHECK("and nothing else", !listed("/q", "meminfo") && access("/q/meminfo", F_OK) == -1 && errno == ENOENT);
	CHECK("each mount has its own options", listed("/proc", "meminfo"));
	umount("/p");
	umount("/q");
	return t_failed != 0;
}
