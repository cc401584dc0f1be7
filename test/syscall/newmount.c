/* The mount calls of Linux 5.2 and later: fsopen, fsconfig, fsmount, fspick, open_tree, move_mount, mount_setattr, statmount, listmount. */
#include "mountns.h"
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define open_tree(dfd, path, how) syscall(428, dfd, path, how)
#define move_mount(fd, path, tofd, to, how) syscall(429, fd, path, tofd, to, how)
#define fsopen(name, how) syscall(430, name, how)
#define fsconfig(fd, command, key, value, aux) syscall(431, fd, command, key, value, aux)
#define fsmount(fd, how, attr) syscall(432, fd, how, attr)
#define fspick(dfd, path, how) syscall(433, dfd, path, how)
#define mount_setattr(dfd, path, how, attr, size) syscall(442, dfd, path, how, attr, size)
#define statmount(req, out, size, how) syscall(457, req, out, size, how)
#define listmount(req, out, count, how) syscall(458, req, out, count, how)

enum { SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY, SET_FD, CMD_CREATE, CMD_RECONFIGURE };
enum { F_SYMLINKS = 1, F_EMPTY = 4, T_EMPTY = 0x40 };
enum { CLONE = 1, RECURSIVE = 0x8000 };
enum { RDONLY = 1, NOSUID = 2, NODEV = 4, NOEXEC = 8, NOATIME = 0x10, ATIME = 0x70, STRICT = 0x20, NOSYMFOLLOW = 0x200000 };

struct attr { uint64_t set, clear, propagation, userns; };
struct req { uint32_t size, spare; uint64_t id, param; };
struct mnt {
	uint32_t size, opts; uint64_t mask; uint32_t major, minor; uint64_t magic; uint32_t sbflags, type;
	uint64_t id, parent; uint32_t oldId, oldParent; uint64_t attr, propagation, peer, master, from;
	uint32_t root, point; uint64_t ns; char rest[512 - 120]; char text[4096];
};

static char dir[] = "/tmp/newmount.XXXXXX", buf[4096];
static struct statfs sf;
static struct stat st;

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static const char *optionsOf(const char *path)
{
	static char line[4096];
	char point[4096], want[4096], options[4096];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	snprintf(want, sizeof want, "%s/%s", dir, path);
	buf[0] = 0;
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*d %*d %*s %*s %4095s %4095s", point, options) == 2 && !strcmp(point, want)) strcpy(buf, options);
	}
	fclose(f);
	return buf;
}

static int isMounted(const char *path)
{
	return optionsOf(path)[0] != 0;
}

static uint64_t uniqueId(const char *path)
{
	char out[256];
	/* struct statx: stx_mask at 0, stx_mnt_id at 0x90 */
	if (statx(AT_FDCWD, path, 0, 0x4000, (struct statx *)out)) return 0;
	return *(uint32_t *)out & 0x4000 ? *(uint64_t *)(out + 0x90) : 0;
}

