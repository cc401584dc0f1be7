/* A program that works on files of an ext4 volume, from mount(2) to umount(2). */
#include "../syscall/t.h"
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define KB 1024
#define BLOCK 4096

static sigjmp_buf jump;

static void on_bus(int sig)
{
	siglongjmp(jump, sig);
}

/* 1 if the store was done, 0 if it ended in SIGBUS. */
static int store(volatile char *at, char value)
{
	if (sigsetjmp(jump, 1)) return 0;
	*at = value;
	return 1;
}

static long blocks_of(int fd)
{
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_blocks;
}

static void contents(void)
{
	char *data = malloc(1000 * KB), *back = malloc(1000 * KB);
	int fd = open("/mnt/file", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0);
	for (int i = 0; i < 1000 * KB; i++) data[i] = i * 7 + i / 4096;
	CHECK("a long write is whole", write(fd, data, 1000 * KB) == 1000 * KB);
	CHECK("blocks that are not allocated yet are counted", blocks_of(fd) >= 2000);
	CHECK(fsync(fd) == 0);
	CHECK("and so are they when they are", blocks_of(fd) >= 2000);
	char *map = mmap(0, 1000 * KB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK("a map shows what was written", memcmp(map, data, 1000 * KB) == 0);
	memset(map + 5000, 'm', 10000);
	CHECK(pread(fd, back, 1000 * KB, 0) == 1000 * KB);
	memset(data + 5000, 'm', 10000);
	CHECK("read(2) sees what the map stored", memcmp(back, data, 1000 * KB) == 0);
	CHECK(msync(map, 1000 * KB, MS_SYNC) == 0);
	CHECK(ftruncate(fd, 10000) == 0);
	CHECK("a map ends with the file's last page", store(map + 12000, 1) && !store(map + 12288, 1));
	CHECK(ftruncate(fd, 20000) == 0);
	CHECK(pread(fd, back, 10000, 10000) == 10000);
	int zeroes = 1;
	for (int i = 0; i < 10000; i++) zeroes &= back[i] == 0;
	CHECK("what was cut off comes back as zeroes", zeroes);
	CHECK("the rest is still there", pread(fd, back, 10000, 0) == 10000 && memcmp(back, data, 10000) == 0);
	munmap(map, 1000 * KB);
	close(fd);
}

static void holes(void)
{
	char page[BLOCK];
	memset(page, 'x', sizeof page);
	int fd = open("/mnt/sparse", O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(pwrite(fd, page, BLOCK, 10 * BLOCK) == BLOCK);
	CHECK(pwrite(fd, page, BLOCK, 20 * BLOCK) == BLOCK);
	CHECK("holes are found before they are written out",
	      lseek(fd, 0, SEEK_DATA) == 10 * BLOCK && lseek(fd, 10 * BLOCK, SEEK_HOLE) == 11 * BLOCK &&
	      lseek(fd, 11 * BLOCK, SEEK_DATA) == 20 * BLOCK && lseek(fd, 20 * BLOCK, SEEK_HOLE) == 21 * BLOCK);
	CHECK(fsync(fd) == 0);
	CHECK("and after", lseek(fd, 0, SEEK_DATA) == 10 * BLOCK && lseek(fd, 11 * BLOCK, SEEK_DATA) == 20 * BLOCK);
	CHECK("a sparse file takes two blocks", blocks_of(fd) == 16);
	CHECK(fallocate(fd, 0, 0, 40 * BLOCK) == 0);
	struct stat st;
	CHECK("fallocate(2) makes it longer", fstat(fd, &st) == 0 && st.st_size == 40 * BLOCK && st.st_blocks >= 320);
	long held = blocks_of(fd);
	CHECK("what is allocated only is a hole", lseek(fd, 0, SEEK_DATA) == 10 * BLOCK);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 * BLOCK + 100, 2 * BLOCK) == 0);
	CHECK("punching zeroes the edges and frees the middle",
	      pread(fd, page, BLOCK, 10 * BLOCK) == BLOCK && page[0] == 0 && page[BLOCK - 1] == 0 && blocks_of(fd) < held);
	CHECK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 10 * BLOCK) == 0);
	CHECK("collapsing moves the rest down", lseek(fd, BLOCK, SEEK_DATA) == 10 * BLOCK);
	CHECK(fallocate(fd, FALLOC_FL_INSERT_RANGE, 5 * BLOCK, 5 * BLOCK) == 0);
	CHECK("inserting moves it up", lseek(fd, BLOCK, SEEK_DATA) == 15 * BLOCK);
	CHECK("modes do not mix", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, BLOCK) == -1 && errno == EOPNOTSUPP);
	CHECK("ranges to collapse are whole blocks", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 1, BLOCK) == -1 && errno == EINVAL);

	struct {
		struct fiemap head;
		struct fiemap_extent e[10];
	} map;
	memset(&map, 0, sizeof map);
	map.head.fm_length = FIEMAP_MAX_OFFSET;
	map.head.fm_flags = FIEMAP_FLAG_SYNC;
	map.head.fm_extent_count = 10;
	CHECK("FIEMAP finds the extents", ioctl(fd, FS_IOC_FIEMAP, &map) == 0 && map.head.fm_mapped_extents >= 3);
	int n = map.head.fm_mapped_extents, written = 0;
	for (int i = 0; i < n; i++) written += !(map.e[i].fe_flags & FIEMAP_EXTENT_UNWRITTEN);
	CHECK("one of them is written, the last is marked", written == 1 && map.e[n - 1].fe_flags & FIEMAP_EXTENT_LAST);
	int block = 15, size;
	CHECK("FIBMAP and FIGETBSZ answer", ioctl(fd, FIBMAP, &block) == 0 && block > 0 && ioctl(fd, FIGETBSZ, &size) == 0 && size == BLOCK);
	close(fd);
}

