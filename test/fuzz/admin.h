/* Random choices for admin.c and what it includes, and the memory that all its threads write. */
#ifndef ADMIN_H
#define ADMIN_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PICK(a) ((a)[rnd(COUNT(a))])
#define POOL 32768
#define FILES 200

static __thread unsigned long state;
/* Arguments are made here, while other threads do so too. */
static unsigned char pool[POOL] __attribute__((aligned(4096)));

__attribute__((unused))
static unsigned long word(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

__attribute__((unused))
static unsigned rnd(unsigned n)
{
	return (word() >> 16) % n;
}

/* What a field of a structure may hold. */
__attribute__((unused))
static unsigned long value(void)
{
	static const unsigned long edges[] = {
		0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1ul << 32,
		0x7fffffffffffffff, 0x8000000000000000, -1ul, -2ul, -4096ul, 4095, 4096, 4097, 65536,
	};
	switch (rnd(8)) {
	case 0: return PICK(edges);
	case 1: return word();
	case 2: return 1ul << rnd(64);
	case 3: return rnd(FILES);
	case 4: return rnd(2000);
	default: return rnd(12);
	}
}

/* A place for `size` bytes, now and then at the end of what there is. */
__attribute__((unused))
static unsigned char *place(unsigned size)
{
	if (rnd(64) == 0) return pool + POOL - rnd(size + 1);
	return pool + 8 * rnd((POOL - size) / 8);
}

/* Memory with fields of all kinds in it. */
__attribute__((unused))
static unsigned char *blob(unsigned size)
{
	unsigned char *p = place(size);
	unsigned room = pool + POOL - p < size ? (unsigned)(pool + POOL - p) : size;
	for (unsigned i = 0; i + 4 <= room; i += 4) {
		unsigned v = rnd(3) ? 0 : value();
		memcpy(p + i, &v, 4);
	}
	return p;
}

/* Descriptors of each kind have their places. */
enum { INET = 10, NETLINK = 34, PACKET = 44, UNIX = 50, CONTEXT = 58, MOUNT = 64, LOOP = 70, SPACE = 74, OTHER = 86, LAST = 110 };

__attribute__((unused))
static int some(int from, int to)
{
	if (rnd(16) == 0) return rnd(4) ? 3 + (int)rnd(LAST) : (int)value();
	return from + (int)rnd(to - from);
}

/* `fd` goes to one of these places, from where something else may have to go. */
__attribute__((unused))
static int keep(int fd, int from, int to)
{
	int at = from + (int)rnd(to - from);
	if (fd < 0) return fd;
	dup3(fd, at, O_CLOEXEC);
	close(fd);
	return at;
}

static const char *const names[] = {
	"lo", "d0", "d1", "d2", "v0", "v1", "v2", "br0", "br1", "x%d", "d%d", "", "all", "default", "a/b", "0123456789abcdef", "d0:1",
};
#endif
