/* overlayfs: copy-up, whiteouts, opaque directories, merged listings, renames, links, and what the layers hold then. */
#include "mountns.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static char buf[1 << 20];
static struct stat st, before;

static int put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	int n = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
	close(fd);
	return n;
}

static int holds(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY);
	long n = fd < 0 ? -1 : read(fd, buf, 4096);
	close(fd);
	return n == (long)strlen(text) && memcmp(buf, text, n) == 0;
}

static int isWhiteout(const char *path)
{
	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static int isThere(const char *path)
{
	return lstat(path, &st) == 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char **)a, *(char **)b);
}

/* The names in a directory, sorted, each followed by a space. */
static const char *names(const char *path)
{
	static char all[65536];
	char *list[5000];
	int n = 0;
	DIR *d = opendir(path);
	struct dirent *e;
	all[0] = 0;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) list[n++] = strdup(e->d_name);
	}
	closedir(d);
	qsort(list, n, sizeof *list, compare);
	for (int i = 0; i < n; i++) {
		strcat(strcat(all, list[i]), " ");
		free(list[i]);
	}
	return all;
}

static int note(const char *path, const char *name, const char *value)
{
	char got[300], full[100];
	snprintf(full, sizeof full, "user.overlay.%s", name);
	long n = lgetxattr(path, full, got, sizeof got);
	return n == (long)strlen(value) && memcmp(got, value, n) == 0;
}

static int mountOverlay(const char *more)
{
	char options[300];
	snprintf(options, sizeof options, "lowerdir=l1:l2,upperdir=u,workdir=w,userxattr%s", more);
	return mount("over", "m", "overlay", 0, options);
}

static void layers(void)
{
	mkdir("l1", 0755);
	mkdir("l2", 0755);
	mkdir("u", 0755);
	mkdir("w", 0755);
	mkdir("m", 0755);
	mkdir("l1/dir", 0750);
	mkdir("l2/dir", 0755);
	mkdir("l2/only2", 0711);
	mkdir("l2/hidden", 0755);
	put("l1/dir/one", "one");
	put("l2/dir/two", "two");
	put("l2/dir/both", "below");
	put("l1/dir/both", "above");
	put("l2/only2/f", "f");
	put("l2/file", "file");
	put("l2/exec", "exec");
	put("l2/mapped", "mapped");
	put("l2/gone", "gone");
	mknod("l1/gone", S_IFCHR, makedev(0, 0));
	put("l2/hidden/x", "x");
	mkdir("l1/hidden", 0755);
	setxattr("l1/hidden", "user.overlay.opaque", "y", 1, 0);
	put("l1/hidden/y", "y");
	symlink("file", "l2/link");
	link("l2/file", "l2/file2");
	put("l2/linked", "linked");
	link("l2/linked", "l2/linked2");
	for (int i = 0; i < 600; i++) {
		sprintf(buf, "l2/only2/many-%d", i);
		put(buf, "");
	}
	setxattr("l2/exec", "user.test", "value", 5, 0);
	setxattr("l2/exec", "user.overlay.mine", "hidden", 6, 0);
	struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
	utimensat(AT_FDCWD, "l2/exec", times, 0);
	chmod("l2/exec", 0751);
}

/* tmpfs has user attributes since Linux 6.6, overlayfs uses them since 5.11, and not every host has it. */
static void needOverlay(void)
{
	if (lgetxattr("l2/exec", "user.test", buf, 100) == 5 && mountOverlay("") == 0 && umount("m") == 0) return;
	printf("no overlayfs here\n");
	exit(T_NOT_HERE);
}

static void refusals(void)
{
	CHECK_ERRNO("no layers", mount("o", "m", "overlay", 0, ""), EINVAL);
	CHECK_ERRNO("one lower layer alone", mount("o", "m", "overlay", 0, "lowerdir=l1"), EINVAL);
	CHECK_ERRNO("no work directory", mount("o", "m", "overlay", 0, "lowerdir=l1,upperdir=u"), EINVAL);
	CHECK_ERRNO("a layer that is not there", mount("o", "m", "overlay", 0, "lowerdir=l1:none"), ENOENT);
	CHECK_ERRNO("work in upper", (mkdir("u/w", 0755), mount("o", "m", "overlay", 0, "lowerdir=l1,upperdir=u,workdir=u/w,userxattr")), EINVAL);
	rmdir("u/w");
	CHECK_ERRNO("a layer twice", mount("o", "m", "overlay", 0, "lowerdir=l1:l1,userxattr"), ELOOP);
	CHECK_ERRNO("a layer in a layer", mount("o", "m", "overlay", 0, "lowerdir=l1:l1/dir,userxattr"), ELOOP);
	CHECK_ERRNO("an unknown option", mount("o", "m", "overlay", 0, "lowerdir=l1:l2,nonsense"), EINVAL);
}

