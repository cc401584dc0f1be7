/* What a user may have of keys: kernel.keys.* and /proc/key-users. */
#include "t.h"
#include <linux/keyctl.h>
#include <sys/syscall.h>

#define SESSION -3
/* _ses, _uid.1000, _uid_ses.1000 with their NULs, and the link between the latter. */
#define WITH_USER (5 + 10 + 14 + 4)
static char buf[40000];

static int add(const char *type, const char *desc, size_t n)
{
	return syscall(SYS_add_key, type, desc, n ? buf : NULL, n, SESSION);
}

static int fill(void)
{
	char desc[32];
	for (int n = 0; ; n++) {
		snprintf(desc, sizeof desc, "k%d", n);
		if (add("user", desc, 1) < 0) return n;
	}
}

/* The user's keys and bytes, as shown. */
static int shown(int *keys, int *bytes)
{
	char line[256];
	int uid, found = 0;
	FILE *f = fopen("/proc/key-users", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%d: %*d %*d/%*d %d/200 %d/20000", &uid, keys, bytes) == 3 && uid == 1000) found = 1;
	if (f) fclose(f);
	return found;
}

int main(void)
{
	int keys, bytes;
	CHECK("another user", setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK("has nothing", !shown(&keys, &bytes));
	CHECK("but a session", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) > 0);
	CHECK("that counts", shown(&keys, &bytes) && keys == 1 && bytes == 5);
	CHECK_ERRNO("bytes are limited", add("user", "a", 20000), EDQUOT);
	CHECK("a large key counts little", add("big_key", "big", 40000) > 0 && shown(&keys, &bytes) && keys == 4 && bytes == WITH_USER + 4 + 4 + 16);
	CHECK("keys are limited", fill() == 196 && errno == EDQUOT);
	CHECK("all are shown", shown(&keys, &bytes) && keys == 200);
	CHECK("clearing frees them", syscall(SYS_keyctl, KEYCTL_CLEAR, SESSION) == 0 && shown(&keys, &bytes) && keys == 3 && bytes == WITH_USER);
	CHECK("for others", fill() == 197);
	CHECK(syscall(SYS_keyctl, KEYCTL_CLEAR, SESSION) == 0);
	CHECK_ERRNO("nobody else's", syscall(SYS_keyctl, KEYCTL_CHOWN, (long)add("user", "k1", 1), 0L, -1L), EACCES);
	CHECK("keyrings of the user's that are revoked", syscall(SYS_keyctl, KEYCTL_REVOKE, -4L) == 0 && syscall(SYS_keyctl, KEYCTL_REVOKE, -5L) == 0);
	CHECK("are made again", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -5L, 0L) > 0 && syscall(SYS_keyctl, KEYCTL_READ, -5L, NULL, 0L) == 4);
	return t_end();
}
