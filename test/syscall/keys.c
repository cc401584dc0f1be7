/* add_key, request_key, keyctl. */
#include "t.h"
#include <linux/keyctl.h>
#include <stdint.h>
#include <sys/syscall.h>

#define add(type, desc, data, n, ring) ((int)syscall(SYS_add_key, type, desc, data, (size_t)(n), ring))
#define request(type, desc, info, ring) ((int)syscall(SYS_request_key, type, desc, info, ring))
#define ctl(op, ...) syscall(SYS_keyctl, op, ##__VA_ARGS__)
/* Varied arguments as the kernel wants them: all as wide as a register. */
#define L(x) ((long)(x))

enum { THREAD = -1, PROCESS = -2, SESSION = -3, USER = -4, USER_SESSION = -5 };

static char buf[8192];

static const char *read_of(int id)
{
	memset(buf, 0, sizeof buf);
	long n = ctl(KEYCTL_READ, L(id), buf, L(sizeof buf));
	return n < 0 ? "?" : buf;
}

/* Type, permissions and description, without the ids of whoever runs this. */
static const char *describe(int id)
{
	static char text[5000];
	char type[32], desc[4200];
	unsigned perm;
	long n = ctl(KEYCTL_DESCRIBE, L(id), buf, L(sizeof buf));
	if (n < 0 || strlen(buf) + 1 != (size_t)n) return "?";
	if (sscanf(buf, "%31[^;];%*d;%*d;%x;%4199[^\n]", type, &perm, desc) != 3) return buf;
	snprintf(text, sizeof text, "%s %08x %s", type, perm, desc);
	return text;
}

static int links(int ring)
{
	return ctl(KEYCTL_READ, L(ring), NULL, 0L) / 4;
}

