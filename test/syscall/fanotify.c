/* fanotify: open files as events; inode, mount and file system marks; what is ignored; limits. */
#include "fan.h"
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void inits(void)
{
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);
	CHECK("an instance", fan >= 0 && (fcntl(fan, F_GETFD) & FD_CLOEXEC) && (fcntl(fan, F_GETFL) & O_NONBLOCK));
	CHECK("seeks nowhere", lseek(fan, 100, SEEK_SET) == 0);
	close(fan);
	CHECK_ERRNO("unknown flags", fanotify_init(0x80000000, 0), EINVAL);
	CHECK_ERRNO("unknown file flags", fanotify_init(0, O_CREAT), EINVAL);
	CHECK_ERRNO("access mode 3", fanotify_init(0, 3), EINVAL);
	CHECK_ERRNO("both classes", fanotify_init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, 0), EINVAL);
	CHECK_ERRNO("name without directory", fanotify_init(FAN_REPORT_NAME, 0), EINVAL);
	CHECK_ERRNO("target without the rest", fanotify_init(FAN_REPORT_FID | FAN_REPORT_TARGET_FID, 0), EINVAL);
	CHECK_ERRNO("handles with permissions", fanotify_init(FAN_CLASS_CONTENT | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, 0), EINVAL);
	CHECK_ERRNO("pidfd of a thread", fanotify_init(FAN_REPORT_PIDFD | FAN_REPORT_TID, 0), EINVAL);
}

static void marks(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY), fid = fan_new(FAN_NONBLOCK | FAN_REPORT_FID, 0);
	int con = fan_new(FAN_NONBLOCK | FAN_CLASS_CONTENT, O_RDONLY);
	put("file", "x");
	mkdir("dir", 0755);
#define MARK(f, flags, mask, path) fanotify_mark(f, flags, mask, AT_FDCWD, path)
	CHECK_ERRNO("no mask", MARK(fan, FAN_MARK_ADD, 0, "file"), EINVAL);
	CHECK_ERRNO("a mask of 64 bits", MARK(fan, FAN_MARK_ADD, 1ull << 32 | FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("an unknown event", MARK(fan, FAN_MARK_ADD, 0x2000, "file"), EINVAL);
	CHECK_ERRNO("unknown flags", MARK(fan, FAN_MARK_ADD | 0x1000, FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("two commands", MARK(fan, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("mount and file system", MARK(fan, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM, FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("flush with more", MARK(fan, FAN_MARK_FLUSH | FAN_MARK_ONLYDIR, 0, NULL), EINVAL);
	CHECK_ERRNO("not a descriptor", MARK(999, FAN_MARK_ADD, FAN_OPEN, "file"), EBADF);
	CHECK_ERRNO("not an instance", MARK(0, FAN_MARK_ADD, FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("no such file", MARK(fan, FAN_MARK_ADD, FAN_OPEN, "nothing"), ENOENT);
	CHECK_ERRNO("a file where a directory must be", MARK(fan, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, "file"), ENOTDIR);
	CHECK_ERRNO("a permission event for who only listens", MARK(fan, FAN_MARK_ADD, FAN_OPEN_PERM, "file"), EINVAL);
	CHECK_ERRNO("a name event without handles", MARK(fan, FAN_MARK_ADD, FAN_CREATE, "dir"), EINVAL);
	CHECK_ERRNO("attributes without handles", MARK(fan, FAN_MARK_ADD, FAN_ATTRIB, "dir"), EINVAL);
	CHECK_ERRNO("name events of a mount", MARK(fid, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CREATE, "dir"), EINVAL);
	CHECK_ERRNO("rename without names", MARK(fid, FAN_MARK_ADD, FAN_RENAME, "dir"), EINVAL);
	CHECK_ERRNO("errors of a file", MARK(fid, FAN_MARK_ADD, FAN_FS_ERROR, "dir"), EINVAL);
	CHECK_ERRNO("permission in /proc", MARK(con, FAN_MARK_ADD, FAN_OPEN_PERM, "/proc/self/status"), EINVAL);
	CHECK_ERRNO("removing what is not there", MARK(fan, FAN_MARK_REMOVE, FAN_OPEN, "file"), ENOENT);
	CHECK_ERRNO("a descriptor that is not open", fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, 999, NULL), EBADF);
	CHECK_ERRNO("an evictable mount", MARK(fan, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_EVICTABLE, FAN_OPEN, "dir"), EINVAL);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN, "file");
	CHECK_ERRNO("evictable after all", MARK(fan, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_CLOSE, "file"), EEXIST);
	CHECK_ERRNO("both ways to ignore", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_IGNORED_MASK, FAN_OPEN, "file"), EINVAL);
	CHECK_ERRNO("to ignore a directory, but not for ever", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORE, FAN_OPEN, "dir"), EISDIR);
	CHECK_ERRNO("to ignore a mount, but not for ever", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORE | FAN_MARK_MOUNT, FAN_OPEN, "dir"), EINVAL);
	CHECK_ERRNO("to ignore children of a file", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, FAN_OPEN | FAN_EVENT_ON_CHILD, "file"), ENOTDIR);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, FAN_OPEN, "file");
	CHECK_ERRNO("the old way after the new", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, "file"), EEXIST);
	CHECK_ERRNO("to ignore for less long", MARK(fan, FAN_MARK_ADD | FAN_MARK_IGNORE, FAN_OPEN, "file"), EEXIST);
	fan_mark(fan, FAN_MARK_FLUSH, 0, NULL);
	CHECK_ERRNO("flushed", MARK(fan, FAN_MARK_REMOVE, FAN_OPEN, "file"), ENOENT);
	close(fan);
	close(fid);
	close(con);
}

static void files(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	const uint64_t all = FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE | FAN_OPEN_EXEC;
	fan_mark(fan, FAN_MARK_ADD, all, "file");
	get("file");
	fan_show(fan, "read a file");
	put("file", "more");
	fan_show(fan, "write it");
	int fd = open("file", O_RDWR);
	fan_show(fan, "open");
	char c;
	read(fd, &c, 1);
	fan_show(fan, "read");
	write(fd, "y", 1);
	fan_show(fan, "write");
	ftruncate(fd, 1);
	fan_show(fan, "truncate: not told");
	pread(fd, &c, 1, 0);
	struct iovec v = {"zz", 2};
	writev(fd, &v, 1);
	fan_show(fan, "pread and writev, merged");
	close(fd);
	fan_show(fan, "close");
	close(open("file", O_PATH));
	stat("file", &(struct stat){0});
	fan_show(fan, "O_PATH and stat: nothing");
	fan_child = fork();
	if (fan_child == 0) {
		get("file");
		_exit(0);
	}
	waitpid(fan_child, NULL, 0);
	get("file");
	fan_show(fan, "a child, then I");
	fan_child = -1;
	rename("file", "other");
	put("other", "z");
	fan_show(fan, "by its new name");
	rename("other", "file");
	fan_mark(fan, FAN_MARK_REMOVE, FAN_OPEN | FAN_ACCESS, "file");
	get("file");
	fan_show(fan, "without open and access");
	fan_mark(fan, FAN_MARK_REMOVE, all, "file");
	get("file");
	fan_show(fan, "without any");
	close(fan);
}

static void directories(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	put("dir/a", "a");
	mkdir("dir/sub", 0755);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, "dir");
	get("dir/a");
	close(open("dir", O_RDONLY));
	fan_show(fan, "a directory without flags");
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE | FAN_EVENT_ON_CHILD, "dir");
	get("dir/a");
	close(open("dir", O_RDONLY));
	close(open("dir/sub", O_RDONLY));
	fan_show(fan, "with children");
	fan_mark(fan, FAN_MARK_ADD, FAN_ACCESS | FAN_ONDIR, "dir");
	get("dir/a");
	close(open("dir", O_RDONLY));
	close(open("dir/sub", O_RDONLY));
	fan_show(fan, "and directories");
	int fd = open("dir/a", O_RDONLY);
	unlink("dir/a");
	close(fd);
	fan_show(fan, "removed while open");
	close(fan);
}

