/* A file system in a file of a file system, in a machine with less memory than what is written to it. */
#include "../syscall/t.h"
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define FILES 14
#define CHUNK 65536
#define CHUNKS 24
static unsigned char buf[CHUNK], got[CHUNK];
static char name[64];

static void fill(unsigned seed)
{
	for (int i = 0; i < CHUNK; i++) buf[i] = (seed = seed * 1103515245 + 12345) >> 16;
}

static int write_file(int n)
{
	sprintf(name, "/tmp/in/d%d", n % 3);
	mkdir(name, 0755);
	sprintf(name, "/tmp/in/d%d/f%d", n % 3, n);
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);
	for (int c = 0; c < CHUNKS; c++) {
		fill(n * 100 + c);
		if (write(fd, buf, CHUNK) != CHUNK) return 0;
	}
	int r = n % 4 == 0 ? fsync(fd) : 0;
	return close(fd) == 0 && r == 0;
}

static int is_right(int n)
{
	sprintf(name, "/tmp/in/d%d/f%d", n % 3, n);
	int fd = open(name, O_RDONLY);
	for (int c = 0; c < CHUNKS; c++) {
		fill(n * 100 + c);
		if (read(fd, got, CHUNK) != CHUNK || memcmp(buf, got, CHUNK)) return 0;
	}
	return close(fd) == 0;
}

static int all_right(int from)
{
	for (int n = from; n < FILES; n++) if (!is_right(n)) return 0;
	return 1;
}

int main(void)
{
	mkdir("/tmp/out", 0755);
	mkdir("/tmp/in", 0755);
	CHECK("the outer one", mount("/dev/vkd0", "/tmp/out", "ext4", 0, NULL) == 0);
	int fd = open("/tmp/out/inner.img", O_RDWR);
	int lo = open("/dev/loop0", O_RDWR);
	struct loop_config c = { .fd = fd };
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR;
	CHECK("a loop on its file", ioctl(lo, LOOP_CONFIGURE, &c) == 0);
	CHECK("the inner one", mount("/dev/loop0", "/tmp/in", "ext4", 0, NULL) == 0);
	close(lo);
	close(fd);
	CHECK_ERRNO("the outer one is in use", umount("/tmp/out"), EBUSY);
	int good = 1;
	for (int n = 0; n < FILES; n++) good &= write_file(n);
	CHECK("written", good);
	CHECK("read back", all_right(0));
	CHECK("some removed", unlink("/tmp/in/d0/f0") == 0 && unlink("/tmp/in/d1/f1") == 0);
	fd = open("/tmp/in/mapped", O_CREAT | O_RDWR, 0644);
	CHECK("room for a map", ftruncate(fd, 1 << 20) == 0);
	unsigned char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < 1 << 20; i += 1000) p[i] = i / 1000;
	CHECK("changed through it", msync(p, 1 << 20, MS_SYNC) == 0 && munmap(p, 1 << 20) == 0);
	close(fd);
	sync();
	CHECK("unmounted", umount("/tmp/in") == 0);
	lo = open("/dev/loop0", O_RDWR);
	CHECK_ERRNO("and cleared with that", ioctl(lo, LOOP_CLR_FD, 0), ENXIO);
	fd = open("/tmp/out/inner.img", O_RDONLY);
	CHECK("again, read-only", ioctl(lo, LOOP_SET_FD, fd) == 0 && mount("/dev/loop0", "/tmp/in", "ext4", MS_RDONLY, NULL) == 0);
	CHECK("all is there", all_right(2));
	CHECK("cleared lazily", ioctl(lo, LOOP_CLR_FD, 0) == 0 && close(lo) == 0 && is_right(5));
	CHECK("with the unmount", umount("/tmp/in") == 0 && (lo = open("/dev/loop0", O_RDWR)) >= 0 && ioctl(lo, LOOP_CLR_FD, 0) == -1 && errno == ENXIO);
	close(lo);
	close(fd);
	CHECK("the outer one too", umount("/tmp/out") == 0);
	return t_end();
}
