/*
 * Flags of files on tmpfs, as chattr(1) sets them. For the guest alone: a Linux before 6.6 has none there. See ioctl_iflags(2).
 */
#include "t.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int get(int fd)
{
	int flags = -1;
	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 ? flags : -1;
}

static int set(int fd, int flags)
{
	return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

int main(void)
{
	mkdir("/tmp/flags", 0755);
	int dir = open("/tmp/flags", O_RDONLY);
	int fd = open("/tmp/flags/f", O_CREAT | O_RDWR, 0644);
	CHECK(dir >= 0 && fd >= 0);
	CHECK("none at first", get(fd) == 0 && get(dir) == 0);
	CHECK_ERRNO(set(fd, FS_COMPR_FL), EOPNOTSUPP);
	CHECK("nor after what is not kept", get(fd) == 0);
	CHECK(set(fd, FS_IMMUTABLE_FL) == 0);
	CHECK_ERRNO(unlink("/tmp/flags/f"), EPERM);
	CHECK_ERRNO(rename("/tmp/flags/f", "/tmp/flags/g"), EPERM);
	CHECK_ERRNO(open("/tmp/flags/f", O_RDWR), EPERM);
	CHECK_ERRNO(chmod("/tmp/flags/f", 0600), EPERM);
	struct statx st;
	CHECK("statx knows", statx(AT_FDCWD, "/tmp/flags/f", 0, STATX_BASIC_STATS, &st) == 0 && (st.stx_attributes & STATX_ATTR_IMMUTABLE));
	CHECK(set(fd, FS_APPEND_FL) == 0);
	CHECK_ERRNO(open("/tmp/flags/f", O_WRONLY), EPERM);
	int more = open("/tmp/flags/f", O_WRONLY | O_APPEND);
	CHECK("it may grow", more >= 0 && write(more, "x", 1) == 1);
	CHECK_ERRNO(unlink("/tmp/flags/f"), EPERM);
	CHECK(set(fd, 0) == 0);
	CHECK(set(dir, FS_NODUMP_FL) == 0);
	int born = open("/tmp/flags/born", O_CREAT | O_RDWR, 0644);
	CHECK("what is made there has the directory's", get(born) == FS_NODUMP_FL);
	CHECK(unlink("/tmp/flags/f") == 0);
	CHECK(unlink("/tmp/flags/born") == 0);
	CHECK(rmdir("/tmp/flags") == 0);
	return t_end();
}