static void full(void)
{
	struct statfs before, after;
	static char data[64 * KB];
	CHECK(statfs("/mnt", &before) == 0);
	int holes = open("/mnt/holes", O_RDWR | O_CREAT, 0644);
	CHECK(ftruncate(holes, 1 << 20) == 0);
	int fd = open("/mnt/big", O_RDWR | O_CREAT, 0644);
	long long total = 0;
	long n;
	while ((n = write(fd, data, sizeof data)) > 0) total += n;
	CHECK("a full disk answers ENOSPC", n == -1 && errno == ENOSPC && total > 20 << 20);
	while (write(fd, data, 1) > 0) total++;
	CHECK(statfs("/mnt", &after) == 0);
	CHECK("statfs(2) shows what waits to be written", before.f_bfree - after.f_bfree >= total / BLOCK);
	char *map = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, holes, 0);
	CHECK("a store into a hole ends in SIGBUS", !store(map + 5 * BLOCK, 1));
	CHECK("all that was taken can be written", fsync(fd) == 0);
	CHECK(unlink("/mnt/big") == 0);
	CHECK("an unlinked file keeps its blocks", statfs("/mnt", &after) == 0 && after.f_bfree < 1000);
	close(fd);
	CHECK("until its last use", statfs("/mnt", &after) == 0 && after.f_bfree >= before.f_bfree - 10);
	CHECK("then there is room again", store(map + 5 * BLOCK, 1) && msync(map, 1 << 20, MS_SYNC) == 0);
	munmap(map, 1 << 20);
	close(holes);
}

int main(void)
{
	signal(SIGBUS, on_bus);
	mkdir("/mnt", 0755);
	CHECK("an ext4 volume mounts for writing", mount("/dev/vkd0", "/mnt", "ext4", 0, "") == 0);
	contents();
	holes();
	full();
	CHECK("it unmounts", umount("/mnt") == 0);
	CHECK("and mounts again", mount("/dev/vkd0", "/mnt", "ext4", 0, "") == 0);
	struct stat st;
	CHECK("with its files", stat("/mnt/file", &st) == 0 && st.st_size == 20000);
	CHECK(umount("/mnt") == 0);
	return t_failed > 0;
}
