/* tmpfs: its limits and who counts against them, remounting, unnamed files, whiteouts, holes, attributes. */
#include "mountns.h"
#include <dirent.h>
#include <time.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#ifndef RENAME_WHITEOUT
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

static char buf[65536];
static struct stat st;
static struct statfs sf;

static int rename2(const char *a, const char *b, int how)
{
	return syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, how);
}

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static long freePages(void)
{
	statfs(".", &sf);
	return sf.f_bfree;
}

static void limits(void)
{
	CHECK("mounted", mount("t", "m", "tmpfs", 0, "size=64k,nr_inodes=5,mode=750,uid=0,gid=0,huge=never") == 0 && chdir("m") == 0);
	CHECK("mode", stat(".", &st) == 0 && (st.st_mode & 07777) == 0750 && st.st_ino == 1 && st.st_size == 40);
	touch("f");
	CHECK("further names", link("f", "a") == 0 && link("f", "b") == 0 && link("f", "c") == 0);
	CHECK_ERRNO("count as inodes", link("f", "d"), ENOSPC);
	CHECK("all of them", statfs(".", &sf) == 0 && sf.f_files == 5 && sf.f_ffree == 0);
	CHECK("and come back", unlink("a") == 0 && statfs(".", &sf) == 0 && sf.f_ffree == 1);
	unlink("b");
	unlink("c");
	memset(buf, 'x', 200);
	buf[200] = 0;
	CHECK("a long link takes a page", symlink(buf, "long") == 0 && lstat("long", &st) == 0 && st.st_blocks == 8 && freePages() == 15);
	CHECK("a short one none", unlink("long") == 0 && symlink("short", "s") == 0 && freePages() == 16);
	unlink("s");
	CHECK_ERRNO("smaller than what is used", (touch("g"), mount(NULL, ".", NULL, MS_REMOUNT, "nr_inodes=2")), EINVAL);
	CHECK("larger", mount(NULL, ".", NULL, MS_REMOUNT, "size=1m,nr_inodes=100,mode=777") == 0);
	CHECK("takes limits only", statfs(".", &sf) == 0 && sf.f_blocks == 256 && sf.f_files == 100 && stat(".", &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK("no limit", mount(NULL, ".", NULL, MS_REMOUNT, "size=0,nr_inodes=0") == 0 && statfs(".", &sf) == 0 && sf.f_blocks == 0 && sf.f_files == 0);
	CHECK_ERRNO("is for ever", mount(NULL, ".", NULL, MS_REMOUNT, "size=1m"), EINVAL);
	CHECK_ERRNO("for inodes too", mount(NULL, ".", NULL, MS_REMOUNT, "nr_inodes=50"), EINVAL);
	CHECK_ERRNO("bad mode", mount("t", ".", "tmpfs", 0, "mode=9"), EINVAL);
	CHECK_ERRNO("bad size", mount("t", ".", "tmpfs", 0, "size=1x"), EINVAL);
	CHECK_ERRNO("bad user", mount("t", ".", "tmpfs", 0, "uid=1k"), EINVAL);
	CHECK("gone", chdir("..") == 0 && umount("m") == 0);
}

static void names(void)
{
	CHECK("mounted again", mount("t", "m", "tmpfs", 0, NULL) == 0 && chdir("m") == 0);
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK("a file without a name", fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	sprintf(buf, "/proc/self/fd/%d", fd);
	CHECK("gets one", linkat(AT_FDCWD, buf, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && stat("named", &st) == 0 && st.st_nlink == 1);
	close(fd);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	sprintf(buf, "/proc/self/fd/%d", fd);
	CHECK_ERRNO("but not an exclusive one", linkat(AT_FDCWD, buf, AT_FDCWD, "x", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	CHECK("whiteout", mknod("w", S_IFCHR, makedev(0, 0)) == 0 && lstat("w", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0);
	CHECK("renamed, leaving one", rename2("named", "moved", RENAME_WHITEOUT) == 0 && lstat("named", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0 && access("moved", F_OK) == 0);
	touch("other");
	CHECK("over another", rename2("moved", "other", RENAME_WHITEOUT) == 0 && lstat("moved", &st) == 0 && S_ISCHR(st.st_mode));
	CHECK_ERRNO("no whiteout of an exchange", rename2("other", "w", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
	CHECK_ERRNO("nor over what is there", rename2("other", "w", RENAME_WHITEOUT | RENAME_NOREPLACE), EEXIST);
	mkdir("dir", 0755);
	CHECK("exchange of a file and a directory", rename2("dir", "other", RENAME_EXCHANGE) == 0 && stat("dir", &st) == 0 && S_ISREG(st.st_mode) && stat("other", &st) == 0 && S_ISDIR(st.st_mode));
	CHECK("gone", chdir("..") == 0 && umount("m") == 0);
}

/* As rm -rf does it: remove what was listed, go on listing. */
static void removeWhileListing(void)
{
	mount("t", "m", "tmpfs", 0, NULL);
	mkdir("m/many", 0755);
	for (int i = 0; i < 2000; i++) {
		sprintf(buf, "m/many/a-rather-long-name-%d", i);
		touch(buf);
	}
	int fd = open("m/many", O_RDONLY | O_DIRECTORY), seen = 0;
	long n;
	while ((n = syscall(SYS_getdents64, fd, buf, 1000)) > 0) {
		for (long at = 0; at < n;) {
			unsigned short length = *(unsigned short *)(buf + at + 16);
			char *name = buf + at + 19;
			if (name[0] != '.') seen += unlinkat(fd, name, 0) == 0;
			at += length;
		}
	}
	CHECK("each name once while they go", n == 0 && seen == 2000 && rmdir("m/many") == 0);
	close(fd);
	CHECK("gone", umount("m") == 0);
}

static void data(void)
{
	mount("t", "m", "tmpfs", 0, "size=1m");
	int fd = open("m/f", O_CREAT | O_RDWR, 0644);
	CHECK("sparse", pwrite(fd, "x", 1, 1 << 30) == 1 && fstat(fd, &st) == 0 && st.st_size == (1 << 30) + 1 && st.st_blocks == 8);
	CHECK("data", lseek(fd, 0, SEEK_DATA) == 1 << 30 && lseek(fd, 0, SEEK_HOLE) == 0);
	CHECK("punched", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 30, 4096) == 0 && fstat(fd, &st) == 0 && st.st_blocks == 0 && st.st_size == (1 << 30) + 1);
	CHECK_ERRNO("nothing but holes", lseek(fd, 0, SEEK_DATA), ENXIO);
	CHECK("reserved beyond the end", ftruncate(fd, 0) == 0 && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 65536) == 0 && fstat(fd, &st) == 0 && st.st_blocks == 128 && st.st_size == 0);
	CHECK_ERRNO("all or nothing", fallocate(fd, 0, 0, 2 << 20), ENOSPC);
	CHECK("so far", fstat(fd, &st) == 0 && st.st_blocks == 128 && st.st_size == 0);
	CHECK_ERRNO("no collapsing", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
	CHECK_ERRNO("no inserting", fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
	CHECK_ERRNO("no zeroing", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096), EOPNOTSUPP);
	close(fd);
	CHECK("read-only", mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK_ERRNO("indeed", open("m/g", O_CREAT | O_WRONLY, 0644), EROFS);
	CHECK("gone", umount("m") == 0);
	CHECK("ramfs", mount("r", "m", "ramfs", 0, "mode=711,size=1") == 0 && stat("m", &st) == 0 && (st.st_mode & 07777) == 0711 && statfs("m", &sf) == 0 && sf.f_type == 0x858458f6 && sf.f_blocks == 0);
	CHECK("gone", umount("m") == 0);
	CHECK_ERRNO("squashfs", mount("/dev/null", "m", "squashfs-x", 0, NULL), ENODEV);
}

static long atime(const char *path)
{
	stat(path, &st);
	return st.st_atim.tv_sec;
}

static void readIt(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (read(fd, buf, 10) < 0) perror(path);
	close(fd);
}

/* atime in the past, mtime before or after it. */
static void setTimes(const char *path, long a, long m)
{
	struct timespec t[2] = { { a, 0 }, { m, 0 } };
	utimensat(AT_FDCWD, path, t, 0);
}

static void times(void)
{
	mount("t", "m", "tmpfs", 0, NULL);
	int fd = open("m/f", O_CREAT | O_WRONLY, 0644);
	CHECK("ten bytes", write(fd, "0123456789", 10) == 10);
	close(fd);
	long now = time(NULL);
	/* ctime is now, so an atime in the past is before it. */
	setTimes("m/f", now - 10, now - 20);
	readIt("m/f");
	CHECK("relatime: before the last change", atime("m/f") >= now - 1);
	setTimes("m/f", now + 1000, now - 20);
	readIt("m/f");
	CHECK("not after it", atime("m/f") == now + 1000);
	mount(NULL, "m", NULL, MS_REMOUNT | MS_STRICTATIME, NULL);
	readIt("m/f");
	CHECK("strictatime: always", atime("m/f") < now + 900);
	mount(NULL, "m", NULL, MS_REMOUNT | MS_NOATIME, NULL);
	setTimes("m/f", 1000, 2000);
	readIt("m/f");
	CHECK("noatime: never", atime("m/f") == 1000);
	mkdir("m/d", 0755);
	mount(NULL, "m", NULL, MS_REMOUNT | MS_NODIRATIME, NULL);
	setTimes("m/d", 1000, 2000);
	fd = open("m/d", O_RDONLY | O_DIRECTORY);
	syscall(SYS_getdents64, fd, buf, 1000);
	close(fd);
	CHECK("nodiratime: not for directories", atime("m/d") == 1000);
	CHECK("gone", umount("m") == 0);
}

/* The value of an access control list: owner, user 1000, group, mask, others. */
static int acl(char *out, int owner, int user, int group, int mask, int other)
{
	struct { unsigned short tag, perm; unsigned id; } e[5] = {
		{ 1, owner, -1 }, { 2, user, 1000 }, { 4, group, -1 }, { 0x10, mask, -1 }, { 0x20, other, -1 },
	};
	memcpy(out, "\2\0\0\0", 4);
	memcpy(out + 4, e, sizeof e);
	return 4 + sizeof e;
}

static int hasAcl(const char *path, const char *name, int owner, int user, int group, int mask, int other)
{
	char want[100], got[100];
	int n = acl(want, owner, user, group, mask, other);
	return getxattr(path, name, got, sizeof got) == n && memcmp(want, got, n) == 0;
}

static int modeOf(const char *path)
{
	return stat(path, &st) == 0 ? st.st_mode & 07777 : -1;
}

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static void lists(void)
{
	char value[100];
	mount("t", "m", "tmpfs", 0, "mode=777");
	touch("m/f");
	chmod("m/f", 0640);
	int n = acl(value, 6, 7, 4, 6, 0);
	/* In a user name space there is no user 1000. */
	int isAlone = t_user != 0 || (setxattr("m/f", ACCESS, value, n, 0) == -1 && errno == EOPNOTSUPP);
	CHECK("a list for another user", isAlone || hasAcl("m/f", ACCESS, 6, 7, 4, 6, 0));
	CHECK("the mask is the group's bits", isAlone || modeOf("m/f") == 0660);
	CHECK("who may then read and write", isAlone || STATUS_OF({
		setgid(1000);
		setuid(1000);
		int fd = open("m/f", O_RDWR);
		if (fd < 0 || access("m/f", X_OK) == 0) _exit(1);
	}) == 0);
	CHECK("others may not", isAlone || STATUS_OF({
		setgid(1001);
		setuid(1001);
		if (open("m/f", O_RDONLY) != -1 || errno != EACCES) _exit(1);
	}) == 0);
	CHECK("chmod changes the mask", isAlone || (chmod("m/f", 0604) == 0 && hasAcl("m/f", ACCESS, 6, 7, 4, 0, 4)));
	CHECK("listed", isAlone || (listxattr("m/f", buf, 1000) >= (long)sizeof ACCESS && strcmp(buf, ACCESS) == 0));
	CHECK("removed", isAlone || (removexattr("m/f", ACCESS) == 0 && getxattr("m/f", ACCESS, buf, 100) == -1 && errno == ENODATA && modeOf("m/f") == 0604));
	mkdir("m/d", 0755);
	n = acl(value, 7, 5, 5, 7, 1);
	CHECK("a list to inherit", isAlone || setxattr("m/d", DEFAULT, value, n, 0) == 0);
	int mask = umask(077);
	touch("m/d/f");
	mkdir("m/d/sub", 0777);
	umask(mask);
	CHECK("a file has it, whatever the umask", isAlone || (hasAcl("m/d/f", ACCESS, 6, 5, 5, 4, 0) && modeOf("m/d/f") == 0640));
	CHECK("a directory, too, and hands it on", isAlone || (hasAcl("m/d/sub", ACCESS, 7, 5, 5, 7, 1) && hasAcl("m/d/sub", DEFAULT, 7, 5, 5, 7, 1)));
	CHECK("not for files", isAlone || (setxattr("m/f", DEFAULT, value, n, 0) == -1 && errno == EACCES));
	value[4] = 9;
	CHECK("nonsense is none", isAlone || (setxattr("m/f", ACCESS, value, n, 0) == -1 && errno == EINVAL));
	CHECK("gone", umount("m") == 0);
}

int main(void)
{
	t_own_mounts();
	char dir[] = "/tmp/tmpfs.XXXXXX";
	CHECK(mkdtemp(dir) && chmod(dir, 0755) == 0 && chdir(dir) == 0 && mkdir("m", 0755) == 0);
	limits();
	names();
	removeWhileListing();
	data();
	times();
	lists();
	CHECK("clean", rmdir("m") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
