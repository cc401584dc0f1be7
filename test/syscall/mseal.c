/* mseal(2): memory that can no longer be mapped otherwise. */
#include "t.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096
#define NR_mseal 462

static long seal(void *at, size_t n, unsigned long flags) { return syscall(NR_mseal, at, n, flags); }

int main(void)
{
	char *m = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (seal(m, 0, 1) == -1 && errno == ENOSYS) return T_NOT_HERE;
	CHECK_ERRNO("flags", seal(m, PAGE, 1), EINVAL);
	CHECK_ERRNO("not at a page", seal(m + 1, PAGE, 0), EINVAL);
	CHECK("nothing", seal(m, 0, 0) == 0);
	munmap(m + 7 * PAGE, PAGE);
	CHECK_ERRNO("not all mapped", seal(m + 6 * PAGE, 2 * PAGE, 0), ENOMEM);
	CHECK("then nothing is sealed", mprotect(m + 6 * PAGE, PAGE, PROT_READ) == 0);
	memset(m, 1, 6 * PAGE);
	mprotect(m + 3 * PAGE, PAGE, PROT_READ);
	CHECK("sealed", seal(m + 2 * PAGE, 2 * PAGE, 0) == 0);
	CHECK("twice", seal(m + 2 * PAGE, 2 * PAGE - 5, 0) == 0);
	CHECK_ERRNO("not unmapped", munmap(m + 2 * PAGE, PAGE), EPERM);
	CHECK_ERRNO("nor with others", munmap(m, 6 * PAGE), EPERM);
	CHECK("which stay then", m[0] == 1 && m[5 * PAGE] == 1);
	CHECK_ERRNO("not protected", mprotect(m + 2 * PAGE, PAGE, PROT_READ), EPERM);
	CHECK_ERRNO("not mapped over", (long)mmap(m + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
	CHECK_ERRNO("not moved", (long)mremap(m + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EPERM);
	CHECK_ERRNO("not shortened", (long)mremap(m + 2 * PAGE, 2 * PAGE, PAGE, 0), EPERM);
	CHECK_ERRNO("not moved upon", (long)mremap(m, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, m + 2 * PAGE), EPERM);
	CHECK("written, where that is allowed", (m[2 * PAGE] = 2) == 2);
	CHECK("and emptied", madvise(m + 2 * PAGE, PAGE, MADV_DONTNEED) == 0 && m[2 * PAGE] == 0);
	CHECK_ERRNO("not emptied where not", madvise(m + 3 * PAGE, PAGE, MADV_DONTNEED), EPERM);
	CHECK("nor is that", m[3 * PAGE] == 1);
	CHECK("locked", mlock(m + 2 * PAGE, PAGE) == 0 && munlock(m + 2 * PAGE, PAGE) == 0);
	int s = STATUS_OF(if (munmap(m + 2 * PAGE, PAGE) != -1 || errno != EPERM) _exit(1));
	CHECK("in a child too", s == 0);
	CHECK("the rest is as before", munmap(m, 2 * PAGE) == 0 && mprotect(m + 4 * PAGE, PAGE, PROT_READ) == 0);
	return t_end();
}
