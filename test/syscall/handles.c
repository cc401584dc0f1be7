/* File handles: name_to_handle_at(2) and open_by_handle_at(2). */
#include "t.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID 0x200
#endif

union handle {
	struct file_handle h;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static union handle at;
static int mount_id;

static int handle_of(int dir, const char *path, int flags)
{
	memset(&at, 0, sizeof at);
	at.h.handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(dir, path, &at.h, &mount_id, flags);
}

static int same_file(int fd, const char *path)
{
	struct stat a, b;
	if (fstat(fd, &a) != 0 || lstat(path, &b) != 0) return 0;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int is_cwd_of(int fd, const char *path)
{
	char now[4096], was[4096];
	if (!getcwd(was, sizeof was) || fchdir(fd) != 0 || !getcwd(now, sizeof now)) return 0;
	if (chdir(was) != 0) return 0;
	return strcmp(now, path) == 0;
}

int main(void)
{
	char dir[] = "/tmp/handles.XXXXXX", path[200], b[8];
	if (!mkdtemp(dir) || chdir(dir) != 0) return 1;
	struct statfs fs;
	int is_tmpfs = statfs(".", &fs) == 0 && fs.f_type == 0x01021994;
	int probe = open(".", O_RDONLY | O_DIRECTORY);
	if (handle_of(AT_FDCWD, ".", 0) != 0) return errno == EOPNOTSUPP ? T_NOT_HERE : 1;
	int self = open_by_handle_at(probe, &at.h, O_RDONLY | O_DIRECTORY);
	if (self < 0) return errno == EPERM ? T_NOT_HERE : 1;
	CHECK("a directory by its handle is in its place", is_cwd_of(self, dir));
	close(self);

	int fd = open("f", O_RDWR | O_CREAT, 0644);
	CHECK(write(fd, "contents", 8) == 8);
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 && symlink("f", "l") == 0);

	CHECK("a file by its handle", handle_of(AT_FDCWD, "f", 0) == 0);
	int g = open_by_handle_at(probe, &at.h, O_RDWR);
	CHECK("has its contents", g >= 0 && same_file(g, "f") && read(g, b, 8) == 8 && memcmp(b, "contents", 8) == 0);
	CHECK("can be written", pwrite(g, "C", 1, 0) == 1 && pread(fd, b, 1, 0) == 1 && b[0] == 'C');
	char *map = mmap(0, 4096, PROT_READ, MAP_SHARED, g, 0);
	CHECK("and mapped", map != MAP_FAILED && map[1] == 'o');
	munmap(map, 4096);
	close(g);
	union handle f = at;
	CHECK("the same by descriptor", handle_of(fd, "", AT_EMPTY_PATH) == 0 && at.h.handle_bytes == f.h.handle_bytes &&
	      memcmp(at.h.f_handle, f.h.f_handle, f.h.handle_bytes) == 0);
	CHECK("any descriptor there says which file system", (g = open_by_handle_at(fd, &f.h, O_PATH)) >= 0);
	close(g);
	CHECK("so does the working directory", (g = open_by_handle_at(AT_FDCWD, &f.h, O_RDONLY)) >= 0);
	close(g);
	CHECK("no name is needed", rename("f", "g") == 0 && (g = open_by_handle_at(probe, &f.h, O_RDONLY)) >= 0 && same_file(g, "g"));
	char there[200] = "", fdpath[64];
	snprintf(fdpath, sizeof fdpath, "/proc/self/fd/%d", g);
	snprintf(path, sizeof path, "%s/g", dir);
	CHECK("its name is found, as somebody has it open", readlink(fdpath, there, sizeof there - 1) > 0 && strcmp(there, path) == 0);
	close(g);
	CHECK_ERRNO("a file is no directory", open_by_handle_at(probe, &f.h, O_RDONLY | O_DIRECTORY), ENOTDIR);

	CHECK("a directory below", handle_of(AT_FDCWD, "d/e", 0) == 0);
	union handle e = at;
	g = open_by_handle_at(probe, &e.h, O_RDONLY | O_DIRECTORY);
	snprintf(path, sizeof path, "%s/d/e", dir);
	CHECK("is in its place, too", g >= 0 && is_cwd_of(g, path));
	CHECK("names are made in it", mkdirat(g, "new", 0755) == 0 && access("d/e/new", F_OK) == 0 && unlinkat(g, "new", AT_REMOVEDIR) == 0);
	CHECK("and .. leads up", openat(g, "..", O_PATH) >= 0 && same_file(openat(g, "..", O_PATH), "d"));
	close(g);
	CHECK("moved, it is found there", rename("d", "D") == 0 && (g = open_by_handle_at(probe, &e.h, O_RDONLY)) >= 0);
	snprintf(path, sizeof path, "%s/D/e", dir);
	CHECK(is_cwd_of(g, path));
	close(g);
	CHECK_ERRNO("directories are not written", open_by_handle_at(probe, &e.h, O_RDWR), EISDIR);

	CHECK("a symlink has a handle of its own", handle_of(AT_FDCWD, "l", 0) == 0);
	CHECK_ERRNO("which opens no file", open_by_handle_at(probe, &at.h, O_RDONLY), ELOOP);
	CHECK("but a place", (g = open_by_handle_at(probe, &at.h, O_PATH | O_NOFOLLOW)) >= 0 && same_file(g, "l"));
	close(g);
	CHECK(unlink("l") == 0 && symlink("g", "l") == 0);
	CHECK("unless it is followed", handle_of(AT_FDCWD, "l", AT_SYMLINK_FOLLOW) == 0 &&
	      memcmp(at.h.f_handle, f.h.f_handle, f.h.handle_bytes) == 0);

	memset(&at, 0, sizeof at);
	CHECK_ERRNO("no room", name_to_handle_at(AT_FDCWD, "g", &at.h, &mount_id, 0), EOVERFLOW);
	CHECK("how much there must be", at.h.handle_bytes == f.h.handle_bytes && at.h.handle_type == 255);
	at.h.handle_bytes = MAX_HANDLE_SZ + 1;
	CHECK_ERRNO("too much room", name_to_handle_at(AT_FDCWD, "g", &at.h, &mount_id, 0), EINVAL);
	CHECK_ERRNO("unknown flags", handle_of(AT_FDCWD, "g", 0x4000), EINVAL);
	CHECK_ERRNO("no such name", handle_of(AT_FDCWD, "none", 0), ENOENT);
	CHECK_ERRNO("an empty one", handle_of(AT_FDCWD, "", 0), ENOENT);
	CHECK_ERRNO("no memory for it", syscall(SYS_name_to_handle_at, AT_FDCWD, "g", NULL, &mount_id, 0), EFAULT);
	at.h.handle_bytes = MAX_HANDLE_SZ;
	CHECK_ERRNO("nor for the mount", syscall(SYS_name_to_handle_at, AT_FDCWD, "g", &at, NULL, 0), EFAULT);
	CHECK_ERRNO("procfs finds no files so", handle_of(AT_FDCWD, "/proc/version", 0), EOPNOTSUPP);
	CHECK("but tells them apart", handle_of(AT_FDCWD, "/proc/version", AT_HANDLE_FID) == 0 || errno == EINVAL);

	f.h.handle_bytes = 0;
	CHECK_ERRNO("an empty handle", open_by_handle_at(probe, &f.h, O_RDONLY), EINVAL);
	f.h.handle_bytes = MAX_HANDLE_SZ + 1;
	CHECK_ERRNO("one that is too long", open_by_handle_at(probe, &f.h, O_RDONLY), EINVAL);
	f = e;
	f.h.handle_type = 77;
	/* Of tmpfs, Linux does not look at it. */
	g = open_by_handle_at(probe, &f.h, O_RDONLY);
	CHECK("of another kind", is_tmpfs ? g >= 0 : g == -1 && errno == ESTALE);
	close(g);
	f = e;
	f.h.handle_bytes = 4;
	CHECK_ERRNO("of half a file", open_by_handle_at(probe, &f.h, O_RDONLY), ESTALE);
	memset(f.h.f_handle, 0xee, MAX_HANDLE_SZ);
	f.h.handle_bytes = e.h.handle_bytes;
	CHECK_ERRNO("of none", open_by_handle_at(probe, &f.h, O_RDONLY), ESTALE);
	CHECK_ERRNO("no memory", syscall(SYS_open_by_handle_at, probe, NULL, O_RDONLY), EFAULT);
	CHECK_ERRNO("no descriptor", open_by_handle_at(99, &e.h, O_RDONLY), EBADF);
	int ends[2];
	CHECK(pipe(ends) == 0);
	CHECK_ERRNO("of a pipe there are none", open_by_handle_at(ends[0], &e.h, O_RDONLY), ESTALE);

	CHECK(handle_of(AT_FDCWD, "g", 0) == 0);
	f = at;
	close(fd);
	CHECK("a file that is gone", unlink("g") == 0);
	CHECK_ERRNO("is stale", open_by_handle_at(probe, &f.h, O_RDONLY), ESTALE);
	CHECK(rmdir("D/e") == 0);
	/* Names that are known not to be in it keep a directory of tmpfs in Linux's memory. */
	CHECK("so is a directory", (open_by_handle_at(probe, &e.h, O_RDONLY) == -1 && errno == ESTALE) || is_tmpfs);

	CHECK(handle_of(AT_FDCWD, ".", 0) == 0);
	if (fork() == 0) {
		if (setuid(65534) != 0) _exit(2);
		_exit(open_by_handle_at(probe, &at.h, O_RDONLY) < 0 && errno == EPERM ? 0 : 1);
	}
	int status;
	CHECK("it takes a capability", wait(&status) > 0 && status == 0);
	unlink("l");
	rmdir("D");
	chdir("/");
	rmdir(dir);
	return t_end();
}
