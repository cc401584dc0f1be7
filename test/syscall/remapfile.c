/* remap_file_pages(2), as Linux emulates it. */
#include "t.h"
#include <fcntl.h>
#include <sys/mman.h>

#define P 4096

int main(void)
{
	char name[] = "/tmp/remapfile.XXXXXX";
	int f = mkstemp(name);
	unlink(name);
	static char page[P];
	for (int i = 0; i < 8; i++) {
		memset(page, 'a' + i, P);
		CHECK(write(f, page, P) == P);
	}
	char *m = mmap(NULL, 8 * P, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
	CHECK(m != MAP_FAILED);
	CHECK("one page shows another", remap_file_pages(m, P, 0, 7, 0) == 0 && m[0] == 'h' && m[P] == 'b');
	m[0] = 'H';
	CHECK("it is that page", m[7 * P] == 'H' && pread(f, page, 1, 7 * P) == 1 && page[0] == 'H');
	CHECK("two, over what is a map of its own now", remap_file_pages(m, 2 * P, 0, 3, 0) == 0 && m[0] == 'd' && m[P] == 'e');
	CHECK("addresses and sizes are rounded down", remap_file_pages(m + 2 * P + 5, P + 9, 0, 0, 0) == 0 && m[2 * P] == 'a' && m[3 * P] == 'd');
	CHECK("back in order", remap_file_pages(m, 8 * P, 0, 0, 0) == 0 && m[0] == 'a' && m[7 * P] == 'H');
	CHECK_ERRNO("with rights", remap_file_pages(m, P, PROT_READ, 1, 0), EINVAL);
	CHECK_ERRNO("of nothing", remap_file_pages(m, 9, 0, 1, 0), EINVAL);
	CHECK_ERRNO("beyond the map", remap_file_pages(m + 7 * P, 4 * P, 0, 0, 0), EINVAL);
	char *q = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, f, 0);
	CHECK_ERRNO("of a private map", remap_file_pages(q, P, 0, 1, 0), EINVAL);
	CHECK("read only stays so", mprotect(m, P, PROT_READ) == 0 && remap_file_pages(m, P, 0, 5, 0) == 0 && m[0] == 'f' &&
	      STATUS_OF({ m[0] = 'x'; _exit(0); }) == SIGSEGV);
	char *a = mmap(NULL, 4 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	a[3 * P] = 'z';
	CHECK("shared memory without a file", remap_file_pages(a, P, 0, 3, 0) == 0 && a[0] == 'z');
	CHECK("all that held it is replaced", close(f) == 0 && munmap(m + P, 7 * P) == 0 && remap_file_pages(m, P, 0, 1, 0) == 0 && m[0] == 'b');
	return t_end();
}
