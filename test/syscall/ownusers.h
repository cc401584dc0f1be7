/* A user name space in which whoever runs this is root. */
#ifndef OWNUSERS_H
#define OWNUSERS_H
#include "put.h"
#include "t.h"
#include <fcntl.h>
#include <sched.h>

__attribute__((unused))
static void ownUsers(void)
{
	char s[64];
	int uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER) != 0) exit(T_NOT_HERE);
	snprintf(s, sizeof s, "0 %d 1", uid);
	put("/proc/self/uid_map", s);
	put("/proc/self/setgroups", "deny");
	snprintf(s, sizeof s, "0 %d 1", gid);
	put("/proc/self/gid_map", s);
}
#endif
