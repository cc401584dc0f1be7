/* Hogs of memory: pages, page tables, maps. */
#include "hog.h"

static void anon(void)
{
	for (;;) {
		char *p = mmap(0, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
		memset(p, 1, 1 << 20);
	}
}

static void pagetables(void)
{
	char *p = mmap(0, 1UL << 37, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
	for (unsigned long i = 0; i < 1UL << 37; i += 1 << 22) p[i] = 1, done++;
}

static void zeropages(void)
{
	volatile char *p = mmap(0, 1UL << 37, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!tried(p == MAP_FAILED ? -1 : 0, "mmap")) return;
	for (unsigned long i = 0; i < 1UL << 37; i += 1 << 12) (void)p[i], done++;
}

static void memfds(void)
{
	static char block[65536];
	for (;;) {
		int fd = memfd_create("m", 0);
		if (!tried(fd, "memfd_create")) return;
		if (!tried(write(fd, block, sizeof block), "write")) return;
	}
}

static void sparse(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (!tried(fd, "open")) return;
	for (long i = 0;; i++) if (!tried(pwrite(fd, "x", 1, i << 24), "pwrite")) return;
}

static void maps(void)
{
	char *p = mmap(0, 1UL << 30, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (long i = 0; i < 1 << 18; i += 2) if (!tried(mprotect(p + i * 4096, 4096, 1), "mprotect")) return;
}

static void maps_read(void)
{
	static char b[64];
	maps();
	for (;;) {
		int fd = open("/proc/self/smaps", O_RDONLY);
		if (!tried(fd, "open")) return;
		read(fd, b, sizeof b);
	}
}
