/*
 * One file by every way there is to read and change it, compared with plain bytes after each: read and write by offset,
 * vector, append and O_DIRECT, maps with stores past the end, sizes, holes, zeroes, ranges taken out and put in,
 * copies, reopening and dropped caches. After the fsx of Apple and of xfstests.
 *
 * fsx [OPERATIONS [SEED [LOG]]], in a directory of its own in /tmp; what a file system does not offer (EOPNOTSUPP, EINVAL) is left out.
 */
#include "t.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>

enum { SIZE = 300000, PAGE = 4096, UNIT = 4096 };

static unsigned char good[2 * SIZE], got[2 * SIZE] __attribute__((aligned(4096)));
static long size;
static uint64_t state = 88172645463325252u;
static int fd, direct = -1, appending = -1, verbose, storesPast;
static const char *name = "fsx.file";

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static long below(long n) { return n <= 0 ? 0 : (long)(rnd() % (uint64_t)n); }

static void fail(int n, const char *what, long at, long length)
{
	printf("not ok: operation %d, %s at %ld, %ld bytes: errno %d %s\n", n, what, at, length, errno, strerror(errno));
	exit(1);
}

static void compare(int n, const char *what, const unsigned char *with, long at, long length)
{
	for (long i = 0; i < length; i++) {
		if (with[i] == good[at + i]) continue;
		printf("not ok: operation %d, %s at %ld, %ld bytes: byte %ld is %d, not %d; size %ld\n", n, what, at, length, at + i,
		       with[i], good[at + i], size);
		exit(1);
	}
}

static void fill(long at, long length)
{
	unsigned char c = (unsigned char)(rnd() | 1);
	for (long i = 0; i < length; i++) good[at + i] = (unsigned char)(c + i * 31 + (i >> 9));
}

/* The file reaches `end` now; what it had not before is zeroes, whatever good[] has there. */
static void grow(long end)
{
	if (end <= size) return;
	memset(good + size, 0, end - size);
	size = end;
}

static void open_all(void)
{
	fd = open(name, O_RDWR | O_CREAT, 0600);
	appending = open(name, O_WRONLY | O_APPEND);
	direct = open(name, O_RDWR | O_DIRECT);
	if (fd < 0 || appending < 0) fail(0, "open", 0, 0);
}

static int missing(void) { return errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS || errno == EXDEV; }

static void allocate(int n, const char *what, int mode, long at, long length)
{
	if (fallocate(fd, mode, at, length) != 0) {
		if (missing()) return;
		fail(n, what, at, length);
	}
	long end = at + length;
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case FALLOC_FL_COLLAPSE_RANGE:
		memmove(good + at, good + end, size - end);
		size -= length;
		return;
	case FALLOC_FL_INSERT_RANGE:
		memmove(good + end, good + at, size - at);
		memset(good + at, 0, length);
		size += length;
		return;
	case 0:
		if ((mode & FALLOC_FL_KEEP_SIZE) == 0) grow(end);
		return;
	default:
		if ((mode & FALLOC_FL_KEEP_SIZE) == 0) grow(end);
		if (at < size) memset(good + at, 0, (end < size ? end : size) - at);
	}
}

static void map_store(int n, long at, long length)
{
	long first = at & ~(long)(PAGE - 1);
	long span = at + length - first;
	char *p = mmap(0, span, PROT_READ | PROT_WRITE, MAP_SHARED, fd, first);
	if (p == MAP_FAILED) fail(n, "mmap", at, length);
	fill(at, length);
	memcpy(p + (at - first), good + at, length);
	/* What is stored between the end of the file and the end of its last page is nobody's. Linux 6.18 shows it when a file of tmpfs grows. */
	long past = size - first;
	if (storesPast && at + length == size && past % PAGE != 0 && below(2)) memset(p + past, 'X', PAGE - past % PAGE);
	if (below(3) == 0 && msync(p, span, below(2) ? MS_SYNC : MS_ASYNC) != 0) fail(n, "msync", at, length);
	munmap(p, span);
}