static void reading(void)
{
	struct statfs sf;
	CHECK("mounted", mountOverlay("") == 0);
	CHECK("what it is", statfs("m", &sf) == 0 && sf.f_type == 0x794c7630);
	CHECK("merged", strcmp(names("m"), "dir exec file file2 hidden link linked linked2 mapped only2 ") == 0);
	CHECK("further down", strcmp(names("m/dir"), "both one two ") == 0 && holds("m/dir/both", "above") && holds("m/dir/two", "two"));
	CHECK("a whiteout below hides", !isThere("m/gone"));
	CHECK("an opaque one, too", strcmp(names("m/hidden"), "y ") == 0);
	CHECK("the top decides", stat("m/dir", &st) == 0 && (st.st_mode & 07777) == 0750);
	CHECK("a merged directory has one link", st.st_nlink == 1);
	CHECK("links", readlink("m/link", buf, 100) == 4 && holds("m/link", "file"));
	CHECK("notes are not shown", lgetxattr("m/exec", "user.overlay.mine", buf, 100) == -1 && errno == ENODATA && listxattr("m/exec", buf, 100) == 10 && strcmp(buf, "user.test") == 0);
	CHECK("nothing was copied for that", strcmp(names("u"), "") == 0);
}

static void copying(void)
{
	struct stat after;
	int fd = open("m/mapped", O_RDONLY);
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK("written", put("m/mapped", "MAPPED2") == 7 && holds("m/mapped", "MAPPED2") && holds("u/mapped", "MAPPED2") && holds("l2/mapped", "mapped"));
	CHECK("the old map is of the lower file", memcmp(map, "mapped", 6) == 0);
	CHECK("the open file is the new one", pread(fd, buf, 100, 0) == 7 && memcmp(buf, "MAPPED2", 7) == 0);
	close(fd);
	munmap(map, 4096);
	stat("m/exec", &before);
	CHECK("chmod copies", chmod("m/exec", 0700) == 0 && stat("m/exec", &after) == 0 && (after.st_mode & 07777) == 0700 && holds("u/exec", "exec"));
	CHECK("number and device stay", before.st_ino == after.st_ino && before.st_dev == after.st_dev);
	CHECK("times, too", after.st_mtim.tv_sec == 1100000000 && after.st_mtim.tv_nsec == 7);
	CHECK("and attributes", lgetxattr("u/exec", "user.test", buf, 100) == 5 && lgetxattr("u/exec", "user.overlay.mine", buf, 100) == -1);
	stat("l2/exec", &st);
	CHECK("below nothing changed", (st.st_mode & 07777) == 0751);
	CHECK("with the directories above", put("m/dir/two", "TWO") == 3 && stat("u/dir", &st) == 0 && (st.st_mode & 07777) == 0750 && strcmp(names("u/dir"), "two ") == 0);
	CHECK("appended", (fd = open("m/dir/both", O_WRONLY | O_APPEND)) >= 0 && write(fd, "!", 1) == 1 && holds("m/dir/both", "above!") && holds("l1/dir/both", "above"));
	close(fd);
	CHECK("opening for writing copies", isThere("u/file") == 0 && (fd = open("m/file", O_WRONLY)) >= 0 && isThere("u/file"));
	close(fd);
	CHECK("a file with links below is alone then", put("m/linked", "L") == 1 && holds("m/linked2", "linked"));
	CHECK("truncated", truncate("m/linked2", 3) == 0 && holds("m/linked2", "lin") && holds("l2/linked2", "linked"));
}

