/* Names: directories, links, renames, the *at calls, reading directories while they change. */
#include "t.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static char buf[8192];

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static int nlink_of(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 ? (int)st.st_nlink : -1;
}

static void directories(void)
{
	CHECK("mkdir", mkdir("d", 0777) == 0 && nlink_of("d") == 2);
	CHECK_ERRNO("mkdir again", mkdir("d", 0777), EEXIST);
	CHECK("mkdir with a slash", mkdir("d/e/", 0777) == 0 && nlink_of("d") == 3);
	CHECK_ERRNO("mkdir below nothing", mkdir("no/e", 0777), ENOENT);
	CHECK_ERRNO("rmdir of a full one", rmdir("d"), ENOTEMPTY);
	CHECK_ERRNO("rmdir of .", rmdir("d/."), EINVAL);
	CHECK_ERRNO("rmdir of ..", rmdir("d/e/.."), ENOTEMPTY);
	CHECK_ERRNO("rmdir of the root", rmdir("/"), EBUSY);
	CHECK_ERRNO("mkdir of the root", mkdir("/", 0700), EEXIST);
	CHECK_ERRNO("unlink of a directory", unlink("d"), EISDIR);
	touch("f");
	CHECK_ERRNO("rmdir of a file", rmdir("f"), ENOTDIR);
	CHECK_ERRNO("unlink with a slash", unlink("f/"), ENOTDIR);
	CHECK_ERRNO("mkdir over a file", mkdir("f", 0777), EEXIST);
	CHECK("setgid directories hand their group down", chown("d", 0, 55) == 0 && chmod("d", 02755) == 0 && mkdir("d/g", 0755) == 0);
	struct stat st;
	CHECK("group and bit inherited", stat("d/g", &st) == 0 && st.st_gid == 55 && (st.st_mode & S_ISGID));
	touch("d/file");
	CHECK("group of a file inherited", stat("d/file", &st) == 0 && st.st_gid == 55 && !(st.st_mode & S_ISGID));
	CHECK("mknod of a fifo", mkfifo("p", 0600) == 0 && stat("p", &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK("mknod of a device", mknod("dev", S_IFCHR | 0600, makedev(1, 3)) == 0 && stat("dev", &st) == 0 && st.st_rdev == makedev(1, 3));
	CHECK_ERRNO("mknod of a directory", mknod("x", S_IFDIR | 0600, 0), EPERM);
	unlink("p");
	unlink("dev");
	unlink("d/file");
	CHECK("rmdir", rmdir("d/g") == 0 && rmdir("d/e") == 0 && nlink_of("d") == 2 && rmdir("d") == 0);
	unlink("f");
	CHECK("a directory removed under us", mkdir("gone", 0700) == 0 && chdir("gone") == 0 && rmdir("../gone") == 0);
	CHECK_ERRNO("getcwd there", syscall(SYS_getcwd, buf, sizeof buf), ENOENT);
	CHECK_ERRNO("creating there", open("x", O_CREAT | O_RDWR, 0600), ENOENT);
	CHECK("going up from there", chdir("..") == 0);
	CHECK_ERRNO("getcwd with little room", syscall(SYS_getcwd, buf, 2), ERANGE);
}

static void links(void)
{
	touch("a");
	CHECK("link", link("a", "b") == 0 && nlink_of("a") == 2);
	CHECK_ERRNO("link over a name", link("a", "b"), EEXIST);
	CHECK_ERRNO("link of a directory", link(".", "dot"), EPERM);
	CHECK("symlink", symlink("a", "s") == 0);
	CHECK("link does not follow", link("s", "s2") == 0 && readlink("s2", buf, sizeof buf) == 1);
	CHECK("linkat follows when told", linkat(AT_FDCWD, "s", AT_FDCWD, "c", AT_SYMLINK_FOLLOW) == 0 && nlink_of("a") == 3);
	CHECK_ERRNO("symlink to an empty path", symlink("", "e"), ENOENT);
	CHECK_ERRNO("symlink over a name", symlink("x", "s"), EEXIST);
	CHECK_ERRNO("symlink with a slash", symlink("x", "new/"), ENOENT);
	CHECK("readlink cuts", symlink("0123456789", "t") == 0 && readlink("t", buf, 4) == 4);
	CHECK_ERRNO("readlink of a file", readlink("a", buf, 10), EINVAL);
	CHECK_ERRNO("readlink into nothing", readlink("t", buf, 0), EINVAL);
	struct stat st;
	CHECK("size of a symlink", lstat("t", &st) == 0 && st.st_size == 10 && (st.st_mode & 07777) == 0777);
	unlink("t");
	unlink("s");
	unlink("s2");
	unlink("b");
	unlink("c");
	CHECK("one link left", nlink_of("a") == 1);
	unlink("a");
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	CHECK("O_TMPFILE", fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	char path[64];
	sprintf(path, "/proc/self/fd/%d", fd);
	CHECK("O_TMPFILE gets a name", write(fd, "tmp", 3) == 3 && linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && nlink_of("named") == 1);
	close(fd);
	CHECK("and keeps it", stat("named", &st) == 0 && st.st_size == 3);
	unlink("named");
	CHECK_ERRNO("O_TMPFILE read-only", open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

static void renames(void)
{
	touch("a");
	touch("b");
	struct stat a, b;
	stat("a", &a);
	CHECK("rename over a file", rename("a", "b") == 0 && stat("b", &b) == 0 && a.st_ino == b.st_ino && access("a", F_OK) == -1);
	CHECK("rename to itself", rename("b", "b") == 0);
	CHECK("rename between links does nothing", link("b", "c") == 0 && rename("b", "c") == 0 && nlink_of("b") == 2);
	unlink("c");
	CHECK_ERRNO("rename of nothing", rename("none", "x"), ENOENT);
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	CHECK_ERRNO("a directory into itself", rename("d", "d/e/f"), EINVAL);
	CHECK_ERRNO("a directory over its own child's parent", rename("d/e", "d"), ENOTEMPTY);
	CHECK_ERRNO("a file over a directory", rename("b", "d"), EISDIR);
	CHECK_ERRNO("a directory over a file", rename("d", "b"), ENOTDIR);
	mkdir("x", 0755);
	CHECK("a directory over an empty one", rename("d", "x") == 0 && access("x/e", F_OK) == 0 && nlink_of("x") == 3);
	mkdir("y", 0755);
	touch("y/f");
	CHECK_ERRNO("a directory over a full one", rename("x", "y"), ENOTEMPTY);
	CHECK_ERRNO("rename of .", rename("x/.", "z"), EBUSY);
	CHECK_ERRNO("rename to ..", rename("b", "x/.."), EBUSY);
	CHECK_ERRNO("a file with a slash", rename("b", "c/"), ENOTDIR);
	CHECK_ERRNO("RENAME_NOREPLACE", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "x", 1), EEXIST);
	CHECK("RENAME_EXCHANGE", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "x", 2) == 0 && access("b/e", F_OK) == 0);
	CHECK("moving a directory changes its ..", rename("b", "y/b") == 0 && chdir("y/b/e") == 0 && getcwd(buf, sizeof buf) && !strcmp(buf + strlen(buf) - 6, "/y/b/e"));
	CHECK(".. from there", chdir("../../..") == 0 && access("y", F_OK) == 0);
	CHECK("link counts", nlink_of("y") == 3);
	unlink("x");
	rmdir("y/b/e");
	rmdir("y/b");
	unlink("y/f");
	CHECK("all removed", rmdir("y") == 0);
}

static void reading(void)
{
	mkdir("many", 0755);
	int dfd = open("many", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 500; i++) {
		sprintf(buf, "file%d", i);
		close(openat(dfd, buf, O_CREAT | O_WRONLY, 0644));
	}
	int seen = 0, dots = 0, removed = 0;
	DIR *d = opendir("many");
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.') {
			dots++;
			CHECK("d_type of a directory", e->d_type == DT_DIR);
			continue;
		}
		seen++;
		if (e->d_type != DT_REG) seen = -10000;
		if (seen % 2) {
			unlinkat(dfd, e->d_name, 0);
			removed++;
		}
	}
	CHECK("every name once, though half went meanwhile", seen == 500 && dots == 2 && removed == 250);
	rewinddir(d);
	seen = 0;
	while (readdir(d)) seen++;
	CHECK("the other half", seen == 252);
	rewinddir(d);
	for (int i = 0; i < 100; i++) readdir(d);
	long at = telldir(d);
	struct dirent *e = readdir(d);
	strcpy(buf, e->d_name);
	for (int i = 0; i < 50; i++) readdir(d);
	seekdir(d, at);
	e = readdir(d);
	CHECK("telldir and seekdir", e && !strcmp(buf, e->d_name));
	closedir(d);
	CHECK_ERRNO("getdents64 with little room", syscall(SYS_getdents64, dfd, buf, 10), EINVAL);
	int ffd = openat(dfd, "new", O_CREAT | O_RDWR, 0600);
	CHECK_ERRNO("getdents64 of a file", syscall(SYS_getdents64, ffd, buf, 1000), ENOTDIR);
	close(ffd);
	d = fdopendir(dfd);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.') unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	CHECK("removed while reading", rmdir("many") == 0);
}

static void at_calls(void)
{
	mkdir("d", 0755);
	int dfd = open("d", O_PATH | O_DIRECTORY);
	int fd = openat(dfd, "f", O_CREAT | O_RDWR, 0600);
	CHECK("openat below an O_PATH directory", fd >= 0);
	struct stat st;
	CHECK("fstatat", fstatat(dfd, "f", &st, 0) == 0 && S_ISREG(st.st_mode));
	CHECK("fstatat with AT_EMPTY_PATH", fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && S_ISREG(st.st_mode));
	CHECK_ERRNO("fstatat with an empty path", fstatat(fd, "", &st, 0), ENOENT);
	CHECK_ERRNO("a file as dirfd", fstatat(fd, "x", &st, 0), ENOTDIR);
	CHECK_ERRNO("a closed dirfd", fstatat(99, "x", &st, 0), EBADF);
	CHECK("an absolute path needs no dirfd", fstatat(99, "/", &st, 0) == 0);
	CHECK_ERRNO("unknown flags", fstatat(dfd, "f", &st, 0x8000), EINVAL);
	CHECK("mkdirat, renameat, unlinkat", mkdirat(dfd, "e", 0700) == 0 && renameat(dfd, "f", dfd, "e/f") == 0 && unlinkat(dfd, "e/f", 0) == 0 && unlinkat(dfd, "e", AT_REMOVEDIR) == 0);
	CHECK("faccessat", faccessat(AT_FDCWD, "d", R_OK | X_OK, 0) == 0);
	CHECK_ERRNO("faccessat with odd bits", faccessat(AT_FDCWD, "d", 8, 0), EINVAL);
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
	CHECK_ERRNO("openat2 out of its tree", syscall(SYS_openat2, dfd, "..", &how, sizeof how), EXDEV);
	CHECK_ERRNO("openat2 absolute", syscall(SYS_openat2, dfd, "/", &how, sizeof how), EXDEV);
	how.resolve = RESOLVE_NO_SYMLINKS;
	symlink("x", "d/s");
	touch("d/x");
	CHECK_ERRNO("openat2 without symlinks", syscall(SYS_openat2, dfd, "s", &how, sizeof how), ELOOP);
	how.resolve = RESOLVE_IN_ROOT;
	int in = syscall(SYS_openat2, dfd, "/../x", &how, sizeof how);
	CHECK("openat2 in its root", in >= 0);
	close(in);
	how.resolve = 0;
	how.flags = O_RDONLY | (1ULL << 40);
	CHECK_ERRNO("openat2 with unknown flags", syscall(SYS_openat2, dfd, "x", &how, sizeof how), EINVAL);
	CHECK("fchdir", fchdir(dfd) == 0 && access("x", F_OK) == 0 && chdir("..") == 0);
	close(fd);
	close(dfd);
	unlink("d/s");
	unlink("d/x");
	rmdir("d");
	struct statfs sf;
	CHECK("statfs", statfs(".", &sf) == 0 && sf.f_bsize >= 512 && sf.f_namelen == 255);
	struct statx sx;
	touch("f");
	CHECK("statx", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &sx) == 0 && (sx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS && S_ISREG(sx.stx_mode));
	CHECK_ERRNO("statx with a reserved bit", statx(AT_FDCWD, "f", 0, 0x80000000U, &sx), EINVAL);
	struct timespec t[2] = {{1000, 5}, {0, UTIME_OMIT}};
	stat("f", &st);
	struct timespec m = st.st_mtim;
	CHECK("utimensat", utimensat(AT_FDCWD, "f", t, 0) == 0 && stat("f", &st) == 0 && st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 5);
	CHECK("UTIME_OMIT", st.st_mtim.tv_sec == m.tv_sec && st.st_mtim.tv_nsec == m.tv_nsec);
	t[0].tv_nsec = 1000000000;
	CHECK_ERRNO("utimensat with a bad time", utimensat(AT_FDCWD, "f", t, 0), EINVAL);
	unlink("f");
}

int main(void)
{
	umask(022);
	char dir[] = "/tmp/names.XXXXXX";
	CHECK("a directory to work in", mkdtemp(dir) && chdir(dir) == 0);
	directories();
	links();
	renames();
	reading();
	at_calls();
	CHECK("the directory is empty again", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
