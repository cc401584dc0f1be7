/* Who may: permission bits, sticky and set-id bits, ownership changes, xattrs, memfd seals. Wants to be root. */
#include "t.h"
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static char buf[4096];

/* Runs the statements as user 1000 of group 1000. */
#define AS_USER(...) \
	(STATUS_OF({ \
		if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000)) _exit(99); \
		__VA_ARGS__; \
	}) == 0)
#define FAILS(call, wanted) do { if ((call) != -1 || errno != (wanted)) _exit(1); } while (0)
#define WORKS(call) do { if ((call) < 0) _exit(2); } while (0)

#include <grp.h>

static void touch(const char *path, int mode)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
	chmod(path, mode);
}

static void permissions(void)
{
	touch("secret", 0600);
	touch("public", 0644);
	touch("group", 0640);
	mkdir("closed", 0700);
	touch("closed/f", 0666);
	mkdir("listable", 0744);
	touch("listable/f", 0666);
	CHECK("others are kept out", AS_USER(
		FAILS(open("secret", O_RDONLY), EACCES);
		WORKS(open("public", O_RDONLY));
		FAILS(open("public", O_RDWR), EACCES);
		FAILS(open("public", O_RDONLY | O_TRUNC), EACCES);
		FAILS(open("closed/f", O_RDONLY), EACCES);
		FAILS(open("listable/f", O_RDONLY), EACCES);
		WORKS(open("listable", O_RDONLY));
		FAILS(open("group", O_RDONLY), EACCES);
		FAILS(open("new", O_CREAT | O_RDWR, 0600), EACCES);
		FAILS(mkdir("new", 0700), EACCES);
		FAILS(mkdir("closed", 0700), EEXIST);
		FAILS(unlink("public"), EACCES);
		FAILS(rename("public", "x"), EACCES);
		FAILS(chdir("closed"), EACCES);
		FAILS(truncate("public", 0), EACCES);
		FAILS(access("public", W_OK), EACCES);
		FAILS(open("public", O_RDONLY | O_NOATIME), EPERM)));
	CHECK("group membership counts", chown("group", 0, 1000) == 0 && AS_USER(WORKS(open("group", O_RDONLY))));
	touch("odd", 0077);
	chown("odd", 1000, 1000);
	CHECK("the owner's bits come first", AS_USER(FAILS(open("odd", O_RDONLY), EACCES)));
	CHECK("root reads all, runs only what is a program", access("odd", R_OK | W_OK) == 0 && access("secret", X_OK) == -1);
	mkdir("sticky", 01777);
	chmod("sticky", 01777);
	touch("sticky/root", 0666);
	touch("sticky/user", 0666);
	chown("sticky/user", 1000, 1000);
	CHECK("sticky directories", AS_USER(
		FAILS(unlink("sticky/root"), EPERM);
		FAILS(rename("sticky/root", "sticky/x"), EPERM);
		FAILS(rename("sticky/user", "sticky/root"), EPERM);
		WORKS(rename("sticky/user", "sticky/mine"));
		WORKS(unlink("sticky/mine"))));
	mkdir("own", 0755);
	chown("own", 1000, 1000);
	CHECK("what an owner may change", AS_USER(
		WORKS(chdir("own"));
		WORKS(close(open("f", O_CREAT | O_RDWR, 0644)));
		WORKS(chmod("f", 0600));
		FAILS(chown("f", 0, -1), EPERM);
		FAILS(chown("f", -1, 0), EPERM);
		WORKS(chown("f", 1000, 1000));
		FAILS(chmod("../public", 0777), EPERM);
		FAILS(utimensat(AT_FDCWD, "../secret", (struct timespec[2]){{1, 0}, {1, 0}}, 0), EPERM);
		FAILS(utimensat(AT_FDCWD, "../secret", NULL, 0), EACCES);
		FAILS(mknod("dev", S_IFCHR | 0600, 0x103), EPERM);
		WORKS(mkfifo("fifo", 0600));
		FAILS(chroot("."), EPERM);
		WORKS(unlink("fifo"))));
	struct stat st;
	touch("suid", 06755);
	CHECK("chown drops set-id bits", chown("suid", 1000, 1000) == 0 && stat("suid", &st) == 0 && (st.st_mode & 07777) == 0755);
	chmod("suid", 06777);
	CHECK("writing drops them for a user", AS_USER(int fd = open("suid", O_WRONLY); WORKS(write(fd, "x", 1))) && stat("suid", &st) == 0 && (st.st_mode & 07777) == 0777);
	chmod("suid", 0644);
	chown("suid", 1000, 5);
	CHECK("chmod by an outsider of the group drops setgid", AS_USER(WORKS(chmod("suid", 02755))) && stat("suid", &st) == 0 && (st.st_mode & 07777) == 0755);
	const char *all[] = {"secret", "public", "group", "closed/f", "listable/f", "odd", "sticky/root", "own/f", "suid"};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) unlink(all[i]);
	rmdir("closed");
	rmdir("listable");
	rmdir("sticky");
	rmdir("own");
}