static void removing(void)
{
	CHECK("unlink", unlink("m/file2") == 0 && !isThere("m/file2") && isWhiteout("u/file2") && isThere("l2/file2"));
	CHECK("made again", put("m/file2", "new") == 3 && holds("u/file2", "new") && holds("m/file2", "new"));
	CHECK("gone again", unlink("m/file2") == 0 && isWhiteout("u/file2"));
	CHECK("a directory in its place", mkdir("m/file2", 0755) == 0 && note("u/file2", "opaque", "y") && rmdir("m/file2") == 0 && isWhiteout("u/file2"));
	CHECK("a link in its place", symlink("to", "m/file2") == 0 && readlink("m/file2", buf, 10) == 2 && unlink("m/file2") == 0);
	CHECK_ERRNO("not empty", rmdir("m/dir"), ENOTEMPTY);
	CHECK("emptied", unlink("m/dir/one") == 0 && unlink("m/dir/two") == 0 && unlink("m/dir/both") == 0 && strcmp(names("m/dir"), "") == 0);
	CHECK("removed", rmdir("m/dir") == 0 && isWhiteout("u/dir") && !isThere("m/dir"));
	CHECK("made anew", mkdir("m/dir", 0755) == 0 && strcmp(names("m/dir"), "") == 0 && note("u/dir", "opaque", "y"));
	CHECK("only above, no whiteout stays", put("m/dir/n", "n") == 1 && unlink("m/dir/n") == 0 && !isThere("u/dir/n"));
	int fd = open("m/only2/f", O_RDWR);
	CHECK("removed while open", unlink("m/only2/f") == 0 && write(fd, "still", 5) == 5 && pread(fd, buf, 5, 0) == 5 && memcmp(buf, "still", 5) == 0);
	close(fd);
	CHECK_ERRNO("nobody makes whiteouts through it", mknod("m/w", S_IFCHR, makedev(0, 0)), EPERM);
	int seen = 0;
	long n;
	fd = open("m/only2", O_RDONLY | O_DIRECTORY);
	while ((n = syscall(SYS_getdents64, fd, buf, 1000)) > 0) {
		for (long at = 0; at < n;) {
			unsigned short length = *(unsigned short *)(buf + at + 16);
			char *name = buf + at + 19;
			if (name[0] != '.') seen += unlinkat(fd, name, 0) == 0;
			at += length;
		}
	}
	close(fd);
	CHECK("each name once while they go", seen == 600 && strcmp(names("m/only2"), "") == 0);
	CHECK("and all at once", rmdir("m/only2") == 0 && isWhiteout("u/only2"));
}

static void moving(void)
{
	CHECK("a file", rename("m/exec", "m/moved") == 0 && isWhiteout("u/exec") && !isThere("m/exec") && holds("m/moved", "exec"));
	CHECK("its number stays", stat("m/moved", &st) == 0 && st.st_ino == before.st_ino);
	CHECK_ERRNO("a directory from below", rename("m/hidden", "m/elsewhere"), EXDEV);
	CHECK("a new directory", mkdir("m/new", 0755) == 0 && put("m/new/f", "f") == 1 && rename("m/new", "m/newer") == 0 && holds("m/newer/f", "f") && !isThere("u/new"));
	CHECK("in place of one from below", unlink("m/hidden/y") == 0 && rename("m/newer", "m/hidden") == 0 && strcmp(names("m/hidden"), "f ") == 0 && note("u/hidden", "opaque", "y"));
	CHECK("over a whiteout", mkdir("m/d2", 0755) == 0 && rename("m/d2", "m/exec") == 0 && stat("m/exec", &st) == 0 && S_ISDIR(st.st_mode) && !isThere("u/d2"));
	CHECK_ERRNO("whiteouts are for the overlay alone", syscall(SYS_renameat2, AT_FDCWD, "m/moved", AT_FDCWD, "m/x", 4), EINVAL);
	CHECK("exchange", syscall(SYS_renameat2, AT_FDCWD, "m/moved", AT_FDCWD, "m/exec", 2) == 0 && holds("m/exec", "exec") && stat("m/moved", &st) == 0 && S_ISDIR(st.st_mode));
	CHECK("a link", link("m/exec", "m/exec2") == 0 && stat("m/exec2", &st) == 0 && st.st_nlink == 2);
	CHECK("to one file", put("m/exec2", "shared") == 6 && holds("m/exec", "shared"));
	CHECK("a link of a file below", link("m/linked2", "m/linked3") == 0 && holds("m/linked3", "lin"));
	CHECK("a symlink is moved", rename("m/link", "m/link2") == 0 && isWhiteout("u/link") && readlink("m/link2", buf, 10) == 4);
}

