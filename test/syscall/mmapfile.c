/* Maps of files: shared with read(2) and write(2), private copies, the end of file. */
#include "t.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define P 4096
#define RW (PROT_READ | PROT_WRITE)

static char path[64];

static int fresh(int pages)
{
	snprintf(path, sizeof path, "/tmp/mmapfile.%d", getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char page[P];
	for (int i = 0; i < pages; i++) {
		memset(page, 'a' + i, P);
		if (write(fd, page, P) != P) return -1;
	}
	return fd;
}

static void coherent(void)
{
	int fd = fresh(3);
	char buf[8];
	CHECK("a file", fd >= 0);
	volatile char *p = mmap(NULL, 3 * P, RW, MAP_SHARED, fd, 0);
	CHECK("mapped", p != MAP_FAILED);
	CHECK("shows the file", p[0] == 'a' && p[P] == 'b' && p[3 * P - 1] == 'c');
	p[5] = 'X';
	CHECK("read sees a store", pread(fd, buf, 1, 5) == 1 && buf[0] == 'X');
	CHECK("a load sees write", pwrite(fd, "YZ", 2, P - 1) == 2 && p[P - 1] == 'Y' && p[P] == 'Z');
	volatile char *q = mmap(NULL, P, RW, MAP_PRIVATE, fd, P);
	CHECK("a private map shows it too", q[0] == 'Z');
	q[1] = 'Q';
	CHECK("its stores stay private", p[P + 1] == 'b' && pread(fd, buf, 1, P + 1) == 1 && buf[0] == 'b');
	p[P + 1] = 'W';
	CHECK("its copy is its own", q[1] == 'Q');
	CHECK("a child shares the shared", STATUS_OF({ p[7] = 'C'; q[2] = 'C'; }) == 0 && p[7] == 'C' && q[2] == 'b');
	CHECK("msync", msync((void *)p, 3 * P, MS_SYNC) == 0);
	CHECK_ERRNO("msync both ways", msync((void *)p, P, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERRNO("msync of a hole", (munmap((void *)(p + 2 * P), P), msync((void *)p, 3 * P, MS_SYNC)), ENOMEM);
	close(fd);
	CHECK("the map outlives the descriptor", p[0] == 'a');
	unlink(path);
	CHECK("and the name", p[7] == 'C');
	munmap((void *)p, 2 * P);
	munmap((void *)q, P);
}

static void ends(void)
{
	int fd = fresh(2);
	char buf[8];
	if (ftruncate(fd, P + 100) != 0) return;
	volatile char *p = mmap(NULL, 4 * P, RW, MAP_SHARED, fd, 0);
	CHECK("a map may be longer than the file", p != MAP_FAILED);
	CHECK("the last page ends in zeroes", p[P + 99] == 'b' && p[P + 100] == 0 && p[2 * P - 1] == 0);
	CHECK("the page past the end is a bus error", SIGNAL_OF((void)p[2 * P]) == SIGBUS && t_code == BUS_ADRERR);
	CHECK("a longer file has it", ftruncate(fd, 3 * P) == 0 && SIGNAL_OF((void)p[2 * P]) == 0 && p[2 * P] == 0);
	p[2 * P + 9] = 'L';
	CHECK("and keeps what is stored", pread(fd, buf, 1, 2 * P + 9) == 1 && buf[0] == 'L');
	volatile char *q = mmap(NULL, 3 * P, RW, MAP_PRIVATE, fd, 0);
	q[2 * P] = 'P';
	CHECK("a shorter file takes pages away", ftruncate(fd, 10) == 0 && SIGNAL_OF((void)p[P]) == SIGBUS);
	CHECK("also from private copies", SIGNAL_OF((void)q[2 * P]) == SIGBUS);
	CHECK("and the rest is zero when it grows again",
	      ftruncate(fd, P) == 0 && p[9] == 'a' && p[10] == 0 && p[P - 1] == 0);
	CHECK_ERRNO("the kernel gets EFAULT there", write(fd, (void *)(p + 2 * P), 1), EFAULT);
	close(fd);
	unlink(path);
}

static void rights(void)
{
	int fd = fresh(1);
	int ro = open(path, O_RDONLY), wo = open(path, O_WRONLY);
	CHECK_ERRNO("a write-only file cannot be mapped", mmap(NULL, P, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	CHECK_ERRNO("nor a read-only one shared for writing", mmap(NULL, P, RW, MAP_SHARED, ro, 0), EACCES);
	char *p = mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0);
	CHECK("for reading it can", p != MAP_FAILED);
	CHECK_ERRNO("but not made writable later", mprotect(p, P, RW), EACCES);
	volatile char *q = mmap(NULL, P, RW, MAP_PRIVATE, ro, 0);
	CHECK("a private copy may be written", q != MAP_FAILED && SIGNAL_OF(q[0] = '!') == 0 && p[0] == 'a');
	int fds[2];
	CHECK("pipe", pipe(fds) == 0);
	CHECK_ERRNO("a pipe cannot be mapped", mmap(NULL, P, PROT_READ, MAP_PRIVATE, fds[0], 0), ENODEV);
	int zero = open("/dev/zero", O_RDWR);
	volatile char *z = mmap(NULL, P, RW, MAP_PRIVATE, zero, 0);
	CHECK("/dev/zero can", z != MAP_FAILED && z[0] == 0 && (z[0] = 1) == 1);
	CHECK_ERRNO("validated flags", mmap(NULL, P, PROT_READ, 0x03 | 0x80000, fd, 0), EOPNOTSUPP);
	CHECK("validated shared", mmap(NULL, P, PROT_READ, 0x03, fd, 0) != MAP_FAILED);
	close(fd);
	unlink(path);
}

static void large(void)
{
	int fd = fresh(1);
	if (ftruncate(fd, 4 << 20) != 0) return;
	unsigned *p = mmap(NULL, 4 << 20, RW, MAP_SHARED, fd, 0);
	for (unsigned i = 0; i < 1 << 20; i += 997) p[i] = i * 2654435761u;
	unsigned bad = 0, v;
	for (unsigned i = 0; i < 1 << 20; i += 997)
		if (pread(fd, &v, 4, (off_t)i * 4) != 4 || v != i * 2654435761u) bad++;
	CHECK("a sparse file keeps what stores put here and there", bad == 0);
	CHECK("holes read as zero", pread(fd, &v, 4, 4 * 1500) == 4 && v == 0);
	struct stat st;
	CHECK("the size is as set", fstat(fd, &st) == 0 && st.st_size == 4 << 20);
	munmap(p, 4 << 20);
	close(fd);
	unlink(path);
}

int main(void)
{
	t_catch(SIGSEGV);
	t_catch(SIGBUS);
	coherent();
	ends();
	rights();
	large();
	return t_end();
}
