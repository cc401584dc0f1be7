/* inotify and fanotify: files that are unlinked while they are open, unmounted, and what fdinfo shows. */
#include "fan.h"
#include <sys/inotify.h>

static const struct { unsigned bit; const char *name; } in_bits[] = {
	{IN_ACCESS, "ACCESS"}, {IN_MODIFY, "MODIFY"}, {IN_ATTRIB, "ATTRIB"}, {IN_CLOSE_WRITE, "CLOSE_WRITE"},
	{IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {IN_OPEN, "OPEN"}, {IN_MOVED_FROM, "MOVED_FROM"},
	{IN_MOVED_TO, "MOVED_TO"}, {IN_CREATE, "CREATE"}, {IN_DELETE, "DELETE"}, {IN_DELETE_SELF, "DELETE_SELF"},
	{IN_MOVE_SELF, "MOVE_SELF"}, {IN_UNMOUNT, "UNMOUNT"}, {IN_IGNORED, "IGNORED"}, {IN_ISDIR, "ISDIR"},
};

static void show(int in, const char *what)
{
	char buf[4096] __attribute__((aligned(8)));
	int n = read(in, buf, sizeof buf);
	printf("%s:\n", what);
	for (char *p = buf; p < buf + n;) {
		struct inotify_event *e = (void *)p;
		printf("    %d", e->wd);
		for (unsigned i = 0; i < sizeof in_bits / sizeof *in_bits; i++)
			if (e->mask & in_bits[i].bit) printf(" %s", in_bits[i].name);
		printf("%s%s\n", e->len ? " " : "", e->len ? e->name : "");
		p += sizeof *e + e->len;
	}
}

/* Lines of fdinfo, but for numbers that no two kernels share. */
static void info(int fd)
{
	char path[64], line[512];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	CHECK(f != NULL);
	while (fgets(line, sizeof line, f)) {
		if (!strstr(line, "notify")) continue;
		static const char *hidden[] = {" ino:", "sdev:", "mnt_id:", "f_handle:"};
		for (unsigned i = 0; i < sizeof hidden / sizeof *hidden; i++) {
			char *at = strstr(line, hidden[i]);
			if (!at) continue;
			at += strlen(hidden[i]);
			int n = strspn(at, "0123456789abcdef");
			CHECK(n > 0);
			memset(at, 'x', n);
			memmove(at + 1, at + n, strlen(at + n) + 1);
		}
		/* Handles of tmpfs are longer on one than on another. */
		char *bytes = strstr(line, "fhandle-bytes");
		if (bytes) strcpy(bytes, strchr(bytes, '\n'));
		printf("    %s", line);
	}
	fclose(f);
}

static void unlinked(void)
{
	int in = inotify_init1(IN_NONBLOCK);
	mkdir("d", 0755);
	put("d/f", "1");
	CHECK(inotify_add_watch(in, "d", IN_ALL_EVENTS) == 1 && inotify_add_watch(in, "d/f", IN_ALL_EVENTS) == 2);
	int fd = open("d/f", O_RDWR);
	show(in, "open");
	unlink("d/f");
	show(in, "unlinked while open");
	write(fd, "2", 1);
	show(in, "written");
	fchmod(fd, 0600);
	show(in, "chmod");
	close(fd);
	show(in, "closed");
	put("d/g", "1");
	put("d/h", "1");
	fd = open("d/h", O_RDONLY);
	show(in, "two more");
	CHECK(inotify_add_watch(in, "d/h", IN_ALL_EVENTS) == 3);
	rename("d/g", "d/h");
	show(in, "one over the other, which is open");
	close(fd);
	show(in, "closed");
	CHECK(inotify_add_watch(in, "d", IN_ALL_EVENTS | IN_EXCL_UNLINK) == 1);
	fd = open("d/h", O_RDWR);
	unlink("d/h");
	write(fd, "2", 1);
	fchmod(fd, 0600);
	close(fd);
	show(in, "IN_EXCL_UNLINK");
	put("d/a", "1");
	link("d/a", "d/b");
	fd = open("d/a", O_RDONLY);
	CHECK(inotify_add_watch(in, "d/a", IN_ALL_EVENTS) == 4);
	show(in, "two names");
	unlink("d/a");
	show(in, "one gone");
	unlink("d/b");
	show(in, "both");
	close(fd);
	show(in, "closed");
	mkdir("d/sub", 0755);
	CHECK(inotify_add_watch(in, "d/sub", IN_ALL_EVENTS) == 5);
	fd = open("d/sub", O_RDONLY);
	rmdir("d/sub");
	show(in, "rmdir while open");
	close(fd);
	show(in, "closed");
	close(in);
}

/* What is no regular file is watched, too; udev hears so that somebody wrote to a disk. */
static void special(void)
{
	int in = inotify_init1(IN_NONBLOCK), fan = fan_new(FAN_NONBLOCK | FAN_REPORT_FID, 0), fd;
	char c;
	CHECK(mkfifo("fifo", 0600) == 0);
	fan_know("fifo", "fifo");
	CHECK(inotify_add_watch(in, "fifo", IN_ALL_EVENTS) == 1);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE, "fifo");
	CHECK((fd = open("fifo", O_RDWR)) >= 0 && write(fd, "x", 1) == 1 && read(fd, &c, 1) == 1 && close(fd) == 0);
	show(in, "a fifo");
	fan_show(fan, "and by its handle");
	if (mknod("zero", S_IFCHR | 0600, 1 << 8 | 5) == 0 && (fd = open("zero", O_RDONLY)) >= 0) {
		close(fd);
		CHECK(inotify_add_watch(in, "zero", IN_OPEN | IN_CLOSE) == 2);
		close(open("zero", O_RDONLY));
		close(open("zero", O_WRONLY));
		char buf[256] __attribute__((aligned(8)));
		struct inotify_event *e = (void *)buf;
		CHECK(read(in, buf, sizeof buf) == 4 * sizeof *e);
		CHECK(e[0].mask == IN_OPEN && e[1].mask == IN_CLOSE_NOWRITE && e[2].mask == IN_OPEN && e[3].mask == IN_CLOSE_WRITE);
	}
	close(in);
	close(fan);
}

