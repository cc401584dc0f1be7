/* Hogs of files: names, inodes, locks, watches, mounts. */
#include "hog.h"

static void tmpfs_bytes(void)
{
	static char block[65536];
	for (int n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/big%d.%d", getpid(), n);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		for (int i = 0; i < 64; i++) if (!tried(write(fd, block, sizeof block), "write")) return;
		close(fd);
	}
}

static void files(void)
{
	for (long n = 0;; n++) {
		char name[300];
		sprintf(name, "/tmp/%d.%ld.%0200ld", getpid(), n, n);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		close(fd);
	}
}

static void links(void)
{
	char first[64];
	sprintf(first, "/tmp/%d", getpid());
	close(open(first, O_CREAT | O_RDWR, 0600));
	for (long n = 0;; n++) {
		char name[300];
		sprintf(name, "/tmp/%d.%ld.%0200ld", getpid(), n, n);
		if (link(first, name) == 0) { done++; continue; }
		if (errno != EMLINK) { tried(-1, "link"); return; }
		strcpy(first, name);
		strcat(first, "x");
		if (!tried(open(first, O_CREAT | O_RDWR, 0600), "open")) return;
	}
}

static void negative(void)
{
	for (long n = 0; n < 3000000; n++) {
		char name[300];
		sprintf(name, "/tmp/no%d.%ld.%0200ld", getpid(), n, n);
		access(name, F_OK);
		done++;
	}
}

static void deep(void)
{
	chdir("/tmp");
	for (;;) {
		if (!tried(mkdir("d", 0700), "mkdir") && errno != EEXIST) return;
		if (!tried(chdir("d"), "chdir")) return;
	}
}

static void xattrs(void)
{
	static char value[60000];
	for (long n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/x%d.%ld", getpid(), n);
		close(open(name, O_CREAT | O_RDWR, 0600));
		if (!tried(setxattr(name, "trusted.x", value, sizeof value, 0), "setxattr")) return;
	}
}

static void inotifies(void)
{
	for (int i = 0; i < 200; i++) {
		char name[64];
		sprintf(name, "/tmp/i%d", i);
		mkdir(name, 0700);
	}
	for (;;) {
		int in = inotify_init1(IN_NONBLOCK);
		if (!tried(in, "inotify_init")) return;
		for (int i = 0; i < 200; i++) {
			char name[64];
			sprintf(name, "/tmp/i%d", i);
			if (!tried(inotify_add_watch(in, name, IN_ALL_EVENTS), "inotify_add_watch")) return;
		}
		for (int i = 0; i < 200; i++) {
			char name[300];
			sprintf(name, "/tmp/i0/%0200d", i);
			int fd = open(name, O_CREAT | O_RDWR, 0600);
			if (fd >= 0) close(fd);
			unlink(name);
		}
	}
}

/* Groups without limits, marks, and events with long names that nobody reads. */
static void fanotifies(void)
{
	for (int i = 0; i < 200; i++) {
		char name[64];
		sprintf(name, "/tmp/f%d", i);
		mkdir(name, 0700);
	}
	for (;;) {
		int fan = fanotify_init(FAN_REPORT_DFID_NAME_TARGET | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_NONBLOCK, 0);
		if (!tried(fan, "fanotify_init")) return;
		for (int i = 0; i < 200; i++) {
			char name[64];
			sprintf(name, "/tmp/f%d", i);
			if (!tried(fanotify_mark(fan, FAN_MARK_ADD, FAN_CREATE | FAN_DELETE | FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD, name),
				   "fanotify_mark")) return;
		}
		for (int i = 0; i < 200; i++) {
			char name[300];
			sprintf(name, "/tmp/f0/%0100d.%d.%d", i, fan, getpid());
			int fd = open(name, O_CREAT | O_RDWR, 0600);
			if (fd >= 0) close(fd);
			unlink(name);
		}
	}
}

static void locks(void)
{
	for (int f = 0;; f++) {
		char name[64];
		sprintf(name, "/tmp/l%d.%d", getpid(), f);
		int fd = open(name, O_CREAT | O_RDWR, 0600);
		if (!tried(fd, "open")) return;
		for (long i = 0; i < 50000; i++) {
			struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * i, .l_len = 1};
			if (!tried(fcntl(fd, F_SETLK, &l), "lock")) return;
		}
	}
}

static void mounts(void)
{
	for (int n = 0;; n++) {
		char name[64];
		sprintf(name, "/tmp/m%d", n % 50);
		mkdir(name, 0700);
		if (!tried(mount("none", name, "tmpfs", 0, ""), "mount")) break;
	}
	umount2("/tmp", MNT_DETACH);
}

static void nested_mounts(void)
{
	chdir("/tmp");
	for (int n = 0;; n++) {
		if (!tried(mount("none", ".", "tmpfs", 0, ""), "mount")) break;
		mkdir("d", 0700);
		if (!tried(chdir("/tmp"), "chdir")) break;
	}
	chdir("/");
	umount2("/tmp", MNT_DETACH);
}
