/* For programs about the network: one of their own, where nothing is but lo. */
#ifndef NETNS_H
#define NETNS_H
#include "t.h"
#include <sched.h>

__attribute__((unused))
static void own_network(void)
{
	if (geteuid() == 0 ? unshare(CLONE_NEWNET) : unshare(CLONE_NEWUSER | CLONE_NEWNET)) _exit(T_NOT_HERE);
}
#endif