static void step(int n)
{
	long at = below(size + below(40000));
	if (at > SIZE - 70000) at = below(SIZE - 70000);
	long length = 1 + (below(4) ? below(9000) : below(65000));
	long inside = at < size ? (at + length < size ? length : size - at) : 0;
	int op = (int)below(26);
	if (verbose) printf("%d: %d at %ld, %ld (size %ld)\n", n, op, at, length, size);
	switch (op) {
	case 0: case 1: case 2: case 3:
		grow(at + length);
		fill(at, length);
		if (pwrite(fd, good + at, length, at) != length) fail(n, "write", at, length);
		break;
	case 4: case 5: case 6:
		if (pread(fd, got, length, at) != inside) fail(n, "read", at, length);
		compare(n, "read", got, at, inside);
		break;
	case 7: {
		if (size > SIZE - 70000) break;
		at = size;
		grow(at + length);
		fill(at, length);
		if (write(appending, good + at, length) != length) fail(n, "append", at, length);
		break;
	}
	case 8: {
		grow(at + length);
		fill(at, length);
		long half = length / 2;
		struct iovec v[] = {{good + at, half}, {good + at + half, length - half}};
		if (pwritev(fd, v, 2, at) != length) fail(n, "writev", at, length);
		break;
	}
	case 9: case 10:
		if (direct < 0) break;
		at &= ~(long)(UNIT - 1);
		length = (length + UNIT - 1) & ~(long)(UNIT - 1);
		if (op == 9) {
			grow(at + length);
			fill(at, length);
			memcpy(got, good + at, length);
			if (pwrite(direct, got, length, at) != length) fail(n, "direct write", at, length);
		} else {
			inside = at < size ? (at + length < size ? length : size - at) : 0;
			if (pread(direct, got, length, at) != inside) fail(n, "direct read", at, length);
			compare(n, "direct read", got, at, inside);
		}
		break;
	case 11: case 12:
		if (inside > 0) map_store(n, at, inside);
		break;
	case 13:
		if (inside > 0) {
			long first = at & ~(long)(PAGE - 1);
			unsigned char *p = mmap(0, at + inside - first, PROT_READ, below(2) ? MAP_SHARED : MAP_PRIVATE, fd, first);
			if (p == MAP_FAILED) fail(n, "mmap", at, inside);
			compare(n, "map", p + (at - first), at, inside);
			munmap(p, at + inside - first);
		}
		break;
	case 14: case 15: {
		long to = below(4) ? below(size + 20000) : below(3000);
		if (to > SIZE - 70000) to = below(SIZE - 70000);
		if (ftruncate(fd, to) != 0) fail(n, "truncate", to, 0);
		if (to < size) size = to;
		grow(to);
		break;
	}
	case 16:
		allocate(n, "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, length);
		break;
	case 17:
		allocate(n, "zero", FALLOC_FL_ZERO_RANGE | (below(2) ? FALLOC_FL_KEEP_SIZE : 0), at, length);
		break;
	case 18:
		allocate(n, "allocate", below(2) ? FALLOC_FL_KEEP_SIZE : 0, at, length);
		break;
	case 19:
		at &= ~(long)(UNIT - 1);
		length = (length + UNIT - 1) & ~(long)(UNIT - 1);
		if (at + length < size) allocate(n, "collapse", FALLOC_FL_COLLAPSE_RANGE, at, length);
		break;
	case 20:
		at &= ~(long)(UNIT - 1);
		length = (length + UNIT - 1) & ~(long)(UNIT - 1);
		if (at < size && size + length < SIZE - 70000) allocate(n, "insert", FALLOC_FL_INSERT_RANGE, at, length);
		break;
	case 21: {
		off_t from = at, to = below(SIZE - 70000);
		if (inside <= 0 || (to < from + inside && from < to + inside)) break;
		for (long left = inside; left > 0;) {
			ssize_t r = copy_file_range(fd, &from, fd, &to, left, 0);
			if (r < 0 && missing()) return;
			if (r <= 0) fail(n, "copy", from, left);
			grow(to);
			memcpy(good + to - r, good + from - r, r);
			left -= r;
		}
		break;
	}
	case 22:
		if ((below(2) ? fsync(fd) : fdatasync(fd)) != 0) fail(n, "fsync", 0, 0);
		break;
	case 23:
		fsync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		break;
	case 24:
		close(fd);
		close(appending);
		if (direct >= 0) close(direct);
		open_all();
		break;
	case 25: {
		/* From a hole to the next data there are zeroes alone; the end of the file is a hole. */
		if (at >= size) break;
		long data = lseek(fd, at, SEEK_DATA);
		if (data < 0 && errno != ENXIO) fail(n, "seek", at, 0);
		long end = data < 0 ? size : data;
		for (long i = at; i < end; i++) if (good[i] != 0) fail(n, "data taken for a hole", i, end);
		break;
	}
	}
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size != size) fail(n, "size", st.st_size, size);
}

int main(int argc, char **argv)
{
	int operations = argc > 1 ? atoi(argv[1]) : 1500;
	char dir[] = "/tmp/fsx.XXXXXX";
	if (argc > 2) state += (uint64_t)atol(argv[2]) * 2654435761u;
	verbose = argc > 3;
	struct utsname host;
	storesPast = uname(&host) == 0 && strstr(host.release, "vkernel") != NULL;
	if (!mkdtemp(dir) || chdir(dir) != 0) return 1;
	open_all();
	for (int n = 1; n <= operations; n++) step(n);
	if (pread(fd, got, size + 1, 0) != size) fail(operations, "last read", 0, size);
	compare(operations, "last read", got, 0, size);
	CHECK("a file is what was done to it, by whatever way", 1);
	unlink(name);
	if (chdir("/") != 0 || rmdir(dir) != 0) return 1;
	return t_end();
}
