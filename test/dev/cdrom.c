/* A CD-ROM with an ISO 9660 file system: the device, what its drive answers, and the files on it. */
#include "../syscall/t.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/cdrom.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static char buf[65536];

static int shown(const char *path, const char *what)
{
	FILE *f = fopen(path, "r");
	int found = 0;
	while (f && fgets(buf, sizeof buf, f)) found |= strstr(buf, what) != NULL;
	if (f) fclose(f);
	return found;
}

int main(void)
{
	struct stat st;
	CHECK("a block device", stat("/dev/vcd0", &st) == 0 && S_ISBLK(st.st_mode));
	CHECK("by its common name", readlink("/dev/cdrom", buf, sizeof buf) == 4 && memcmp(buf, "vcd0", 4) == 0);
	CHECK_ERRNO("for reading only", open("/dev/vcd0", O_RDWR), EACCES);
	int fd = open("/dev/vcd0", O_RDONLY | O_NONBLOCK), n = 0;
	unsigned long long bytes = 0;
	CHECK("its block size", ioctl(fd, BLKSSZGET, &n) == 0 && n == 2048);
	CHECK("its size", ioctl(fd, BLKGETSIZE64, &bytes) == 0 && bytes > 0 && bytes % 2048 == 0);
	CHECK("read-only", ioctl(fd, BLKROGET, &n) == 0 && n == 1);
	n = 0;
	CHECK_ERRNO("for good", ioctl(fd, BLKROSET, &n), EACCES);
	CHECK("a disc is in", ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) == CDS_DISC_OK);
	CHECK_ERRNO("no other slot", ioctl(fd, CDROM_DRIVE_STATUS, 3), EINVAL);
	CHECK("with data", ioctl(fd, CDROM_DISC_STATUS, 0) == CDS_DATA_1);
	CHECK("the same as before", ioctl(fd, CDROM_MEDIA_CHANGED, CDSL_CURRENT) == 0);
	n = ioctl(fd, CDROM_GET_CAPABILITY, 0);
	CHECK("no writer", n > 0 && !(n & (CDC_CD_R | CDC_CD_RW | CDC_DVD_R | CDC_OPEN_TRAY)));
	struct cdrom_tochdr head;
	CHECK("one track", ioctl(fd, CDROMREADTOCHDR, &head) == 0 && head.cdth_trk0 == 1 && head.cdth_trk1 == 1);
	struct cdrom_tocentry e = { .cdte_track = 1, .cdte_format = CDROM_LBA };
	CHECK("of data, from 0", ioctl(fd, CDROMREADTOCENTRY, &e) == 0 && e.cdte_ctrl == CDROM_DATA_TRACK && e.cdte_addr.lba == 0);
	e.cdte_track = CDROM_LEADOUT;
	CHECK("to the end", ioctl(fd, CDROMREADTOCENTRY, &e) == 0 && e.cdte_addr.lba * 2048ull == bytes);
	e.cdte_format = CDROM_MSF;
	CHECK("in minutes", ioctl(fd, CDROMREADTOCENTRY, &e) == 0 &&
		((e.cdte_addr.msf.minute * 60 + e.cdte_addr.msf.second) * 75 + e.cdte_addr.msf.frame - 150) * 2048ull == bytes);
	e.cdte_track = 2;
	CHECK_ERRNO("and no more", ioctl(fd, CDROMREADTOCENTRY, &e), EINVAL);
	struct cdrom_multisession ms = { .addr_format = CDROM_LBA };
	CHECK("one session", ioctl(fd, CDROMMULTISESSION, &ms) == 0 && ms.xa_flag == 0);
	CHECK_ERRNO("no sound", ioctl(fd, CDROMPLAYMSF, buf), ENOTTY);
	CHECK("its descriptor", pread(fd, buf, 6, 16 * 2048) == 6 && memcmp(buf, "\001CD001", 6) == 0);
	CHECK("ends where it ends", pread(fd, buf, 4096, bytes - 10) == 10 && pread(fd, buf, 1, bytes) == 0);
	close(fd);
	char size[32];
	sprintf(size, "%llu\n", bytes);
	CHECK("in sysctl", shown("/proc/sys/hw/vcd0/size", size));
	CHECK("in /proc/partitions", shown("/proc/partitions", "vcd0"));
	CHECK("in /sys", shown("/sys/block/vcd0/removable", "1") && shown("/sys/block/vcd0/ro", "1") && shown("/sys/block/vcd0/queue/logical_block_size", "2048"));
	CHECK("among the file systems", shown("/proc/filesystems", "\tiso9660\n"));

	mkdir("/tmp/cd", 0755);
	CHECK_ERRNO("not for writing", mount("/dev/vcd0", "/tmp/cd", "iso9660", 0, NULL), EACCES);
	CHECK_ERRNO("a bad option", mount("/dev/vcd0", "/tmp/cd", "iso9660", MS_RDONLY, "session=2"), EINVAL);
	CHECK("mounted", mount("/dev/vcd0", "/tmp/cd", "iso9660", MS_RDONLY, NULL) == 0);
	CHECK("its options", shown("/proc/mounts", "/dev/vcd0 /tmp/cd iso9660 ro,relatime,nojoliet,check=s,map=n,blocksize=2048 0 0"));
	struct statfs sf;
	CHECK("statfs", statfs("/tmp/cd", &sf) == 0 && sf.f_type == 0x9660 && sf.f_bsize == 2048 && sf.f_bfree == 0 && sf.f_blocks * 2048 <= bytes);
	CHECK("a file", stat("/tmp/cd/size-300001.bin", &st) == 0 && st.st_size == 300001 && st.st_blksize == 2048);
	fd = open("/tmp/cd/size-300001.bin", O_RDONLY);
	long total = 0, got;
	unsigned sum = 0;
	while ((got = read(fd, buf, 10007)) > 0) {
		for (long i = 0; i < got; i++) sum = sum * 31 + (unsigned char)buf[i];
		total += got;
	}
	unsigned mapped = 0;
	unsigned char *p = mmap(NULL, 300001, PROT_READ, MAP_SHARED, fd, 0);
	for (long i = 0; i < 300001; i++) mapped = mapped * 31 + p[i];
	CHECK("its contents by read and mmap", total == 300001 && sum == mapped);
	CHECK("nothing past its end", p[300001] == 0);
	printf("sum %u\n", sum);
	close(fd);
	CHECK_ERRNO("no writing", open("/tmp/cd/size-300001.bin", O_RDWR), EROFS);
	CHECK_ERRNO("no making", mkdir("/tmp/cd/new", 0755), EROFS);
	CHECK_ERRNO("no removing", unlink("/tmp/cd/size-1.bin"), EROFS);
	CHECK_ERRNO("no remounting", mount(NULL, "/tmp/cd", NULL, MS_REMOUNT, NULL), EROFS);
	got = readlink("/tmp/cd/link-2", buf, sizeof buf);
	CHECK("a link", got == 11 && memcmp(buf, "/etc/passwd", 11) == 0);
	int files = 0;
	DIR *d = opendir("/tmp/cd/many");
	for (struct dirent *de; (de = readdir(d));) files++;
	closedir(d);
	CHECK("a directory", files == 202);
	CHECK("a deep one", stat("/tmp/cd/level 1/level 2/level 3/level 4/level 5/level 6/level 7/level 8/level 9/level 10/level 11/level 12/level 13/level 14/leaf", &st) == 0 && st.st_size == 4);
	CHECK("busy while mapped", umount("/tmp/cd") == -1 && errno == EBUSY);
	munmap(p, 300001);
	CHECK("unmounted", umount("/tmp/cd") == 0 && rmdir("/tmp/cd") == 0);
	return t_end();
}
