/* The keyrings of users are their user name space's, and go with it. See user-keyring(7), user_namespaces(7). */
#include "t.h"
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/syscall.h>

enum { USER = -4, USER_SESSION = -5 };

static int ring(int which)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, (long)which, 1L);
}

static int exists(int key)
{
	return syscall(SYS_keyctl, KEYCTL_DESCRIBE, (long)key, NULL, 0L) >= 0;
}

int main(void)
{
	int inside[2], up[2], down[2];
	char c;
	int outside = ring(USER);
	if (outside < 0) return T_NOT_HERE;
	CHECK(pipe(up) == 0 && pipe(down) == 0);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWUSER)) _exit(T_NOT_HERE);
		inside[0] = ring(USER);
		inside[1] = ring(USER_SESSION);
		CHECK(write(up[1], inside, sizeof inside) == sizeof inside);
		CHECK(read(down[0], &c, 1) == 1);
		_exit(0);
	}
	close(up[1]);
	if (read(up[0], inside, sizeof inside) != sizeof inside) return T_NOT_HERE;
	CHECK("there are others inside", inside[0] > 0 && inside[1] > 0 && inside[0] != outside);
	CHECK("which are there", exists(inside[0]) && exists(inside[1]));
	CHECK("our own is the same", ring(USER) == outside);
	CHECK(write(down[1], "", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	/* Linux takes name spaces and keys away when it finds time. */
	for (int i = 0; i < 1000 && (exists(inside[0]) || exists(inside[1])); i++) usleep(10000);
	CHECK("they go with their name space", !exists(inside[0]) && !exists(inside[1]));
	CHECK("our own stays", ring(USER) == outside && exists(outside));
	return t_end();
}
