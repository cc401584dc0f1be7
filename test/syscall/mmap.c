/* mmap(2), munmap(2), mprotect(2): where maps go, what they refuse, what faults. */
#include "t.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#define P 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static char *anon(size_t pages)
{
	return mmap(NULL, pages * P, RW, ANON, -1, 0);
}

static void arguments(void)
{
	char *p = anon(4);
	CHECK("anonymous memory is there", p != MAP_FAILED && ((uintptr_t)p & (P - 1)) == 0);
	CHECK("and zero", p[0] == 0 && p[4 * P - 1] == 0);
	CHECK_ERRNO("no length", mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
	CHECK_ERRNO("neither shared nor private", mmap(NULL, P, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERRNO("a huge length", mmap(NULL, ~0UL - P, RW, ANON, -1, 0), ENOMEM);
	CHECK_ERRNO("a length that wraps to 0", mmap(NULL, ~0UL, RW, ANON, -1, 0), ENOMEM);
	CHECK_ERRNO("no descriptor", mmap(NULL, P, RW, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERRNO("an odd offset", mmap(NULL, P, RW, ANON, -1, 1), EINVAL);
	CHECK_ERRNO("an odd fixed address", mmap(p + 1, P, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERRNO("munmap of nothing", munmap(p, 0), EINVAL);
	CHECK_ERRNO("munmap of an odd address", munmap(p + 1, P), EINVAL);
	CHECK_ERRNO("NOREPLACE over a map", mmap(p, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	CHECK("munmap", munmap(p, 4 * P) == 0);
	CHECK("munmap again", munmap(p, 4 * P) == 0);
	CHECK("NOREPLACE in a gap", mmap(p, P, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p);
	CHECK("a free hint is taken", mmap(p + 2 * P, P, RW, ANON, -1, 0) == p + 2 * P);
	char *q = mmap(p, P, RW, ANON, -1, 0);
	CHECK("a hint in use is not", q != MAP_FAILED && q != p);
	munmap(q, P);
	munmap(p, 4 * P);
	CHECK("reserving much address space is cheap",
	      (p = mmap(NULL, 64UL << 30, PROT_NONE, ANON | MAP_NORESERVE, -1, 0)) != MAP_FAILED);
	CHECK("and giving it back", munmap(p, 64UL << 30) == 0);
}

static void faults(void)
{
	volatile char *p = anon(8);
	CHECK("a fault on nothing", SIGNAL_OF(*(volatile char *)8 = 1) == SIGSEGV);
	CHECK("says so", t_code == SEGV_MAPERR && t_addr == (void *)8);
	CHECK("mprotect to none", mprotect((void *)(p + P), 2 * P, PROT_NONE) == 0);
	CHECK("reading it faults", SIGNAL_OF((void)p[P]) == SIGSEGV);
	CHECK("for want of rights", t_code == SEGV_ACCERR && t_addr == (void *)(p + P));
	CHECK("its neighbours do not", SIGNAL_OF(p[0] = p[3 * P] = 1) == 0);
	CHECK("mprotect to read", mprotect((void *)(p + P), P, PROT_READ) == 0);
	CHECK("it reads", SIGNAL_OF((void)p[P]) == 0 && p[P] == 0);
	CHECK("but cannot be written", SIGNAL_OF(p[P] = 1) == SIGSEGV && t_code == SEGV_ACCERR);
	CHECK("back to write", mprotect((void *)p, 8 * P, RW) == 0);
	CHECK("now it can", SIGNAL_OF(p[P] = 7) == 0 && p[P] == 7);
	CHECK("data survives a round of rights",
	      mprotect((void *)p, P, PROT_NONE) == 0 && mprotect((void *)p, P, PROT_READ) == 0 && p[0] == 1);
	mprotect((void *)p, P, RW);
	CHECK("a hole", munmap((void *)(p + 4 * P), P) == 0);
	CHECK("faults", SIGNAL_OF((void)p[4 * P]) == SIGSEGV && t_code == SEGV_MAPERR);
	CHECK_ERRNO("mprotect over a hole", mprotect((void *)p, 8 * P, PROT_READ), ENOMEM);
	CHECK("changed what came before it", SIGNAL_OF(p[0] = 1) == SIGSEGV);
	CHECK("and not what came after", SIGNAL_OF(p[5 * P] = 1) == 0);
	CHECK_ERRNO("mprotect of an odd address", mprotect((void *)(p + 1), P, RW), EINVAL);
	CHECK("mprotect of no length", mprotect((void *)p, 0, RW) == 0);
	CHECK_ERRNO("mprotect with odd rights", mprotect((void *)p, P, 0x70), EINVAL);
	CHECK("fixed over the hole", mmap((void *)p, 8 * P, RW, ANON | MAP_FIXED, -1, 0) == (void *)p);
	CHECK("is fresh", p[0] == 0 && p[5 * P] == 0);
	int fds[2];
	CHECK("pipe", pipe(fds) == 0);
	mprotect((void *)p, P, PROT_READ);
	CHECK("the kernel may not write either", (write(fds[1], "x", 1), read(fds[0], (void *)p, 1)) == -1 && errno == EFAULT);
	munmap((void *)p, P);
	CHECK_ERRNO("nor read what is not there", write(fds[1], (void *)p, 1), EFAULT);
	munmap((void *)p, 8 * P);
}

static void shared(void)
{
	int *p = mmap(NULL, 4 * P, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int *q = (int *)anon(4);
	p[0] = q[0] = 1;
	CHECK("a child", STATUS_OF({ p[0] = 2; p[1024] = 3; q[0] = 2; q[1024] = 3; }) == 0);
	CHECK("shared memory shows its writes", p[0] == 2 && p[1024] == 3);
	CHECK("private memory does not", q[0] == 1 && q[1024] == 0);
	q[0] = 5;
	CHECK("nor does the child see later writes", STATUS_OF({ usleep(1000); _exit(q[0] == 5 ? 0 : 1); }) == 0);
	CHECK("a grandchild sees what its parent wrote",
	      STATUS_OF({ q[0] = 9; int s = STATUS_OF(_exit(q[0] == 9 ? 0 : 1)); _exit(s != 0); }) == 0);
	CHECK("and the first is as it was", q[0] == 5);
	CHECK("DONTFORK", madvise(q, P, MADV_DONTFORK) == 0);
	CHECK("is not there in the child", WTERMSIG(STATUS_OF({ signal(SIGSEGV, SIG_DFL); q[0] = 1; })) == SIGSEGV);
	madvise(q, P, MADV_DOFORK);
	CHECK("WIPEONFORK", madvise(q, P, MADV_WIPEONFORK) == 0);
	CHECK("is zero in the child", STATUS_OF(_exit(q[0])) == 0 && q[0] == 5);
}

static void growsdown(void)
{
	volatile char *p = anon(1024);
	munmap((void *)p, 1024 * P);
	p = mmap((void *)(p + 1023 * P), P, RW, ANON | MAP_FIXED | MAP_GROWSDOWN | MAP_STACK, -1, 0);
	CHECK("a stack of one's own", p != MAP_FAILED);
	CHECK("grows down", SIGNAL_OF(p[-1] = p[-P * 3] = 1) == 0);
}

static int deep(int n)
{
	volatile char frame[8192];
	frame[0] = (char)n;
	return n == 0 ? frame[0] : deep(n - 1) + frame[0];
}

/* Memory that a kernel may drop: Linux 6.11 and later. */
static void droppable(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, 0x08 | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		for (int i = 0; i < 4; i++) ok("droppable memory");
		return;
	}
	p[0] = 1;
	CHECK("droppable memory", STATUS_OF(_exit(p[0])) == 0);
	CHECK("droppable memory", madvise(p, 4096, 19) == -1 && errno == EINVAL);
	CHECK("droppable memory", madvise(p, 4096, MADV_DODUMP) == -1 && errno == EINVAL);
	CHECK("droppable memory", mmap(NULL, 4096, PROT_READ, 0x08 | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED && errno == EINVAL);
	munmap(p, 4096);
}

static void wrapping(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("a length that wraps is none: mlock", mlock(p, -1ul) == 0);
	CHECK("munlock", munlock(p, -1ul) == 0);
	CHECK("msync", msync(p, -1ul, MS_ASYNC) == 0);
	munmap(p, 4096);
}

int main(void)
{
	t_catch(SIGSEGV);
	t_catch(SIGBUS);
	arguments();
	faults();
	shared();
	growsdown();
	droppable();
	wrapping();
	CHECK("the stack grows for deep calls", deep(500) != 12345);
	return t_end();
}