static void mounts(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	mkdir("bind", 0755);
	CHECK(mount("dir", "bind", NULL, MS_BIND, NULL) == 0);
	put("dir/b", "b");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN | FAN_CLOSE | FAN_MODIFY, "bind");
	get("dir/b");
	fan_show(fan, "a mount: beside it");
	get("bind/b");
	put("bind/b", "c");
	close(open("bind", O_RDONLY));
	fan_show(fan, "through it");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_ONDIR, "bind");
	close(open("bind", O_RDONLY));
	fan_show(fan, "with directories");
	fan_mark(fan, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, NULL);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, "bind/b");
	get("dir/b");
	get("bind/b");
	get("/proc/self/comm");
	fan_show(fan, "a file system");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CLOSE, "bind");
	fan_mark(fan, FAN_MARK_ADD, FAN_ACCESS, "dir/b");
	get("dir/b");
	get("bind/b");
	fan_show(fan, "file system, mount and file at once");
	CHECK("a mark does not keep a mount", umount("bind") == 0);
	get("dir/b");
	fan_show(fan, "after umount");
	mkdir("inner", 0755);
	CHECK(mount("inner", "inner", "tmpfs", 0, NULL) == 0);
	put("inner/x", "x");
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN, "inner/x");
	get("inner/x");
	CHECK_ERRNO("an event that was not read keeps a mount", umount("inner"), EBUSY);
	fan_show(fan, "read");
	CHECK("and then not", umount("inner") == 0);
	close(fan);
}

