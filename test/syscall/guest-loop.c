/* Loop devices: files as disks, and back. The host's may be in use, and differ from one Linux to the next. */
#include "t.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SIZE (1 << 20)
static char buf[65536], other[65536];

static int shown(const char *path, const char *what)
{
	FILE *f = fopen(path, "r");
	int found = 0;
	while (f && fgets(other, sizeof other, f)) found |= strstr(other, what) != NULL;
	if (f) fclose(f);
	return found;
}

static int file(const char *path, long size)
{
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
	if (ftruncate(fd, size)) perror("ftruncate");
	return fd;
}

static unsigned long long size_of(int fd)
{
	unsigned long long n = -1;
	ioctl(fd, BLKGETSIZE64, &n);
	return n;
}

int main(void)
{
	struct stat st;
	struct loop_info64 info;
	struct loop_info old;
	chdir("/tmp");
	CHECK("nodes from the start", stat("/dev/loop7", &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == makedev(7, 7));
	int ctl = open("/dev/loop-control", O_RDWR);
	CHECK("the control device", ctl >= 0 && fstat(ctl, &st) == 0 && st.st_rdev == makedev(10, 237));
	CHECK("a free one", ioctl(ctl, LOOP_CTL_GET_FREE) == 0);
	int lo = open("/dev/loop0", O_RDWR);
	CHECK("opens without a file", lo >= 0 && size_of(lo) == 0 && read(lo, buf, 1) == 0);
	CHECK_ERRNO("without a status", ioctl(lo, LOOP_GET_STATUS64, &info), ENXIO);
	CHECK_ERRNO("nothing to clear", ioctl(lo, LOOP_CLR_FD, 0), ENXIO);
	CHECK("not in /proc/partitions", !shown("/proc/partitions", "loop0"));
	CHECK_ERRNO("no descriptor", ioctl(lo, LOOP_SET_FD, 99), EBADF);
	int p[2];
	pipe(p);
	CHECK_ERRNO("a pipe will not do", ioctl(lo, LOOP_SET_FD, p[0]), EINVAL);
	CHECK_ERRNO("nor itself", ioctl(lo, LOOP_SET_FD, lo), EBADF);

	int fd = file("disk", SIZE + 700);
	CHECK("a file", ioctl(lo, LOOP_SET_FD, fd) == 0);
	CHECK_ERRNO("one is enough", ioctl(lo, LOOP_SET_FD, fd), EBUSY);
	CHECK("its size in sectors", size_of(lo) == SIZE + 512);
	CHECK("in /proc/partitions", shown("/proc/partitions", "   7        0       1024 loop0"));
	CHECK("in /sys", shown("/sys/block/loop0/loop/backing_file", "/tmp/disk\n") && shown("/sys/block/loop0/size", "2049\n") &&
		shown("/sys/block/loop0/loop/autoclear", "0\n") && shown("/sys/dev/block/7:0/loop/offset", "0\n"));
	fstat(fd, &st);
	memset(&info, 0xff, sizeof info);
	CHECK("its status", ioctl(lo, LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == st.st_ino && info.lo_device == st.st_dev &&
		info.lo_number == 0 && info.lo_flags == 0 && info.lo_offset == 0 && info.lo_file_name[0] == 0);
	CHECK("the next free one", ioctl(ctl, LOOP_CTL_GET_FREE) == 1);

	for (int i = 0; i < (int)sizeof buf; i++) buf[i] = i * 7 + i / 256;
	CHECK("written to the device", pwrite(lo, buf, 10000, 5000) == 10000 && fsync(lo) == 0);
	CHECK("is in the file", pread(fd, other, 10000, 5000) == 10000 && memcmp(buf, other, 10000) == 0);
	CHECK("around it nothing", pread(fd, other, 5000, 0) == 5000 && other[4999] == 0 && pread(fd, other, 5, 15000) == 5 && other[0] == 0);
	CHECK("written to the file", pwrite(fd, "hello", 5, 300000) == 5);
	CHECK("is on the device", ioctl(lo, BLKFLSBUF, 0) == 0 && pread(lo, other, 5, 300000) == 5 && memcmp(other, "hello", 5) == 0);
	char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	strcpy(map + 4094, "map");
	CHECK("and by a map", ioctl(lo, BLKFLSBUF, 0) == 0 && pread(lo, other, 4, 4094) == 4 && strcmp(other, "map") == 0);
	char *dev = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, lo, 0);
	strcpy(dev + 100, "other way");
	CHECK("the other way", msync(dev, 4096, MS_SYNC) == 0 && strcmp(map + 100, "other way") == 0);
	munmap(map, 8192);
	munmap(dev, 4096);
	CHECK("no further", pwrite(lo, buf, 1000, SIZE + 500) == 12 && pwrite(lo, buf, 1, SIZE + 512) == -1 && errno == ENOSPC);

	memset(&info, 0, sizeof info);
	info.lo_offset = 4096;
	info.lo_sizelimit = 100 * 512 + 100;
	strcpy((char *)info.lo_file_name, "a name");
	CHECK("a part of it", ioctl(lo, LOOP_SET_STATUS64, &info) == 0 && size_of(lo) == 100 * 512);
	CHECK("from there", pread(lo, other, 10000, 5000 - 4096) == 10000 && memcmp(buf, other, 10000) == 0);
	CHECK("as it says", ioctl(lo, LOOP_GET_STATUS, &old) == 0 && old.lo_offset == 4096 && strcmp(old.lo_name, "a name") == 0 &&
		shown("/sys/block/loop0/loop/offset", "4096\n") && shown("/sys/block/loop0/loop/sizelimit", "51300\n"));
	info.lo_encrypt_type = LO_CRYPT_XOR;
	CHECK_ERRNO("not encrypted", ioctl(lo, LOOP_SET_STATUS64, &info), EINVAL);
	memset(&info, 0, sizeof info);
	CHECK("all of it again", ioctl(lo, LOOP_SET_STATUS64, &info) == 0 && size_of(lo) == SIZE + 512);
	ftruncate(fd, 2 * SIZE);
	CHECK("growing is not seen", size_of(lo) == SIZE + 512);
	CHECK("until told", ioctl(lo, LOOP_SET_CAPACITY, 0) == 0 && size_of(lo) == 2 * SIZE);
	int n = 0;
	CHECK("another block size", ioctl(lo, LOOP_SET_BLOCK_SIZE, 4096) == 0 && ioctl(lo, BLKSSZGET, &n) == 0 && n == 4096);
	CHECK_ERRNO("that is one", ioctl(lo, LOOP_SET_BLOCK_SIZE, 1000), EINVAL);
	ioctl(lo, LOOP_SET_BLOCK_SIZE, 512);
	CHECK("direct", ioctl(lo, LOOP_SET_DIRECT_IO, 1) == 0 && shown("/sys/block/loop0/loop/dio", "1\n"));
	unsigned long long range[2] = { 0, 8192 };
	fstat(fd, &st);
	long before = st.st_blocks;
	CHECK("discarded is punched", ioctl(lo, BLKDISCARD, range) == 0 && fstat(fd, &st) == 0 && st.st_blocks == before - 16);
	CHECK("and zero", pread(lo, other, 8192, 0) == 8192 && other[100] == 0 && other[5500] == 0);
	CHECK_ERRNO("busy", ioctl(ctl, LOOP_CTL_REMOVE, 0), EBUSY);

	int top = open("/dev/loop1", O_RDWR);
	CHECK("a loop on a loop", ioctl(top, LOOP_SET_FD, lo) == 0 && size_of(top) == 2 * SIZE);
	CHECK("reads through", pread(top, other, 1000, 9000) == 1000 && memcmp(other, buf + 4000, 1000) == 0);
	CHECK("writes through", pwrite(top, "deep", 4, 1 << 20) == 4 && fsync(top) == 0 && pread(fd, other, 4, 1 << 20) == 4 && memcmp(other, "deep", 4) == 0);
	CHECK_ERRNO("not in a ring", ioctl(top, LOOP_CHANGE_FD, top), EINVAL);
	int again = open("/dev/loop0", O_RDONLY);
	CHECK("not cleared while open twice", ioctl(lo, LOOP_CLR_FD, 0) == 0 && size_of(lo) == 2 * SIZE && shown("/sys/block/loop0/loop/autoclear", "1\n"));
	CHECK("top cleared at once", ioctl(top, LOOP_CLR_FD, 0) == 0 && size_of(top) == 0);
	close(top);
	close(again);
	CHECK_ERRNO("no status", ioctl(open("/dev/loop1", O_RDONLY), LOOP_GET_STATUS64, &info), ENXIO);
	close(lo);
	lo = open("/dev/loop0", O_RDWR);
	CHECK("cleared with the last close", size_of(lo) == 0 && !shown("/proc/partitions", "loop0") && access("/sys/block/loop0/loop", F_OK) == -1);

	int ro = open("disk", O_RDONLY);
	CHECK("of a read-only file", ioctl(lo, LOOP_SET_FD, ro) == 0 && ioctl(lo, BLKROGET, &n) == 0 && n == 1);
	CHECK_ERRNO("not for writing", open("/dev/loop0", O_RDWR), EACCES);
	CHECK_ERRNO("not even through what was open", pwrite(lo, buf, 1, 0), EROFS);
	int same = file("same", 2 * SIZE), short_ = file("short", SIZE);
	pwrite(same, "same", 4, 0);
	CHECK_ERRNO("changed for a file of another size", ioctl(lo, LOOP_CHANGE_FD, short_), EINVAL);
	CHECK("of the same", ioctl(lo, LOOP_CHANGE_FD, same) == 0 && pread(lo, other, 4, 0) == 4 && memcmp(other, "same", 4) == 0);
	CHECK("cleared", ioctl(lo, LOOP_CLR_FD, 0) == 0);
	close(lo);
	CHECK("taken away", ioctl(ctl, LOOP_CTL_REMOVE, 0) == 0 && access("/dev/loop0", F_OK) == -1 && access("/sys/block/loop0", F_OK) == -1);
	CHECK_ERRNO("once", ioctl(ctl, LOOP_CTL_REMOVE, 0), ENODEV);
	CHECK("added", ioctl(ctl, LOOP_CTL_ADD, 20) == 20 && access("/dev/loop20", F_OK) == 0);
	CHECK_ERRNO("once", ioctl(ctl, LOOP_CTL_ADD, 20), EEXIST);
	CHECK("any", ioctl(ctl, LOOP_CTL_ADD, -1) == 0 && access("/dev/loop0", F_OK) == 0);

	/* A partition table: one primary partition from sector 8 on, 16 long. */
	memset(buf, 0, 512);
	buf[446 + 4] = 0x83;
	buf[446 + 8] = 8;
	buf[446 + 12] = 16;
	buf[510] = 0x55;
	buf[511] = 0xaa;
	pwrite(same, buf, 512, 0);
	pwrite(same, "part", 4, 8 * 512);
	struct loop_config c = { .fd = same, .block_size = 512 };
	c.info.lo_flags = LO_FLAGS_PARTSCAN | LO_FLAGS_AUTOCLEAR;
	lo = open("/dev/loop20", O_RDWR);
	CHECK("configured with a scan", ioctl(lo, LOOP_CONFIGURE, &c) == 0 && stat("/dev/loop20p1", &st) == 0 && major(st.st_rdev) == 259);
	int part = open("/dev/loop20p1", O_RDWR);
	CHECK("a partition", size_of(part) == 16 * 512 && pread(part, other, 4, 0) == 4 && memcmp(other, "part", 4) == 0);
	close(lo);
	CHECK("in use by it", access("/sys/block/loop20/loop20p1", F_OK) == 0);
	close(part);
	CHECK("gone with it", access("/dev/loop20p1", F_OK) == -1 && access("/sys/block/loop20/loop", F_OK) == -1);
	c.info.lo_flags = 64;
	lo = open("/dev/loop20", O_RDWR);
	CHECK_ERRNO("an unknown flag", ioctl(lo, LOOP_CONFIGURE, &c), EINVAL);
	c.info.lo_flags = 0;
	c.block_size = 700;
	CHECK_ERRNO("a bad block size", ioctl(lo, LOOP_CONFIGURE, &c), EINVAL);
	CHECK_ERRNO("another ioctl", ioctl(lo, 0x4c70, &c), EINVAL);

	c.info.lo_flags = 0;
	c.block_size = 0;
	c.fd = short_;
	unlink("short");
	CHECK("of a file without a name", ioctl(lo, LOOP_CONFIGURE, &c) == 0 && shown("/sys/block/loop20/loop/backing_file", "/tmp/short (deleted)\n") && ioctl(lo, LOOP_CLR_FD, 0) == 0);

	/* Eleven loops, each on the one below. */
	int below = same, all[11];
	char name[32];
	for (int i = 0; i < 11; i++) {
		int unit = ioctl(ctl, LOOP_CTL_GET_FREE);
		sprintf(name, "/dev/loop%d", unit);
		all[i] = open(name, O_RDWR);
		if (ioctl(all[i], LOOP_SET_FD, below)) break;
		below = all[i];
	}
	CHECK("seven deep", pread(all[6], other, 4, 8 * 512) == 4 && memcmp(other, "part", 4) == 0);
	CHECK_ERRNO("eleven is too deep", pread(all[10], other, 4, 20 * 4096), EIO);
	for (int i = 10; i >= 0; i--) close(all[i]), sprintf(name, "%d", i);
	int made = 0;
	while (ioctl(ctl, LOOP_CTL_ADD, -1) >= 0) made++;
	CHECK("not without end", errno == ENOSPC && made > 8 && made < 256);
	CHECK("a free one is still found", ioctl(ctl, LOOP_CTL_GET_FREE) >= 0);
	unlink("disk");
	unlink("same");
	return t_end();
}
