/* Getting data to disk, advice, and writes in all their forms: what each refuses and what it leaves behind. */
#include "t.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define P 4096
#define RW (PROT_READ | PROT_WRITE)

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif

static char path[64];

static int fresh(int flags)
{
	return open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0644);
}

static long size_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 ? (long)st.st_size : -1;
}

static void syncing(void)
{
	int p[2], fd = fresh(0), ro = open(path, O_RDONLY), dir = open("/tmp", O_RDONLY | O_DIRECTORY);
	int place = open(path, O_PATH);
	CHECK(fd >= 0 && ro >= 0 && dir >= 0 && place >= 0 && pipe(p) == 0);
	CHECK(write(fd, "abc", 3) == 3);
	CHECK("fsync of a file", fsync(fd) == 0 && fdatasync(fd) == 0);
	CHECK("fsync of a file open for reading", fsync(ro) == 0);
	CHECK("fsync of a directory", fsync(dir) == 0);
	CHECK_ERRNO("fsync of a pipe", fsync(p[0]), EINVAL);
	CHECK_ERRNO("fdatasync of a pipe", fdatasync(p[1]), EINVAL);
	CHECK_ERRNO("fsync of a place", fsync(place), EBADF);
	CHECK_ERRNO("fsync of nothing", fsync(-1), EBADF);
	CHECK("syncfs", syncfs(fd) == 0 && syncfs(ro) == 0);
	CHECK_ERRNO("syncfs of nothing", syncfs(999), EBADF);
	CHECK("sync_file_range",
	      sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
	                      SYNC_FILE_RANGE_WAIT_AFTER) == 0);
	CHECK("sync_file_range of nothing in particular", sync_file_range(fd, 5, 7, 0) == 0);
	CHECK_ERRNO("sync_file_range with other flags", sync_file_range(fd, 0, 0, 8), EINVAL);
	CHECK_ERRNO("sync_file_range before the file", sync_file_range(fd, -1, 0, 0), EINVAL);
	CHECK_ERRNO("sync_file_range of less than nothing", sync_file_range(fd, 0, -1, 0), EINVAL);
	CHECK_ERRNO("sync_file_range of a pipe", sync_file_range(p[0], 0, 0, 0), ESPIPE);
	close(fd); close(ro); close(dir); close(place); close(p[0]); close(p[1]);

	int flags[] = {O_SYNC, O_DSYNC, O_SYNC | O_APPEND};
	for (int i = 0; i < 3; i++) {
		fd = fresh(flags[i]);
		CHECK(fd >= 0);
		CHECK(write(fd, "0123456789", 10) == 10 && pwrite(fd, "x", 1, 100) == 1);
		int got = fcntl(fd, F_GETFL);
		CHECK("a synchronous write, and the flag is there", (got & flags[i]) == flags[i]);
		CHECK("F_SETFL does not take it away",
		      fcntl(fd, F_SETFL, 0) == 0 && (fcntl(fd, F_GETFL) & O_SYNC) == (flags[i] & O_SYNC));
		close(fd);
	}
}