static void unmounted(void)
{
	int in = inotify_init1(IN_NONBLOCK), dir = inotify_init1(IN_NONBLOCK), fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	mkdir("m", 0755);
	CHECK(mount("m", "m", "tmpfs", 0, NULL) == 0);
	put("m/f", "1");
	CHECK(inotify_add_watch(in, "m/f", IN_ALL_EVENTS) == 1 && inotify_add_watch(dir, "m", IN_CREATE) == 1);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN, "m/f");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, "m");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, "m");
	info(fan);
	CHECK("watches do not keep it", umount("m") == 0);
	show(in, "a file is told");
	show(dir, "a directory, too");
	CHECK_ERRNO("gone", inotify_rm_watch(in, 1), EINVAL);
	printf("no marks:\n");
	info(fan);
	close(in);
	close(dir);
	close(fan);
}

static void infos(void)
{
	int in = inotify_init1(IN_NONBLOCK);
	put("i", "");
	CHECK(inotify_add_watch(in, "i", IN_OPEN | IN_EXCL_UNLINK) == 1);
	info(in);
	int fan = fan_new(FAN_NONBLOCK | FAN_REPORT_DIR_FID, O_RDWR);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, "i");
	info(fan);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, FAN_CLOSE, "i");
	info(fan);
	fan_mark(fan, FAN_MARK_FLUSH, 0, NULL);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE | FAN_ONDIR, "i");
	info(fan);
	close(in);
	close(fan);
}

int main(void)
{
	fan_begin();
	unlinked();
	special();
	unmounted();
	infos();
	return t_end();
}
