/* Mounts: tmpfs and its limits, bind, move, read-only, busy and detached, chroot, pivot_root. Wants to be root. */
#include "mountns.h"
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

static char buf[65536];

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static int shown(const char *what)
{
	FILE *f = fopen("/proc/self/mounts", "r");
	int found = 0;
	while (fgets(buf, sizeof buf, f)) found |= strstr(buf, what) != NULL;
	fclose(f);
	return found;
}

int main(void)
{
	t_own_mounts();
	char dir[] = "/tmp/mounts.XXXXXX";
	CHECK("a directory to work in", mkdtemp(dir) && chdir(dir) == 0);
	mkdir("m", 0755);
	mkdir("n", 0755);
	touch("m/under");
	CHECK_ERRNO("a type that is not there", mount("none", "m", "nosuchfs", 0, NULL), ENODEV);
	CHECK_ERRNO("a place that is not there", mount("none", "none", "tmpfs", 0, NULL), ENOENT);
	CHECK_ERRNO("a bad option", mount("none", "m", "tmpfs", 0, "nonsense=1"), EINVAL);
	CHECK("tmpfs", mount("mine", "m", "tmpfs", MS_NOSUID, "size=64k,mode=700,nr_inodes=10") == 0);
	CHECK("what was below is covered", access("m/under", F_OK) == -1);
	struct stat a, b;
	CHECK("its mode", stat("m", &a) == 0 && (a.st_mode & 07777) == 0700);
	CHECK("another device", stat(".", &b) == 0 && a.st_dev != b.st_dev);
	CHECK(".. leads out", stat("m/..", &a) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	struct statfs sf;
	CHECK("statfs", statfs("m", &sf) == 0 && sf.f_type == 0x01021994 && sf.f_blocks == 16 && (sf.f_flags & 2));
	snprintf(buf, 100, "mine %s/m tmpfs rw,nosuid,", dir);
	char line[100];
	strcpy(line, buf);
	CHECK("shown in /proc/mounts", shown(line));
	int fd = open("m/f", O_CREAT | O_RDWR, 0600);
	long total = 0, n;
	while ((n = write(fd, buf, 5000)) > 0) total += n;
	CHECK("full at its size", errno == ENOSPC && total == 65536);
	CHECK("room again", ftruncate(fd, 0) == 0 && pwrite(fd, buf, 60000, 0) == 60000);
	int made = 0;
	for (int i = 0; i < 20; i++) {
		sprintf(buf, "m/i%d", i);
		if (mkdir(buf, 0700) == 0) made++;
	}
	CHECK("full at its inodes", made == 8 && errno == ENOSPC);
	CHECK_ERRNO("rename across", rename("m/f", "f"), EXDEV);
	CHECK_ERRNO("link across", link("m/f", "f"), EXDEV);
	CHECK_ERRNO("rmdir of a mount point", rmdir("m"), EBUSY);
	CHECK_ERRNO("rename of a mount point", rename("m", "x"), EBUSY);
	CHECK_ERRNO("unmounting what is in use", umount("m"), EBUSY);
	CHECK("bind", mount("m", "n", NULL, MS_BIND, NULL) == 0 && stat("n/f", &a) == 0 && a.st_size == 60000);
	CHECK("read-only bind", mount(NULL, "n", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	CHECK_ERRNO("creating there", open("n/g", O_CREAT | O_RDWR, 0600), EROFS);
	CHECK_ERRNO("writing there", open("n/f", O_RDWR), EROFS);
	CHECK_ERRNO("removing there", unlink("n/f"), EROFS);
	CHECK_ERRNO("chmod there", chmod("n/f", 0644), EROFS);
	CHECK_ERRNO("access there", access("n/f", W_OK), EROFS);
	CHECK("but not here", chmod("m/f", 0644) == 0);
	CHECK("a file can be bound on a file", (touch("t"), mount("m/f", "t", NULL, MS_BIND, NULL)) == 0 && stat("t", &a) == 0 && a.st_size == 60000 && umount("t") == 0);
	CHECK_ERRNO("a directory on a file", mount("m", "t", NULL, MS_BIND, NULL), ENOTDIR);
	unlink("t");
	CHECK("unmount the bind", umount("n") == 0 && access("n/f", F_OK) == -1);
	CHECK("move", mount("m", "n", NULL, MS_MOVE, NULL) == 0 && access("n/f", F_OK) == 0 && access("m/under", F_OK) == 0);
	CHECK_ERRNO("unmounting what is no mount", umount("m"), EINVAL);
	CHECK_ERRNO("unmounting nothing", umount("none"), ENOENT);
	mkdir("n/i0/sub", 0700);
	CHECK("lazy unmount", umount2("n", MNT_DETACH) == 0 && access("n/f", F_OK) == -1);
	CHECK("the open file goes on", pread(fd, buf, 10, 0) == 10);
	close(fd);
	CHECK("nodev and noexec", mount("x", "m", "tmpfs", MS_NODEV | MS_NOEXEC, NULL) == 0 && mknod("m/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK_ERRNO("a device there", open("m/null", O_RDONLY), EACCES);
	touch("m/prog");
	chmod("m/prog", 0755);
	CHECK_ERRNO("a program there", access("m/prog", X_OK), EACCES);
	CHECK("remount", mount(NULL, "m", NULL, MS_REMOUNT, NULL) == 0 && access("m/prog", X_OK) == 0);
	int w = open("m/written", O_CREAT | O_WRONLY, 0644);
	CHECK_ERRNO("not read-only while a file is open for writing",
		mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	CHECK_ERRNO("nor this mount alone",
		mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
	close(w);
	w = open("m/written", O_RDONLY);
	CHECK("reading forbids nothing", mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
	close(w);
	CHECK("and back", mount(NULL, "m", NULL, MS_REMOUNT, NULL) == 0 && unlink("m/written") == 0);
	mkdir("m/dir", 0755);
	mkdir("m/dir/inner", 0755);
	CHECK("a mount on a mount", mount("y", "m/dir", "tmpfs", 0, NULL) == 0 && access("m/dir/inner", F_OK) == -1);
	CHECK("chroot", WEXITSTATUS(STATUS_OF({
		if (chroot("m") || chdir("/")) _exit(1);
		if (access("/prog", F_OK) || access("/../prog", F_OK) || access("/dir/../../prog", F_OK)) _exit(2);
		if (syscall(SYS_getcwd, buf, 100) != 2 || strcmp(buf, "/")) _exit(3);
		symlink("/prog", "/abs");
		if (access("/abs", F_OK)) _exit(4);
	})) == 0);
	CHECK("an absolute link sees the root that is", access("m/abs", F_OK) == -1);
	CHECK("recursive bind", mount("m", "n", NULL, MS_BIND | MS_REC, NULL) == 0 && access("n/dir/inner", F_OK) == -1);
	CHECK("plain bind would show below", umount("n/dir") == 0 && access("n/dir/inner", F_OK) == 0 && umount("n") == 0);
	CHECK_ERRNO("a mount with a mount on it", umount("m"), EBUSY);
	CHECK("all unmounted", umount("m/dir") == 0 && umount("m") == 0);
	CHECK("sync is shown", mount("s", "m", "tmpfs", MS_SYNCHRONOUS, NULL) == 0 && shown("/m tmpfs rw,sync,relatime") && statfs("m", &sf) == 0 && (sf.f_flags & 16));
	CHECK("and stays when only the mount changes", mount(NULL, "m", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL) == 0 && shown("/m tmpfs rw,sync,nosuid,relatime") && umount("m") == 0);
	CHECK("users may not", STATUS_OF({
		setresuid(1000, 1000, 1000);
		if (mount("x", "/tmp", "tmpfs", 0, NULL) != -1 || errno != EPERM) _exit(1);
		if (umount("/") != -1 || errno != EPERM) _exit(2);
	}) == 0);
	unlink("m/under");
	CHECK("the directory is empty again", rmdir("m") == 0 && rmdir("n") == 0 && chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