static void opening(void)
{
	CHECK_ERRNO("no such type", fsopen("nosuchfs", 0), ENODEV);
	CHECK_ERRNO("no such flag", fsopen("tmpfs", 2), EINVAL);
	int fd = fsopen("tmpfs", 1);
	CHECK("a context", fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK_ERRNO("not made yet", fsmount(fd, 0, 0), EINVAL);
	CHECK_ERRNO("nothing to say", read(fd, buf, 100), ENODATA);
	CHECK_ERRNO("a value without a key", fsconfig(fd, SET_STRING, NULL, "x", 0), EINVAL);
	CHECK_ERRNO("no such command", fsconfig(fd, 99, NULL, NULL, 0), EOPNOTSUPP);
	CHECK("options", fsconfig(fd, SET_STRING, "source", "mine", 0) == 0 && fsconfig(fd, SET_STRING, "size", "64k", 0) == 0 && fsconfig(fd, SET_STRING, "mode", "750", 0) == 0);
	CHECK_ERRNO("one source", fsconfig(fd, SET_STRING, "source", "again", 0), EINVAL);
	CHECK("made", fsconfig(fd, CMD_CREATE, NULL, NULL, 0) == 0);
	CHECK_ERRNO("once", fsconfig(fd, CMD_CREATE, NULL, NULL, 0), EBUSY);
	int m = fsmount(fd, 1, NODEV | NOSUID | NOATIME);
	CHECK("a mount in no tree", m >= 0 && fstatfs(m, &sf) == 0 && sf.f_type == 0x01021994 && sf.f_blocks == 16);
	int f = openat(m, "inside", O_CREAT | O_RDWR, 0600);
	CHECK("to be used all the same", f >= 0);
	close(f);
	CHECK("put in its place", move_mount(m, "", AT_FDCWD, "a", F_EMPTY) == 0 && access("a/inside", F_OK) == 0 && stat("a", &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK("with its flags", strcmp(optionsOf("a"), "rw,nosuid,nodev,noatime") == 0);
	close(m);
	close(fd);
	CHECK("it stays when its file is closed", access("a/inside", F_OK) == 0);
	fd = fsopen("tmpfs", 0);
	fsconfig(fd, CMD_CREATE, NULL, NULL, 0);
	CHECK_ERRNO("attributes", fsmount(fd, 0, 0x70), EINVAL);
	m = fsmount(fd, 0, 0);
	close(fd);
	close(m);
	CHECK("another one is gone with its file", m >= 0);
	fd = fsopen("tmpfs", 0);
	int good = fsconfig(fd, SET_STRING, "nonsense", "1", 0) == 0 && fsconfig(fd, CMD_CREATE, NULL, NULL, 0) == 0;
	CHECK("a bad option", !good && errno == EINVAL);
	close(fd);
	fd = fspick(AT_FDCWD, "a", 0);
	CHECK("picked", fd >= 0 && fsconfig(fd, SET_STRING, "size", "128k", 0) == 0 && fsconfig(fd, CMD_RECONFIGURE, NULL, NULL, 0) == 0 && statfs("a", &sf) == 0 && sf.f_blocks == 32);
	CHECK("read-only", fsconfig(fd, SET_FLAG, "ro", NULL, 0) == 0 && fsconfig(fd, CMD_RECONFIGURE, NULL, NULL, 0) == 0);
	CHECK_ERRNO("indeed", open("a/x", O_CREAT | O_WRONLY, 0600), EROFS);
	CHECK("and back", fsconfig(fd, SET_FLAG, "rw", NULL, 0) == 0 && fsconfig(fd, CMD_RECONFIGURE, NULL, NULL, 0) == 0 && (touch("a/x"), access("a/x", F_OK)) == 0);
	close(fd);
	CHECK_ERRNO("what is no root", fspick(AT_FDCWD, "a/x", 0), EINVAL);
}

static void trees(void)
{
	mkdir("a/sub", 0755);
	mount("s", "a/sub", "tmpfs", 0, NULL);
	touch("a/sub/deep");
	CHECK_ERRNO("all of a tree is for copies", open_tree(AT_FDCWD, "a", RECURSIVE), EINVAL);
	int fd = open_tree(AT_FDCWD, "a", 0);
	CHECK("a plain one is a place", fd >= 0 && faccessat(fd, "inside", F_OK, 0) == 0 && (fcntl(fd, F_GETFL) & O_PATH));
	close(fd);
	fd = open_tree(AT_FDCWD, "a", CLONE);
	CHECK("a copy", fd >= 0 && faccessat(fd, "inside", F_OK, 0) == 0 && faccessat(fd, "sub/deep", F_OK, 0) == -1);
	CHECK("mounted", move_mount(fd, "", AT_FDCWD, "b", F_EMPTY) == 0 && access("b/inside", F_OK) == 0);
	CHECK("moved", move_mount(AT_FDCWD, "b", AT_FDCWD, "c", 0) == 0 && !isMounted("b") && access("c/inside", F_OK) == 0);
	CHECK_ERRNO("into itself", (mkdir("c/in", 0755), move_mount(AT_FDCWD, "c", AT_FDCWD, "c/in", 0)), ELOOP);
	CHECK_ERRNO("what is no mount", move_mount(AT_FDCWD, "c/in", AT_FDCWD, "b", 0), EINVAL);
	CHECK_ERRNO("on a file", move_mount(AT_FDCWD, "c", AT_FDCWD, "a/x", 0), EINVAL);
	close(fd);
	umount("c");
	fd = open_tree(AT_FDCWD, "a", CLONE | RECURSIVE);
	CHECK("with what is below", faccessat(fd, "sub/deep", F_OK, 0) == 0);
	CHECK("mounted, too", move_mount(fd, "", AT_FDCWD, "b", F_EMPTY) == 0 && isMounted("b/sub") && access("b/sub/deep", F_OK) == 0);
	close(fd);
	umount2("b", MNT_DETACH);
	fd = open_tree(AT_FDCWD, "a", CLONE | RECURSIVE);
	close(fd);
	CHECK("a copy that is closed leaves nothing busy", umount("a/sub") == 0);
}

static void attributes(void)
{
	struct attr a = { 0 };
	CHECK_ERRNO("too small", mount_setattr(AT_FDCWD, "a", 0, &a, 8), EINVAL);
	CHECK_ERRNO("too large", mount_setattr(AT_FDCWD, "a", 0, &a, 5000), E2BIG);
	CHECK("nothing", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0);
	a.set = RDONLY | NOEXEC;
	CHECK("set", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && strcmp(optionsOf("a"), "ro,nosuid,nodev,noexec,noatime") == 0);
	a.set = 0;
	a.clear = RDONLY | NOSUID;
	CHECK("cleared", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && strcmp(optionsOf("a"), "rw,nodev,noexec,noatime") == 0);
	a.clear = NOATIME;
	CHECK_ERRNO("half of the rule for access times", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a), EINVAL);
	a.clear = ATIME | NODEV | NOEXEC;
	CHECK("all of it", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && strcmp(optionsOf("a"), "rw,relatime") == 0);
	a.set = STRICT;
	CHECK("strictly", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && strcmp(optionsOf("a"), "rw") == 0);
	a.clear = ATIME;
	a.set = NOSYMFOLLOW;
	symlink("x", "a/link");
	CHECK("no symlinks", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && access("a/link", F_OK) == -1 && errno == ELOOP && readlink("a/link", buf, 10) == 1);
	a.set = 0;
	a.clear = NOSYMFOLLOW;
	CHECK("again", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a) == 0 && access("a/link", F_OK) == 0);
	mount("s", "a/sub", "tmpfs", 0, NULL);
	a.set = RDONLY;
	a.clear = 0;
	int fd = open("a/sub/w", O_CREAT | O_WRONLY, 0644);
	CHECK_ERRNO("one that is written to", mount_setattr(AT_FDCWD, "a", RECURSIVE, &a, sizeof a), EBUSY);
	CHECK("is none at all", strcmp(optionsOf("a"), "rw,relatime") == 0);
	close(fd);
	CHECK("all below", mount_setattr(AT_FDCWD, "a", RECURSIVE, &a, sizeof a) == 0 && strcmp(optionsOf("a"), "ro,relatime") == 0 && strcmp(optionsOf("a/sub"), "ro,relatime") == 0);
	a.set = 0;
	a.clear = RDONLY;
	a.propagation = MS_SHARED;
	CHECK("and shared", mount_setattr(AT_FDCWD, "a", RECURSIVE, &a, sizeof a) == 0 && mount("a", "b", NULL, MS_BIND, NULL) == 0 && umount("a/sub") == 0 && mount("s", "a/sub", "tmpfs", 0, NULL) == 0 && isMounted("b/sub"));
	a.propagation = 3;
	CHECK_ERRNO("no such kind", mount_setattr(AT_FDCWD, "a", 0, &a, sizeof a), EINVAL);
	umount2("b", MNT_DETACH);
}

static void asking(void)
{
	static struct mnt m;
	struct req r = { sizeof r, 0, uniqueId("a"), 2 | 8 | 0x10 | 0x20 };
	char point[4096];
	snprintf(point, sizeof point, "%s/a", dir);
	long n = statmount(&r, &m, sizeof m, 0);
	int isOld = n == -1 && errno == ENOSYS;
	CHECK("statmount, since Linux 6.8", isOld || (n == 0 && m.id == r.id && !strcmp(m.text + m.point, point) && !strcmp(m.text + m.type, "tmpfs") && !strcmp(m.text + m.root, "/")));
	CHECK("too little room", isOld || (statmount(&r, &m, 512, 0) == -1 && errno == EOVERFLOW));
	r.param = 2;
	CHECK("basics need none", isOld || (statmount(&r, &m, 200, 0) == 0 && m.attr == 0 && m.propagation == MS_SHARED && m.parent == uniqueId("a/..")));
	r.id = 1;
	CHECK("no number of a mount", isOld || (statmount(&r, &m, sizeof m, 0) == -1 && errno == EINVAL));
	r.id = 1ull << 40;
	CHECK("no such mount", isOld || (statmount(&r, &m, sizeof m, 0) == -1 && errno == ENOENT));
	uint64_t ids[100];
	mount("s", "a/sub", "tmpfs", 0, NULL);
	r.id = uniqueId("a");
	r.param = 0;
	CHECK("listmount", isOld || (listmount(&r, ids, 100, 0) == 1 && ids[0] == uniqueId("a/sub")));
	r.id = ~0ull;
	CHECK("of the root", isOld || listmount(&r, ids, 100, 0) >= 2);
	umount("a/sub");
}

int main(void)
{
	t_own_mounts();
	if (fsopen("tmpfs", 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	if (mount_setattr(-1, NULL, -1, NULL, 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	mkdir("a", 0755);
	mkdir("b", 0755);
	mkdir("c", 0755);
	opening();
	trees();
	attributes();
	asking();
	CHECK("unmounted", umount("a") == 0 && rmdir("a") == 0 && rmdir("b") == 0 && rmdir("c") == 0);
	CHECK("clean", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
