/* Set-id bits and append-only: what changing a file's contents or size by descriptor does to them. */
#include "t.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static int fd;

static int mode(void)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? st.st_mode & 07777 : -1;
}

#define CLEARS(what, call) \
	CHECK(what, fchmod(fd, 06755) == 0 && mode() == 06755 && (call) >= 0 && mode() == 0755)

int main(void)
{
	char dir[] = "/tmp/setid.XXXXXX";
	if (geteuid() != 0) return T_NOT_HERE;
	if (!mkdtemp(dir) || chdir(dir) != 0 || chmod(".", 0777) != 0) return 1;

	fd = open("flags", O_RDWR | O_CREAT, 0644);
	CHECK(write(fd, "12345678", 8) == 8);
	int before = 0;
	ioctl(fd, FS_IOC_GETFLAGS, &before);
	int flags = before | FS_APPEND_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
		CHECK_ERRNO("append-only is not cut by an older descriptor", ftruncate(fd, 4), EPERM);
		CHECK_ERRNO("nor punched", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4), EPERM);
		CHECK("but may be given blocks", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8192) == 0);
		flags = before | FS_IMMUTABLE_FL;
		CHECK("immutable", ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
		struct statfs fs;
		int is_ext4 = fstatfs(fd, &fs) == 0 && fs.f_type == 0xef53;
		int r = ftruncate(fd, 4);
		CHECK("it is not cut where the file system looks, as ext4 does", (r == 0 && !is_ext4) || (r == -1 && errno == EPERM));
		CHECK_ERRNO("nor given blocks", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 16384), EPERM);
		flags = before;
		CHECK(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
	} else if (errno == EOPNOTSUPP || errno == ENOTTY || errno == EPERM) {
		return T_NOT_HERE;
	}
	close(fd);

	fd = open("f", O_RDWR | O_CREAT, 0644);
	CHECK(fchown(fd, 1000, 1000) == 0 && fchmod(fd, 06755) == 0);
	CHECK("the superuser keeps them", ftruncate(fd, 100) == 0 && mode() == 06755);
	CHECK(fallocate(fd, 0, 0, 4096) == 0 && mode() == 06755);
	if (setgroups(0, NULL) != 0 || setresgid(1000, 1000, 1000) != 0 || setresuid(1000, 1000, 1000) != 0) return 1;
	CLEARS("write", write(fd, "x", 1));
	CLEARS("ftruncate", ftruncate(fd, 10));
	CLEARS("ftruncate to a larger size", ftruncate(fd, 10000));
	CLEARS("truncate", truncate("f", 20000));
	CLEARS("fallocate", fallocate(fd, 0, 0, 8192));
	CLEARS("fallocate of a hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CHECK("no execution by the group: the bit is no set-id", fchmod(fd, 02745) == 0);
	return t_end();
}
