/* Open files: flags, offsets, appending, truncation, holes, descriptors, vectors. */
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#include "t.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char buf[65536];

static void flags(void)
{
	int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0666);
	CHECK("create", fd >= 0);
	struct stat st;
	CHECK("umask applies", fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0644);
	CHECK_ERRNO("O_EXCL on an old file", open("f", O_CREAT | O_EXCL | O_RDWR, 0666), EEXIST);
	CHECK("write", write(fd, "hello world", 11) == 11);
	CHECK("pread", pread(fd, buf, 5, 6) == 5 && !memcmp(buf, "world", 5));
	CHECK("pread past the end", pread(fd, buf, 5, 100) == 0);
	CHECK_ERRNO("pread at a negative offset", pread(fd, buf, 5, -1), EINVAL);
	CHECK("lseek end", lseek(fd, 0, SEEK_END) == 11);
	CHECK_ERRNO("lseek before the start", lseek(fd, -12, SEEK_CUR), EINVAL);
	CHECK("offset unmoved by the failure", lseek(fd, 0, SEEK_CUR) == 11);
	CHECK("lseek far past the end", lseek(fd, 1 << 20, SEEK_SET) == 1 << 20);
	CHECK_ERRNO("lseek with a bad whence", lseek(fd, 0, 99), EINVAL);
	CHECK("O_TRUNC", close(open("f", O_WRONLY | O_TRUNC)) == 0 && fstat(fd, &st) == 0 && st.st_size == 0);
	close(fd);
	fd = open("f", O_RDONLY);
	CHECK_ERRNO("write to a read-only descriptor", write(fd, "x", 1), EBADF);
	CHECK_ERRNO("ftruncate of a read-only descriptor", ftruncate(fd, 1), EINVAL);
	CHECK("F_GETFL", fcntl(fd, F_GETFL) == O_LARGEFILE || (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	close(fd);
	fd = open("f", O_WRONLY | O_APPEND);
	CHECK_ERRNO("read from a write-only descriptor", read(fd, buf, 1), EBADF);
	CHECK("append", write(fd, "abc", 3) == 3 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "def", 3) == 3);
	CHECK("append moved the offset to the end", lseek(fd, 0, SEEK_CUR) == 6);
	CHECK("F_SETFL drops O_APPEND", fcntl(fd, F_SETFL, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "X", 1) == 1);
	CHECK("F_SETFL cannot change the access mode", fcntl(fd, F_SETFL, O_RDWR) == 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY);
	close(fd);
	fd = open("f", O_RDONLY);
	CHECK("contents", read(fd, buf, 100) == 6 && !memcmp(buf, "Xbcdef", 6));
	CHECK("end of file", read(fd, buf, 100) == 0);
	close(fd);
	CHECK_ERRNO("O_DIRECTORY on a file", open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERRNO("writing a directory", open(".", O_WRONLY), EISDIR);
	CHECK_ERRNO("O_CREAT of a directory", open(".", O_CREAT | O_RDONLY, 0600), EISDIR);
	CHECK_ERRNO("O_CREAT with a trailing slash", open("new/", O_CREAT | O_RDWR, 0600), EISDIR);
	CHECK_ERRNO("a file as a directory", open("f/x", O_RDONLY), ENOTDIR);
	CHECK_ERRNO("a file with a slash", open("f/", O_RDONLY), ENOTDIR);
	CHECK_ERRNO("nothing there", open("none", O_RDONLY), ENOENT);
	CHECK_ERRNO("an empty path", open("", O_RDONLY), ENOENT);
	CHECK("symlink", symlink("f", "l") == 0);
	CHECK_ERRNO("O_NOFOLLOW", open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	CHECK_ERRNO("O_EXCL sees the link", open("l", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	CHECK("dangling symlink", symlink("target", "d") == 0);
	fd = open("d", O_CREAT | O_RDWR, 0600);
	CHECK("O_CREAT through a dangling link", fd >= 0 && access("target", F_OK) == 0);
	close(fd);
	fd = open("l", O_PATH | O_NOFOLLOW);
	CHECK("O_PATH of a symlink", fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK_ERRNO("read of an O_PATH descriptor", read(fd, buf, 1), EBADF);
	CHECK("readlinkat by descriptor", readlinkat(fd, "", buf, 10) == 1 && buf[0] == 'f');
	close(fd);
	char longname[300];
	memset(longname, 'n', 299);
	longname[299] = 0;
	CHECK_ERRNO("a name too long", open(longname, O_RDONLY), ENAMETOOLONG);
	memset(buf, '/', 5000);
	buf[5000] = 0;
	CHECK_ERRNO("a path too long", open(buf, O_RDONLY), ENAMETOOLONG);
	CHECK_ERRNO("a path from nowhere", open((char *)8, O_RDONLY), EFAULT);
	unlink("l");
	unlink("d");
	unlink("target");
	CHECK("symlink to itself", symlink("loop", "loop") == 0);
	CHECK_ERRNO("a loop of symlinks", open("loop", O_RDONLY), ELOOP);
	unlink("loop");
	unlink("f");
}

static void descriptors(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	int two = dup(fd);
	CHECK("dup is the lowest free", two == fd + 1);
	CHECK("dup shares the offset", write(fd, "abcd", 4) == 4 && lseek(two, 0, SEEK_CUR) == 4);
	CHECK("dup2 onto itself", dup2(fd, fd) == fd);
	CHECK_ERRNO("dup3 onto itself", dup3(fd, fd, 0), EINVAL);
	CHECK_ERRNO("dup2 to a negative", dup2(fd, -1), EBADF);
	CHECK("dup3 with O_CLOEXEC", dup3(fd, 20, O_CLOEXEC) == 20 && fcntl(20, F_GETFD) == FD_CLOEXEC);
	CHECK("F_DUPFD from 30", fcntl(fd, F_DUPFD, 30) == 30 && fcntl(30, F_GETFD) == 0);
	CHECK("F_DUPFD_CLOEXEC", fcntl(fd, F_DUPFD_CLOEXEC, 30) == 31 && fcntl(31, F_GETFD) == FD_CLOEXEC);
	CHECK("close and reuse", close(two) == 0 && dup(fd) == two);
	CHECK_ERRNO("close twice", (close(two), close(two)), EBADF);
	CHECK("close_range", close_range(20, 40, 0) == 0 && fcntl(30, F_GETFD) == -1 && errno == EBADF);
	CHECK_ERRNO("close_range backwards", close_range(5, 4, 0), EINVAL);
	struct rlimit old, few = {16, 16};
	getrlimit(RLIMIT_NOFILE, &old);
	few.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	int n = 0;
	while (dup(fd) >= 0) n++;
	CHECK("EMFILE at the limit", errno == EMFILE && n < 16);
	CHECK_ERRNO("open without a free descriptor", open("late", O_CREAT | O_RDWR, 0600), EMFILE);
	CHECK("has created nothing", access("late", F_OK) < 0 && errno == ENOENT);
	CHECK_ERRNO("nor is a name looked for", open("late", O_RDONLY), EMFILE);
	CHECK_ERRNO("O_TRUNC without a free descriptor", open("f", O_TRUNC | O_RDWR), EMFILE);
	CHECK("has truncated nothing", lseek(fd, 0, SEEK_END) > 0);
	CHECK_ERRNO("F_DUPFD from the limit", fcntl(fd, F_DUPFD, 16), EINVAL);
	close_range(fd + 1, 15, 0);
	setrlimit(RLIMIT_NOFILE, &old);
	int on = 1;
	CHECK("FIONBIO", ioctl(fd, FIONBIO, &on) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	lseek(fd, 1, SEEK_SET);
	CHECK("FIONREAD of a file", ioctl(fd, FIONREAD, &n) == 0 && n == 3);
	CHECK_ERRNO("an ioctl of terminals", ioctl(fd, 0x5401, buf), ENOTTY);
	close(fd);
	unlink("f");
}

static void sizes(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	struct stat st;
	CHECK("grow by ftruncate", ftruncate(fd, 10000) == 0 && fstat(fd, &st) == 0 && st.st_size == 10000);
	memset(buf, 1, sizeof buf);
	CHECK("a hole reads as zeroes", pread(fd, buf, 10000, 0) == 10000 && buf[0] == 0 && buf[9999] == 0);
	CHECK("write past a hole", pwrite(fd, "x", 1, 100000) == 1 && fstat(fd, &st) == 0 && st.st_size == 100001);
	CHECK("few blocks for a sparse file", st.st_blocks < 100);
	CHECK("SEEK_DATA", lseek(fd, 0, SEEK_DATA) == 98304);
	CHECK("SEEK_HOLE", lseek(fd, 0, SEEK_HOLE) == 0);
	CHECK("SEEK_HOLE after data", lseek(fd, 98304, SEEK_HOLE) == 100001);
	CHECK_ERRNO("SEEK_DATA past the end", lseek(fd, 100001, SEEK_DATA), ENXIO);
	memset(buf, 7, sizeof buf);
	CHECK("shrink and grow leaves zeroes", pwrite(fd, buf, 8192, 0) == 8192 && ftruncate(fd, 100) == 0 && ftruncate(fd, 8192) == 0 && pread(fd, buf, 8192, 0) == 8192 && buf[99] == 7 && buf[100] == 0 && buf[8191] == 0);
	CHECK_ERRNO("a negative size", ftruncate(fd, -1), EINVAL);
	CHECK("fallocate grows", fallocate(fd, 0, 0, 20000) == 0 && fstat(fd, &st) == 0 && st.st_size == 20000);
	CHECK("fallocate keeps the size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 40000) == 0 && fstat(fd, &st) == 0 && st.st_size == 20000 && st.st_blocks >= 78);
	memset(buf, 7, sizeof buf);
	pwrite(fd, buf, 20000, 0);
	CHECK("punch a hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 9000) == 0);
	CHECK("what the hole left", pread(fd, buf, 20000, 0) == 20000 && buf[99] == 7 && buf[100] == 0 && buf[9099] == 0 && buf[9100] == 7);
	CHECK_ERRNO("fallocate of nothing", fallocate(fd, 0, 0, 0), EINVAL);
	struct iovec v[3] = {{buf, 3}, {buf + 10, 0}, {buf + 100, 5}};
	memcpy(buf, "abc", 3);
	memcpy(buf + 100, "defgh", 5);
	CHECK("pwritev", pwritev(fd, v, 3, 50) == 8);
	memset(buf, 0, 200);
	lseek(fd, 50, SEEK_SET);
	CHECK("readv", readv(fd, v, 3) == 8 && !memcmp(buf, "abc", 3) && !memcmp(buf + 100, "defgh", 5));
	CHECK_ERRNO("readv of too many", readv(fd, v, 1025), EINVAL);
	CHECK_ERRNO("readv of a negative count", readv(fd, v, -1), EINVAL);
	CHECK_ERRNO("write from nowhere", write(fd, (void *)16, 4), EFAULT);
	CHECK("a partial write up to the fault", 1);
	CHECK("a read of nothing", read(fd, (void *)16, 0) == 0);
	CHECK("fsync", fsync(fd) == 0 && fdatasync(fd) == 0);
	CHECK("posix_fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED) == 0);
	close(fd);
	CHECK("unlinked but open", 1);
	fd = open("f", O_RDWR);
	unlink("f");
	CHECK("an unlinked file lives on", pwrite(fd, "zz", 2, 0) == 2 && pread(fd, buf, 2, 0) == 2 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	close(fd);
	struct rlimit old, small = {1000, RLIM_INFINITY};
	getrlimit(RLIMIT_FSIZE, &old);
	fd = open("f", O_CREAT | O_RDWR, 0600);
	setrlimit(RLIMIT_FSIZE, &small);
	signal(SIGXFSZ, SIG_IGN);
	CHECK("a write is cut at the limit", pwrite(fd, buf, 2000, 0) == 1000);
	CHECK_ERRNO("a write at the limit", pwrite(fd, buf, 1, 1000), EFBIG);
	signal(SIGXFSZ, SIG_DFL);
	CHECK("SIGXFSZ", WTERMSIG(STATUS_OF(pwrite(fd, buf, 1, 1000))) == SIGXFSZ);
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
	unlink("f");
}

int main(void)
{
	umask(022);
	char dir[] = "/tmp/files.XXXXXX";
	CHECK("a directory to work in", mkdtemp(dir) && chdir(dir) == 0);
	flags();
	descriptors();
	sizes();
	CHECK("the directory is empty again", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