int main(void)
{
	if (ctl(KEYCTL_GET_KEYRING_ID, L(USER_SESSION), 0L) < 0 && errno == ENOSYS) return T_NOT_HERE;
	int s = ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL);
	CHECK("a session of its own", s > 0 && ctl(KEYCTL_GET_KEYRING_ID, L(SESSION), 0L) == s);
	CHECK("as it is described", strcmp(describe(s), "keyring 3f030000 _ses") == 0);
	CHECK("is empty", links(s) == 0);

	CHECK_ERRNO("no such type", add("nothing", "a", "b", 1, SESSION), ENODEV);
	CHECK_ERRNO("no type at all", add("", "a", "b", 1, SESSION), EINVAL);
	CHECK_ERRNO("too long a type", add("0123456789012345678901234567890123", "a", "b", 1, SESSION), EINVAL);
	CHECK_ERRNO("an inner type", add(".x", "a", "b", 1, SESSION), EPERM);
	CHECK_ERRNO("no description", add("user", "", "b", 1, SESSION), EINVAL);
	CHECK_ERRNO("no payload", add("user", "a", NULL, 0, SESSION), EINVAL);
	CHECK_ERRNO("too much payload", add("user", "a", buf, 1 << 20, SESSION), EINVAL);
	CHECK_ERRNO("no keyring of that number", add("user", "a", "b", 1, -6), EINVAL);
	CHECK_ERRNO("nor of that", add("user", "a", "b", 1, 1), ENOKEY);
	CHECK_ERRNO("a payload that is not there", add("user", "a", (void *)8, 1, SESSION), EFAULT);
	CHECK_ERRNO("a keyring with payload", add("keyring", "a", "b", 1, SESSION), EINVAL);
	CHECK_ERRNO("an inner keyring", add("keyring", ".a", NULL, 0, SESSION), EPERM);
	CHECK_ERRNO("a logon without service", add("logon", "a", "b", 1, SESSION), EINVAL);

	int a = add("user", "a", "hello", 5, SESSION);
	CHECK("a key", a > 0 && strcmp(describe(a), "user 3f010000 a") == 0);
	CHECK("is read", ctl(KEYCTL_READ, L(a), buf, L(sizeof buf)) == 5 && memcmp(buf, "hello", 5) == 0);
	CHECK("whole or not at all", (buf[0] = 'x', ctl(KEYCTL_READ, L(a), buf, 4L) == 5 && buf[0] == 'x'));
	CHECK("the session links to it", links(s) == 1 && (read_of(s), *(int *)buf == a));
	CHECK("again, it is the same", add("user", "a", "other", 5, SESSION) == a && strcmp(read_of(a), "other") == 0);
	CHECK("is updated", ctl(KEYCTL_UPDATE, L(a), "new", 3L) == 0 && strcmp(read_of(a), "new") == 0);
	CHECK_ERRNO("not to nothing", ctl(KEYCTL_UPDATE, L(a), NULL, 0L), EINVAL);
	CHECK_ERRNO("it is no keyring", add("user", "b", "c", 1, a), ENOTDIR);
	CHECK("is found", request("user", "a", NULL, 0) == a && ctl(KEYCTL_SEARCH, L(s), "user", "a", 0L) == a);
	CHECK_ERRNO("others are not", request("user", "b", NULL, 0), ENOKEY);
	CHECK_ERRNO("nor of other types", ctl(KEYCTL_SEARCH, L(s), "logon", "a", 0L), ENOKEY);
	CHECK_ERRNO("nor of none", ctl(KEYCTL_SEARCH, L(s), "nothing", "a", 0L), ENOKEY);

	int logon = add("logon", "svc:me", "secret", 6, SESSION);
	CHECK("a logon key", logon > 0 && strcmp(describe(logon), "logon 3d010000 svc:me") == 0);
	CHECK_ERRNO("is not read", ctl(KEYCTL_READ, L(logon), buf, L(sizeof buf)), EOPNOTSUPP);

	int ring = add("keyring", "ring", NULL, 0, SESSION), deep = add("keyring", "deep", NULL, 0, ring);
	CHECK("keyrings in keyrings", ring > 0 && deep > 0 && links(s) == 3 && links(ring) == 1);
	int d = add("user", "d", "down", 4, deep);
	CHECK("are searched", request("user", "d", NULL, 0) == d && ctl(KEYCTL_SEARCH, L(ring), "user", "d", 0L) == d);
	CHECK("and what is found linked", ctl(KEYCTL_SEARCH, L(s), "user", "d", L(s)) == d && links(s) == 4);
	CHECK_ERRNO("no circles", ctl(KEYCTL_LINK, L(ring), L(deep)), EDEADLK);
	CHECK_ERRNO("nor small ones", ctl(KEYCTL_LINK, L(ring), L(ring)), EDEADLK);
	CHECK("linked twice is once", ctl(KEYCTL_LINK, L(d), L(s)) == 0 && links(s) == 4);
	CHECK("and undone", ctl(KEYCTL_UNLINK, L(d), L(s)) == 0 && links(s) == 3);
	CHECK_ERRNO("once", ctl(KEYCTL_UNLINK, L(d), L(s)), ENOENT);
	CHECK("moved", ctl(KEYCTL_MOVE, L(d), L(deep), L(ring), 0L) == 0 && links(deep) == 0 && links(ring) == 2);
	CHECK_ERRNO("from where it is", ctl(KEYCTL_MOVE, L(d), L(deep), L(ring), 0L), ENOENT);
	CHECK_ERRNO("flags it knows", ctl(KEYCTL_MOVE, L(d), L(ring), L(deep), 2L), EINVAL);
	int e = add("user", "d", "else", 4, deep);
	CHECK_ERRNO("over none, if so asked", ctl(KEYCTL_MOVE, L(d), L(ring), L(deep), L(KEYCTL_MOVE_EXCL)), EEXIST);
	CHECK("else it displaces", e != d && ctl(KEYCTL_MOVE, L(d), L(ring), L(deep), 0L) == 0 && links(deep) == 1);
	while (ctl(KEYCTL_DESCRIBE, L(e), NULL, 0L) >= 0 || errno != ENOKEY) usleep(10000);
	ok("and what nobody holds is gone");
	CHECK_ERRNO("to clear a key", ctl(KEYCTL_CLEAR, L(d)), ENOTDIR);
	CHECK("to clear a keyring", ctl(KEYCTL_CLEAR, L(deep)) == 0 && links(deep) == 0);

	CHECK_ERRNO("permissions there are", ctl(KEYCTL_SETPERM, L(a), 0x40000000L), EINVAL);
	CHECK("to set them", ctl(KEYCTL_SETPERM, L(a), 0x21210000L) == 0 && strcmp(describe(a), "user 21210000 a") == 0);
	CHECK_ERRNO("no reading then", ctl(KEYCTL_READ, L(a), buf, 8L), EACCES);
	CHECK_ERRNO("no writing", ctl(KEYCTL_UPDATE, L(a), "x", 1L), EACCES);
	CHECK_ERRNO("no linking", ctl(KEYCTL_LINK, L(a), L(ring)), EACCES);
	CHECK_ERRNO("no finding", ctl(KEYCTL_SEARCH, L(s), "user", "a", 0L), EACCES);
	CHECK("and back", ctl(KEYCTL_SETPERM, L(a), 0x3f010000L) == 0 && strcmp(read_of(a), "new") == 0);
	CHECK("whose it is may be said again", ctl(KEYCTL_CHOWN, L(a), L(getuid()), -1L) == 0);

	CHECK("a thread's keyring", ctl(KEYCTL_GET_KEYRING_ID, L(THREAD), 0L) == -1 && errno == ENOKEY);
	int t = ctl(KEYCTL_GET_KEYRING_ID, L(THREAD), 1L), p = ctl(KEYCTL_GET_KEYRING_ID, L(PROCESS), 1L);
	CHECK("is made", t > 0 && strcmp(describe(t), "keyring 3f010000 _tid") == 0);
	CHECK("as a process's", p > 0 && strcmp(describe(p), "keyring 3f010000 _pid") == 0);
	int first = add("user", "a", "first", 5, THREAD);
	CHECK("is searched first", request("user", "a", NULL, 0) == first);
	CHECK("a child has neither", STATUS_OF(_exit(ctl(KEYCTL_GET_KEYRING_ID, L(THREAD), 0L) != -1 ||
		ctl(KEYCTL_GET_KEYRING_ID, L(PROCESS), 0L) != -1)) == 0);
	CHECK("but the session", STATUS_OF(_exit(request("user", "a", NULL, 0) != a)) == 0);
	CHECK("or leaves it", STATUS_OF(_exit(ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL) == s ||
		request("user", "a", NULL, 0) != -1 || errno != ENOKEY)) == 0);
	CHECK("for itself alone", ctl(KEYCTL_GET_KEYRING_ID, L(SESSION), 0L) == s);
	char name[64];
	snprintf(name, sizeof name, "keys-test-%d", getpid());
	CHECK("a named session", STATUS_OF(_exit(ctl(KEYCTL_JOIN_SESSION_KEYRING, name) <= 0 ||
		strncmp(describe(SESSION), "keyring 3f130000 keys-test-", 27) != 0)) == 0);
	CHECK("given to the parent", STATUS_OF(
		int mine = ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL);
		int st = STATUS_OF(
			int theirs = ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL);
			_exit(theirs <= 0 || add("user", "gift", "x", 1, SESSION) <= 0 || ctl(KEYCTL_SESSION_TO_PARENT) != 0));
		_exit(st != 0 || ctl(KEYCTL_GET_KEYRING_ID, L(SESSION), 0L) == mine || request("user", "gift", NULL, 0) <= 0)) == 0);

	int r = add("user", "r", "x", 1, SESSION);
	CHECK("revoked", ctl(KEYCTL_REVOKE, L(r)) == 0);
	CHECK_ERRNO("is not read", ctl(KEYCTL_READ, L(r), buf, 8L), EKEYREVOKED);
	CHECK_ERRNO("is not found", ctl(KEYCTL_SEARCH, L(s), "user", "r", 0L), EKEYREVOKED);
	CHECK_ERRNO("is revoked once", ctl(KEYCTL_REVOKE, L(r)), EKEYREVOKED);
	CHECK("can be unlinked", ctl(KEYCTL_UNLINK, L(r), L(s)) == 0);
	int x = add("user", "x", "x", 1, SESSION);
	CHECK("a time to live", ctl(KEYCTL_SET_TIMEOUT, L(x), 1L) == 0 && strcmp(read_of(x), "x") == 0);
	do usleep(50000); while (ctl(KEYCTL_READ, L(x), buf, 8L) >= 0);
	CHECK("ends", errno == EKEYEXPIRED || errno == ENOKEY);
	int i = add("user", "i", "x", 1, SESSION);
	CHECK("invalidated", ctl(KEYCTL_INVALIDATE, L(i)) == 0);
	while (ctl(KEYCTL_DESCRIBE, L(i), NULL, 0L) >= 0 || errno != ENOKEY) usleep(10000);
	ok("is gone");
	CHECK("restricted", ctl(KEYCTL_RESTRICT_KEYRING, L(ring), NULL, NULL) == 0);
	CHECK_ERRNO("takes nothing", add("user", "n", "x", 1, ring), EPERM);
	CHECK_ERRNO("nor a link", ctl(KEYCTL_LINK, L(a), L(ring)), EPERM);
	CHECK_ERRNO("once is enough", ctl(KEYCTL_RESTRICT_KEYRING, L(ring), NULL, NULL), EEXIST);
	CHECK("no security label", ctl(KEYCTL_DESCRIBE, L(a), NULL, 0L) > 0);
	CHECK_ERRNO("nobody asked for a key", ctl(KEYCTL_INSTANTIATE, L(a), "x", 1L, 0L), EPERM);
	CHECK("nothing to assume", ctl(KEYCTL_ASSUME_AUTHORITY, 0L) == 0);
	CHECK("where keys go that were asked for", ctl(KEYCTL_SET_REQKEY_KEYRING, -1L) == 0 &&
		ctl(KEYCTL_SET_REQKEY_KEYRING, 3L) == 0 && ctl(KEYCTL_SET_REQKEY_KEYRING, -1L) == 3);
	CHECK_ERRNO("not to groups", ctl(KEYCTL_SET_REQKEY_KEYRING, 6L), EINVAL);
	CHECK_ERRNO("an operation of nobody", ctl(999), EOPNOTSUPP);
	unsigned char caps[4] = {9, 9, 9, 9};
	CHECK("what it can", ctl(KEYCTL_CAPABILITIES, caps, 4L) == 2 && (caps[0] & 0xe1) == 0xe1 && caps[2] == 0 && caps[3] == 0);

	int u = ctl(KEYCTL_GET_KEYRING_ID, L(USER), 0L), us = ctl(KEYCTL_GET_KEYRING_ID, L(USER_SESSION), 0L);
	CHECK("a user's keyrings", strncmp(describe(u), "keyring 1f3f0000 _uid.", 22) == 0);
	CHECK("are two", strncmp(describe(us), "keyring 1f3f0000 _uid_ses.", 26) == 0);
	snprintf(name, sizeof name, "%08x", a);
	FILE *f = fopen("/proc/keys", "r");
	int seen = 0;
	while (f && fgets(buf, sizeof buf, f)) if (strncmp(buf, name, 8) == 0)
		seen = strstr(buf, " perm 3f010000 ") != NULL && strstr(buf, " user      a: 3\n") != NULL;
	CHECK("shown in /proc/keys", seen);
	CHECK("the rest goes with the session", ctl(KEYCTL_JOIN_SESSION_KEYRING, NULL) != s);
	return t_end();
}
