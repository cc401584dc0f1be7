/* A mount name space of one's own: as root, or as nobody in particular in a user name space. */
#ifndef MOUNTNS_H
#define MOUNTNS_H

#include "t.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

/* Who started this. */
static int t_user;

static void t_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, text, strlen(text)) < 0) perror(path);
	close(fd);
}

__attribute__((unused))
static void t_own_mounts(void)
{
	char map[64];
	int uid = t_user = geteuid(), gid = getegid();
	if (uid == 0) {
		CHECK(unshare(CLONE_NEWNS) == 0);
	} else {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
			printf("no user name spaces here\n");
			exit(T_NOT_HERE);
		}
		t_put("/proc/self/setgroups", "deny");
		snprintf(map, sizeof map, "0 %d 1", uid);
		t_put("/proc/self/uid_map", map);
		snprintf(map, sizeof map, "0 %d 1", gid);
		t_put("/proc/self/gid_map", map);
	}
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

#endif