static void unnamed(void)
{
	int fd = open("m", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 && errno == EOPNOTSUPP) {
		CHECK("no unnamed files before Linux 6.1", 1);
		return;
	}
	sprintf(buf, "/proc/self/fd/%d", fd);
	CHECK("no unnamed files before Linux 6.1", write(fd, "tmp", 3) == 3 && linkat(AT_FDCWD, buf, AT_FDCWD, "m/tmp", AT_SYMLINK_FOLLOW) == 0 && holds("m/tmp", "tmp"));
	close(fd);
}

static void again(void)
{
	unnamed();
	ino_t ino = stat("m/exec", &st) == 0 ? st.st_ino : 0;
	unlink("m/tmp");
	strcpy(buf + 4096, names("m"));
	CHECK("unmounted", umount("m") == 0 && strcmp(names("m"), "") == 0);
	CHECK("and mounted again", mountOverlay("") == 0 && strcmp(names("m"), buf + 4096) == 0 && holds("m/exec", "shared"));
	CHECK("numbers stay, if root mounts", stat("m/exec", &st) == 0 && (st.st_ino == ino || t_user != 0));
	CHECK("nothing is left in the work directory", strcmp(names("w/work"), "") == 0);
	umount("m");
	CHECK("read-only without an upper layer", mount("over", "m", "overlay", 0, "lowerdir=u:l1:l2,userxattr") == 0 && holds("m/exec", "shared") && !isThere("m/gone") && strcmp(names("m"), buf + 4096) == 0);
	CHECK_ERRNO("indeed", open("m/exec", O_WRONLY), EROFS);
	CHECK_ERRNO("for names, too", mkdir("m/x", 0755), EROFS);
	mkdir("u2", 0755);
	mkdir("w2", 0755);
	mkdir("m2", 0755);
	CHECK("on top of each other", mount("over2", "m2", "overlay", 0, "lowerdir=m,upperdir=u2,workdir=w2,userxattr") == 0 && holds("m2/exec", "shared") && put("m2/exec", "upper") == 5 && holds("m2/exec", "upper") && holds("m/exec", "shared"));
	mkdir("m3", 0755);
	CHECK_ERRNO("but not three", mount("over3", "m3", "overlay", 0, "lowerdir=m2:l1,userxattr"), EINVAL);
	umount("m2");
	umount("m");
}

/* A copy that does not fit leaves nothing behind. */
static void full(void)
{
	mkdir("l5", 0755);
	mkdir("s5", 0755);
	int fd = open("l5/large", O_CREAT | O_WRONLY, 0644);
	memset(buf, 'x', sizeof buf);
	CHECK("a large file", write(fd, buf, 200000) == 200000);
	close(fd);
	mkdir("l5/d", 0755);
	fd = open("l5/d/sparse", O_CREAT | O_WRONLY, 0644);
	ftruncate(fd, 10 << 20);
	pwrite(fd, "end", 3, (10 << 20) - 3);
	close(fd);
	CHECK("a small place for it", mount("s", "s5", "tmpfs", 0, "size=64k") == 0 && mkdir("s5/u", 0755) == 0 && mkdir("s5/w", 0755) == 0 && mount("o", "m", "overlay", 0, "lowerdir=l5,upperdir=s5/u,workdir=s5/w,userxattr") == 0);
	CHECK_ERRNO("does not fit", open("m/large", O_RDWR), ENOSPC);
	CHECK("and leaves nothing", strcmp(names("s5/u"), "") == 0 && strcmp(names("s5/w/work"), "") == 0);
	fd = open("m/large", O_RDONLY);
	CHECK("it can be read all the same", read(fd, buf, 1000) == 1000 && buf[999] == 'x' && chmod("m/large", 0600) == -1);
	close(fd);
	CHECK("a file that is cut fits", (fd = open("m/large", O_WRONLY | O_TRUNC)) >= 0 && fstat(fd, &st) == 0 && st.st_size == 0);
	close(fd);
	CHECK("holes take no room", chmod("m/d/sparse", 0600) == 0 && stat("s5/u/d/sparse", &st) == 0 && st.st_size == 10 << 20 && st.st_blocks == 8);
	CHECK("gone", umount("m") == 0 && umount("s5") == 0);
}