static void xattrs(void)
{
	touch("f", 0644);
	CHECK("set and get", setxattr("f", "user.name", "value", 5, 0) == 0 && getxattr("f", "user.name", buf, 100) == 5 && !memcmp(buf, "value", 5));
	CHECK("ask for the size", getxattr("f", "user.name", NULL, 0) == 5);
	CHECK_ERRNO("too little room", getxattr("f", "user.name", buf, 2), ERANGE);
	CHECK_ERRNO("XATTR_CREATE of an old one", setxattr("f", "user.name", "x", 1, XATTR_CREATE), EEXIST);
	CHECK_ERRNO("XATTR_REPLACE of a new one", setxattr("f", "user.other", "x", 1, XATTR_REPLACE), ENODATA);
	CHECK_ERRNO("one that is not there", getxattr("f", "user.none", buf, 100), ENODATA);
	CHECK_ERRNO("no such name space", setxattr("f", "what.ever", "x", 1, 0), EOPNOTSUPP);
	CHECK("trusted for root", setxattr("f", "trusted.x", "y", 1, 0) == 0);
	CHECK("list", listxattr("f", buf, sizeof buf) == 20);
	CHECK("trusted is hidden from others", AS_USER(if (listxattr("f", buf, sizeof buf) != 10) _exit(1); FAILS(getxattr("f", "trusted.x", buf, 10), ENODATA); FAILS(setxattr("f", "user.name", "x", 1, 0), EACCES)));
	CHECK("remove", removexattr("f", "user.name") == 0 && removexattr("f", "user.name") == -1 && errno == ENODATA);
	CHECK("symlinks have no user attributes", symlink("f", "l") == 0 && lsetxattr("l", "user.x", "y", 1, 0) == -1 && errno == EPERM);
	unlink("l");
	unlink("f");
}

static void memfds(void)
{
	int fd = memfd_create("mine", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK("memfd", fd >= 0 && ftruncate(fd, 8192) == 0 && pwrite(fd, "hi", 2, 4096) == 2);
	char path[64];
	sprintf(path, "/proc/self/fd/%d", fd);
	CHECK("its name", readlink(path, buf, sizeof buf) == 21 && !memcmp(buf, "/memfd:mine (deleted)", 21));
	CHECK("no seals yet", fcntl(fd, F_GET_SEALS) == 0);
	CHECK("seal against shrinking", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	CHECK_ERRNO("shrinking", ftruncate(fd, 1), EPERM);
	CHECK("growing", ftruncate(fd, 10000) == 0);
	CHECK("seal against growing and writing", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE) == 0);
	CHECK_ERRNO("growing then", ftruncate(fd, 20000), EPERM);
	CHECK_ERRNO("writing", pwrite(fd, "x", 1, 0), EPERM);
	CHECK("reading", pread(fd, buf, 2, 4096) == 2 && !memcmp(buf, "hi", 2));
	CHECK("seal the seals", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0);
	CHECK_ERRNO("sealing then", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
	close(fd);
	fd = memfd_create("plain", 0);
	CHECK("without leave to seal", fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL);
	close(fd);
	fd = open("f", O_CREAT | O_RDWR, 0600);
	CHECK_ERRNO("memfd with odd flags", memfd_create("x", 0x100), EINVAL);
	close(fd);
	unlink("f");
}

int main(void)
{
	umask(022);
	char dir[] = "/tmp/access.XXXXXX";
	CHECK("a directory to work in", mkdtemp(dir) && chmod(dir, 0755) == 0 && chdir(dir) == 0);
	permissions();
	xattrs();
	memfds();
	CHECK("the directory is empty again", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