static void ignoring(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	put("i", "1");
	put("j", "1");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN | FAN_MODIFY, "i");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, "i");
	get("i");
	get("j");
	fan_show(fan, "all but one file");
	put("i", "2");
	fan_show(fan, "it changes");
	get("i");
	fan_show(fan, "and is not ignored any more");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, "i");
	put("i", "3");
	get("i");
	fan_show(fan, "but for ever from here");
	int fd = open("j", O_WRONLY);
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, "j");
	close(fd);
	get("j");
	fan_show(fan, "what is open for writing is not ignored");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_IGNORE_SURV, FAN_OPEN | FAN_EVENT_ON_CHILD, "dir");
	put("dir/k", "k");
	fan_show(fan, "ignored by a parent");
	close(open("dir", O_RDONLY));
	fan_show(fan, "which is not itself");
	fan_mark(fan, FAN_MARK_REMOVE | FAN_MARK_IGNORE, FAN_OPEN | FAN_EVENT_ON_CHILD, "dir");
	get("dir/k");
	fan_show(fan, "no more");
	close(fan);
}

static void reading(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDWR | O_CLOEXEC), n = -1;
	struct fanotify_event_metadata m;
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN | FAN_MODIFY | FAN_CLOSE, "file");
	CHECK_ERRNO("nothing to read", read(fan, &m, sizeof m), EAGAIN);
	struct pollfd p = {fan, POLLIN | POLLOUT, 0};
	CHECK("nor to poll", poll(&p, 1, 0) == 0);
	get("file");
	CHECK("something to poll", poll(&p, 1, 0) == 1 && p.revents == POLLIN);
	CHECK("FIONREAD", ioctl(fan, FIONREAD, &n) == 0 && n == sizeof m);
	CHECK_ERRNO("too little room", read(fan, &m, sizeof m - 1), EINVAL);
	CHECK("one event", read(fan, &m, sizeof m) == sizeof m && m.event_len == sizeof m);
	CHECK("with its file", (fcntl(m.fd, F_GETFL) & O_ACCMODE) == O_RDWR && (fcntl(m.fd, F_GETFD) & FD_CLOEXEC));
	CHECK("which tells nothing of itself", write(m.fd, "q", 1) == 1 && close(m.fd) == 0 && poll(&p, 1, 0) == 0);
	get("file");
	CHECK_ERRNO("to a bad address", syscall(SYS_read, fan, 8L, sizeof m), EFAULT);
	CHECK_ERRNO("the event is lost", read(fan, &m, sizeof m), EAGAIN);
	CHECK_ERRNO("no answers without questions", write(fan, &(struct fanotify_response){3, FAN_ALLOW}, 8), ENOENT);
	close(fan);
}

static void executing(void)
{
	int fan = fan_new(FAN_NONBLOCK, O_RDONLY);
	char self[PATH_MAX];
	int n = readlink("/proc/self/exe", self, sizeof self - 1), in, out = -1;
	self[n < 0 ? 0 : n] = 0;
	CHECK((in = open(self, O_RDONLY)) >= 0 && (out = open("prog", O_WRONLY | O_CREAT, 0755)) >= 0);
	static char block[65536];
	while ((n = read(in, block, sizeof block)) > 0) CHECK(write(out, block, n) == n);
	close(in);
	close(out);
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN_EXEC, "prog");
	get("prog");
	fan_show(fan, "a program is read");
	fan_child = fork();
	if (fan_child == 0) {
		execl("prog", "prog", "idle", NULL);
		_exit(9);
	}
	waitpid(fan_child, &n, 0);
	CHECK("ran", WIFEXITED(n) && WEXITSTATUS(n) == 0);
	fan_show(fan, "and run");
	fan_child = -1;
	close(fan);
}

static void unprivileged(void)
{
	fflush(stdout);
	if (fork() == 0) {
		CHECK(setgid(1000) == 0 && setuid(1000) == 0);
		CHECK_ERRNO("descriptors are root's", fanotify_init(0, 0), EPERM);
		CHECK_ERRNO("so is an unlimited queue", fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE, 0), EPERM);
		CHECK_ERRNO("and pidfds", fanotify_init(FAN_REPORT_FID | FAN_REPORT_PIDFD, 0), EPERM);
		int fan = fanotify_init(FAN_REPORT_FID | FAN_NONBLOCK, 0);
		CHECK("but not handles", fan >= 0);
		CHECK_ERRNO("of mounts", fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, "file"), EPERM);
		CHECK_ERRNO("of file systems", fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, "file"), EPERM);
		CHECK_ERRNO("of what it may not read", fanotify_mark(fan, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "secret"), EACCES);
		fan_know("file", "file");
		fan_mark(fan, FAN_MARK_ADD, FAN_OPEN, "file");
		get("file");
		fan_self = getpid();
		fan_show(fan, "my own");
		fan_child = fork();
		if (fan_child == 0) {
			get("file");
			_exit(0);
		}
		wait(NULL);
		fan_show(fan, "somebody else's");
		_exit(t_failed != 0);
	}
	int status;
	wait(&status);
	t_count += 8;
	CHECK("all of it", status == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1) return 0;
	(void)argv;
	fan_begin();
	inits();
	marks();
	files();
	directories();
	mounts();
	ignoring();
	reading();
	executing();
	put("secret", "");
	chmod("secret", 0600);
	unprivileged();
	return t_end();
}