static void advice(void)
{
	int p[2], fd = fresh(0), wo = open(path, O_WRONLY), dir = open("/tmp", O_RDONLY | O_DIRECTORY);
	char *big = malloc(40 * P), *back = malloc(40 * P);
	CHECK(fd >= 0 && wo >= 0 && dir >= 0 && pipe(p) == 0 && big && back);
	for (int i = 0; i < 40 * P; i++) big[i] = i * 7 + (i >> 12);
	CHECK(write(fd, big, 40 * P) == 40 * P);
	int all[] = {POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_NOREUSE,
	             POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED};
	for (int i = 0; i < 6; i++) {
		memset(back, 0, 40 * P);
		CHECK(posix_fadvise(fd, 100, 20 * P, all[i]) == 0);
		CHECK("advice changes nothing but speed",
		      pread(fd, back, 40 * P, 0) == 40 * P && memcmp(big, back, 40 * P) == 0);
	}
	CHECK("advice on all of a file", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	CHECK("advice that is none", posix_fadvise(fd, 0, 0, 6) == EINVAL);
	CHECK("advice on less than nothing", posix_fadvise(fd, 0, -1, 0) == EINVAL);
	CHECK("advice on a pipe", posix_fadvise(p[0], 0, 0, 0) == ESPIPE);
	CHECK("advice on nothing", posix_fadvise(-1, 0, 0, 0) == EBADF);
	CHECK("readahead", readahead(fd, 0, 40 * P) == 0);
	CHECK("readahead past the end", readahead(fd, 1 << 30, 1 << 30) == 0);
	CHECK_ERRNO("readahead of what cannot be read", readahead(wo, 0, P), EBADF);
	CHECK_ERRNO("readahead of a pipe", readahead(p[0], 0, P), EINVAL);
	CHECK_ERRNO("readahead of a directory", readahead(dir, 0, P), EINVAL);
	close(fd); close(wo); close(dir); close(p[0]); close(p[1]);
	free(big); free(back);
}

static void vectors(void)
{
	char a[] = "first", b[] = "second", back[32] = {0};
	struct iovec iov[2] = {{a, 5}, {b, 6}}, into = {back, sizeof back};
	int fd = fresh(0);
	CHECK(fd >= 0);
	CHECK("pwritev2 with RWF_DSYNC", pwritev2(fd, iov, 2, 0, RWF_DSYNC) == 11);
	CHECK("pwritev2 with RWF_SYNC and RWF_HIPRI", pwritev2(fd, iov, 1, 0, RWF_SYNC | RWF_HIPRI) == 5);
	CHECK_ERRNO("an unknown flag", pwritev2(fd, iov, 2, 0, 0x4000000), EOPNOTSUPP);
	CHECK_ERRNO("an offset that is none", pwritev2(fd, iov, 2, -2, 0), EINVAL);
	CHECK("RWF_APPEND overrules the offset", pwritev2(fd, iov, 1, 2, RWF_APPEND) == 5 && size_of(fd) == 16);
	CHECK("and moves no offset", lseek(fd, 0, SEEK_CUR) == 0);
	CHECK("RWF_APPEND at the file's own offset", pwritev2(fd, iov + 1, 1, -1, RWF_APPEND) == 6);
	CHECK("moves it to the end", lseek(fd, 0, SEEK_CUR) == 22);
	CHECK("preadv2 finds it all", preadv2(fd, &into, 1, 0, 0) == 22 &&
	      memcmp(back, "firstsecondfirstsecond", 22) == 0);
	CHECK("at the offset there is no more", preadv2(fd, &into, 1, -1, 0) == 0);
	close(fd);
}

static void sources(void)
{
	char *two = mmap(NULL, 2 * P, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), back[2 * P];
	CHECK(two != MAP_FAILED && mprotect(two + P, P, PROT_NONE) == 0);
	memset(two, 'n', P);
	int fd = fresh(0);
	CHECK_ERRNO("write from nowhere", write(fd, two + P, P), EFAULT);
	CHECK("makes nothing", size_of(fd) == 0);
	CHECK("a write that ends in nowhere is short", write(fd, two + P - 10, P) == 10 && size_of(fd) == 10);
	memset(back, 'o', sizeof back);
	CHECK(pwrite(fd, back, 2 * P, 0) == 2 * P && fsync(fd) == 0);
	CHECK("over a page of the file as well", pwrite(fd, two + P - 10, P, P) == 10);
	CHECK("what lies behind it stays", pread(fd, back, 2 * P, 0) == 2 * P && back[P + 9] == 'n' &&
	      back[P + 10] == 'o' && back[2 * P - 1] == 'o' && back[P - 1] == 'o');

	char *file = mmap(NULL, 2 * P, RW, MAP_SHARED, fd, 0);
	CHECK(file != MAP_FAILED);
	file[0] = 'A';
	CHECK("a file written from its own map, to itself", pwrite(fd, file, P, 0) == P && file[0] == 'A');
	CHECK("one page on", pwrite(fd, file, P, P) == P && file[P] == 'A' && file[P + 1] == 'o');
	CHECK("half a page on", pwrite(fd, file, P, P / 2) == P && file[P / 2] == 'A' && file[P] != 0);
	CHECK("and beyond its end", pwrite(fd, file, P, 5 * P) == P && size_of(fd) == 6 * P &&
	      pread(fd, back, P, 5 * P) == P && back[0] == 'A');
	CHECK("a gap reads as zeroes", pread(fd, back, P, 3 * P) == P && back[0] == 0 && back[P - 1] == 0);
	munmap(file, 2 * P);
	munmap(two, 2 * P);
	close(fd);
}

static void mapped(void)
{
	int fd = fresh(0);
	char back[P];
	CHECK(fd >= 0 && ftruncate(fd, 4 * P) == 0);
	char *m = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	m[P] = 'm';
	CHECK("msync", msync(m, 4 * P, MS_SYNC) == 0);
	CHECK("msync later", msync(m + P, P, MS_ASYNC) == 0);
	CHECK("msync and invalidate", msync(m, P, MS_SYNC | MS_INVALIDATE) == 0);
	CHECK("what was stored is read", pread(fd, back, 1, P) == 1 && back[0] == 'm');
	m[P] = 'n';
	CHECK("again after it was synced", pread(fd, back, 1, P) == 1 && back[0] == 'n');
	CHECK("what is written is seen", pwrite(fd, "w", 1, 2 * P) == 1 && m[2 * P] == 'w');
	CHECK_ERRNO("msync both ways", msync(m, P, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO("msync of half a page", msync(m + 1, P, MS_SYNC), EINVAL);
	CHECK_ERRNO("msync with other flags", msync(m, P, 64), EINVAL);
	CHECK(munmap(m + 3 * P, P) == 0);
	CHECK_ERRNO("msync of what is not mapped", msync(m, 4 * P, MS_SYNC), ENOMEM);
	CHECK("truncated away", ftruncate(fd, 10) == 0 && SIGNAL_OF(m[P] = 1) == SIGBUS);
	CHECK("grown again it is empty", ftruncate(fd, 3 * P) == 0 && m[P] == 0 && m[2 * P] == 0);
	munmap(m, 3 * P);
	close(fd);
}

int main(void)
{
	t_catch(SIGBUS);
	snprintf(path, sizeof path, "/tmp/fileio.%d", getpid());
	syncing();
	advice();
	vectors();
	sources();
	mapped();
	unlink(path);
	return t_end();
}
