/* mremap(2), brk(2), madvise(2), mincore(2), mlock(2). */
#include "t.h"
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define P 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

/* Room whose neighbours are known to be free or not. */
static char *room(int pages)
{
	char *p = mmap(NULL, pages * P, RW, ANON, -1, 0);
	munmap(p, pages * P);
	return p;
}

static char *fixed(char *at, int pages)
{
	return mmap(at, pages * P, RW, ANON | MAP_FIXED, -1, 0);
}

static void remaps(void)
{
	char *r = room(64);
	volatile char *p = fixed(r, 4);
	p[0] = 1;
	p[3 * P] = 4;
	CHECK("grows in place", mremap((void *)p, 4 * P, 8 * P, 0) == p && p[7 * P] == 0);
	CHECK("shrinks in place", mremap((void *)p, 8 * P, 2 * P, 0) == p && p[0] == 1);
	CHECK("what was cut is gone", SIGNAL_OF((void)p[2 * P]) == SIGSEGV);
	fixed(r + 2 * P, 1);
	CHECK_ERRNO("no room to grow", mremap((void *)p, 2 * P, 4 * P, 0), ENOMEM);
	mprotect(r + 2 * P, P, PROT_READ);
	volatile char *q = mremap((void *)p, 2 * P, 4 * P, MREMAP_MAYMOVE);
	CHECK("moves to grow", q != MAP_FAILED && q != p && q[0] == 1 && q[3 * P] == 0);
	CHECK("the old place is empty", SIGNAL_OF((void)p[0]) == SIGSEGV && t_code == SEGV_MAPERR);
	q[P] = 2;
	char *to = r + 32 * P;
	fixed(to, 2);
	to[0] = 99;
	CHECK("moves to where it is told", mremap((void *)q, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	CHECK("over what was there", to[0] == 1 && to[P] == 2);
	CHECK_ERRNO("but not onto itself", mremap(to, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to + P), EINVAL);
	CHECK_ERRNO("FIXED needs MAYMOVE", mremap(to, P, P, MREMAP_FIXED, r), EINVAL);
	CHECK_ERRNO("odd address", mremap(to + 1, P, P, 0), EINVAL);
	CHECK_ERRNO("to nothing", mremap(to, P, 0, 0), EINVAL);
	CHECK_ERRNO("from nothing", mremap(r + 50 * P, P, 2 * P, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERRNO("across two maps", (mprotect(to, P, PROT_READ), mremap(to, 4 * P, 8 * P, MREMAP_MAYMOVE)), EFAULT);
	mprotect(to, P, RW);
	CHECK_ERRNO("DONTUNMAP takes a hint, which must be a page's address",
		    syscall(SYS_mremap, to, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0x10001L), EINVAL);
	volatile char *d = mremap(to, 4 * P, 4 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	CHECK("DONTUNMAP moves the pages", d != MAP_FAILED && d != to && d[0] == 1 && d[P] == 2);
	CHECK("and leaves fresh ones", to[0] == 0 && to[P] == 0);
	CHECK("a child has moved pages too", STATUS_OF({ d[0]++; _exit(d[0] == 2 ? 0 : 1); }) == 0 && d[0] == 1);

	int *s = mmap(NULL, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s[0] = 11;
	int *twin = mremap(s, 0, 2 * P, MREMAP_MAYMOVE);
	CHECK("length 0 makes a second map of shared memory", twin != MAP_FAILED && twin != s && twin[0] == 11);
	twin[5] = 7;
	CHECK("of the same pages", s[5] == 7);
	CHECK_ERRNO("not of private memory", mremap((void *)d, 0, P, MREMAP_MAYMOVE), EINVAL);

	unsigned *big = mmap(NULL, 1 << 20, RW, ANON, -1, 0);
	for (int i = 0; i < 1 << 18; i++) big[i] = i;
	for (int round = 1; round < 5; round++) big = mremap(big, round << 20, (round + 1) << 20, MREMAP_MAYMOVE);
	int bad = 0;
	for (int i = 0; i < 1 << 18; i++) bad += big[i] != (unsigned)i;
	CHECK("large maps keep their data as they grow", bad == 0 && big[(5 << 18) - 1] == 0);
	munmap(big, 5 << 20);
}

static void heap(void)
{
	char *start = sbrk(0);
	CHECK("brk grows", sbrk(10 * P) == start && sbrk(0) == start + 10 * P);
	memset(start, 5, 10 * P);
	CHECK("and shrinks", brk(start + P) == 0 && sbrk(0) == start + P);
	CHECK("what comes back is zero", sbrk(9 * P) != (void *)-1 && start[2 * P] == 0 && start[0] == 5);
	CHECK("not below its start", syscall(SYS_brk, P) == (long)sbrk(0));
	CHECK_ERRNO("not to the end of the world", brk((void *)(~0UL - P)), ENOMEM);
	brk(start);
	CHECK("unaligned ends are kept", brk(start + 100) == 0 && sbrk(0) == start + 100);
	brk(start);
}

static void advice(void)
{
	volatile char *p = mmap(NULL, 8 * P, RW, ANON, -1, 0);
	unsigned char vec[8];
	memset((void *)p, 1, 8 * P);
	CHECK("mincore", mincore((void *)p, 8 * P, vec) == 0 && (vec[0] & 1) && (vec[7] & 1));
	CHECK("DONTNEED", madvise((void *)(p + 2 * P), 3 * P, MADV_DONTNEED) == 0);
	CHECK("zeroes its range alone", p[2 * P] == 0 && p[4 * P] == 0 && p[P] == 1 && p[5 * P] == 1);
	CHECK("FREE", madvise((void *)p, 8 * P, MADV_FREE) == 0);
	p[0] = 3;
	CHECK("keeps later stores", p[0] == 3 && (p[P] == 0 || p[P] == 1));
	CHECK_ERRNO("odd address", madvise((void *)(p + 1), P, MADV_DONTNEED), EINVAL);
	CHECK_ERRNO("odd advice", madvise((void *)p, P, 9999), EINVAL);
	CHECK("no length", madvise((void *)p, 0, MADV_DONTNEED) == 0);
	munmap((void *)(p + 4 * P), P);
	CHECK_ERRNO("a hole", madvise((void *)p, 8 * P, MADV_DONTNEED), ENOMEM);
	CHECK("does not keep the rest from it", p[0] == 0 && p[5 * P] == 0);
	CHECK_ERRNO("mincore of a hole", mincore((void *)p, 8 * P, vec), ENOMEM);
	CHECK_ERRNO("mincore of an odd address", mincore((void *)(p + 1), P, vec), EINVAL);
	CHECK_ERRNO("mincore to nowhere", mincore((void *)p, P, (void *)8), EFAULT);
	int *s = mmap(NULL, 2 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s[0] = 5;
	CHECK("DONTNEED of shared memory loses nothing", madvise(s, 2 * P, MADV_DONTNEED) == 0 && s[0] == 5);
	CHECK("REMOVE does", madvise(s, 2 * P, MADV_REMOVE) == 0 && s[0] == 0);
	CHECK_ERRNO("FREE is for private memory", madvise(s, P, MADV_FREE), EINVAL);
}

static void locks(void)
{
	volatile char *p = mmap(NULL, 4 * P, RW, ANON, -1, 0);
	CHECK("mlock", mlock((void *)(p + 1), P) == 0);
	unsigned char vec[4];
	CHECK("brings pages", mincore((void *)p, 2 * P, vec) == 0 && (vec[0] & 1) && (vec[1] & 1));
	CHECK_ERRNO("locked pages are needed", madvise((void *)p, P, MADV_DONTNEED), EINVAL);
	CHECK("munlock", munlock((void *)p, 4 * P) == 0);
	CHECK("then not", madvise((void *)p, P, MADV_DONTNEED) == 0);
	munmap((void *)(p + 2 * P), P);
	CHECK_ERRNO("mlock of a hole", mlock((void *)p, 4 * P), ENOMEM);
	CHECK("munlockall", munlockall() == 0);
	CHECK_ERRNO("mlockall with nothing", mlockall(0), EINVAL);
}

static void limits(void)
{
	CHECK("RLIMIT_AS holds", STATUS_OF({
		      struct rlimit l = { 256 << 20, 256 << 20 };
		      setrlimit(RLIMIT_AS, &l);
		      if (mmap(NULL, 512 << 20, PROT_NONE, ANON, -1, 0) != MAP_FAILED || errno != ENOMEM) _exit(1);
		      if (mmap(NULL, 1 << 20, RW, ANON, -1, 0) == MAP_FAILED) _exit(2);
	      }) == 0);
	CHECK("RLIMIT_DATA holds", STATUS_OF({
		      struct rlimit l = { 1 << 20, 1 << 20 };
		      setrlimit(RLIMIT_DATA, &l);
		      if (sbrk(4 << 20) != (void *)-1 || errno != ENOMEM) _exit(1);
		      if (mmap(NULL, 4 << 20, RW, ANON, -1, 0) != MAP_FAILED) _exit(2);
	      }) == 0);
}

int main(void)
{
	t_catch(SIGSEGV);
	t_catch(SIGBUS);
	remaps();
	heap();
	advice();
	locks();
	limits();
	return t_end();
}