/* What a user makes is the user's; what a user may not do to a file below, copying it up does not allow. */
static void users(void)
{
	if (t_user != 0) {
		CHECK("users, where there are several", 1);
		return;
	}
	mkdir("l6", 0755);
	mkdir("u6", 0777);
	mkdir("w6", 0755);
	put("l6/theirs", "secret");
	chmod("l6/theirs", 0600);
	put("l6/mine", "mine");
	chown("l6/mine", 1000, 1000);
	mkdir("l6/dir", 0777);
	chown("l6/dir", 1000, 1000);
	mkdir("l6/group", 0777);
	chown("l6/group", 0, 5000);
	chmod("l6/group", 02777);
	put("l6/dir/old", "old");
	chmod("u6", 0755);
	chmod(".", 0755);
	CHECK("users, where there are several", mount("o", "m", "overlay", 0, "lowerdir=l6,upperdir=u6,workdir=w6") == 0 && STATUS_OF({
		setgid(1000);
		setuid(1000);
		if (open("m/theirs", O_RDONLY) != -1 || errno != EACCES) _exit(1);
		if (open("m/new", O_CREAT | O_WRONLY, 0644) != -1 || errno != EACCES) _exit(2);
		if (chmod("m/theirs", 0666) != -1 || errno != EPERM) _exit(3);
		if (put("m/mine", "MINE") != 4 || !holds("m/mine", "MINE")) _exit(4);
		if (put("m/dir/new", "n") != 1 || stat("m/dir/new", &st) || st.st_uid != 1000) _exit(5);
		if (unlink("m/dir/old") || put("m/dir/old", "o") != 1 || stat("m/dir/old", &st) || st.st_uid != 1000) _exit(6);
		if (put("m/group/f", "f") != 1 || stat("m/group/f", &st) || st.st_gid != 5000) _exit(7);
		if (unlink("m/group/f") || mkdir("m/group/f", 0755) || stat("m/group/f", &st) || st.st_gid != 5000 || !(st.st_mode & 02000)) _exit(8);
	}) == 0 && stat("u6/mine", &st) == 0 && st.st_uid == 1000 && isThere("u6/theirs") == 0);
	umount("m");
}

static void redirected(void)
{
	if (t_user == 0 && mkdir("u4", 0755) == 0 && mkdir("w4", 0755) == 0 && mkdir("l4", 0755) == 0 && mkdir("l4/a", 0755) == 0 && mkdir("l4/a/b", 0755) == 0 && put("l4/a/b/f", "f") == 1
	    && mount("o", "m", "overlay", 0, "lowerdir=l4,upperdir=u4,workdir=w4,redirect_dir=on") == 0) {
		mkdir("m/to", 0755);
		int good = rename("m/a", "m/to/c") == 0 && rename("m/to/c/b", "m/to/c/d") == 0;
		good &= holds("m/to/c/d/f", "f") && !isThere("m/a");
		umount("m");
		good &= mount("o", "m", "overlay", 0, "lowerdir=l4,upperdir=u4,workdir=w4") == 0;
		good &= holds("m/to/c/d/f", "f") && !isThere("m/a") && !isThere("m/to/c/b");
		umount("m");
		CHECK("directories with redirects, where one may", good);
	} else {
		CHECK("directories with redirects, where one may", 1);
	}
}

int main(void)
{
	t_own_mounts();
	char dir[] = "/tmp/overlay.XXXXXX";
	CHECK(mkdtemp(dir) && mount("t", dir, "tmpfs", 0, NULL) == 0 && chdir(dir) == 0);
	layers();
	needOverlay();
	refusals();
	reading();
	copying();
	removing();
	moving();
	again();
	redirected();
	full();
	users();
	CHECK("clean", chdir("/") == 0 && umount(dir) == 0 && rmdir(dir) == 0);
	return t_end();
}
