/* fanotify with handles: what happens to names, who is named by what, merging, evictable marks, pidfds. */
#include "fan.h"
#include <sys/xattr.h>

#define NAMES (FAN_CREATE | FAN_DELETE | FAN_MOVE | FAN_ONDIR)
#define SELF (FAN_DELETE_SELF | FAN_MOVE_SELF | FAN_ATTRIB)
#define OPENS (FAN_OPEN | FAN_CLOSE | FAN_ACCESS | FAN_MODIFY)

/* Something of everything, in a/ and b/; `step` shows what was told. */
static void everything(int fan, void (*step)(int, const char *))
{
	put("a/new", "1");
	step(fan, "create, write");
	get("a/new");
	step(fan, "read");
	chmod("a/new", 0600);
	step(fan, "chmod");
	truncate("a/new", 0);
	step(fan, "truncate");
	link("a/new", "b/hard");
	step(fan, "link");
	rename("a/new", "a/newer");
	step(fan, "rename within a directory");
	rename("a/newer", "b/moved");
	step(fan, "rename to another");
	unlink("b/moved");
	step(fan, "unlink one name");
	unlink("b/hard");
	step(fan, "unlink the last name");
	mkdir("a/dir", 0755);
	step(fan, "mkdir");
	close(open("a/dir", O_RDONLY));
	step(fan, "open a directory");
	rename("a/dir", "b/dir");
	step(fan, "rename a directory");
	rmdir("b/dir");
	step(fan, "rmdir");
	symlink("x", "a/sym");
	unlink("a/sym");
	step(fan, "symlink, unlink");
	put("a/1", "");
	put("a/2", "");
	rename("a/1", "a/2");
	step(fan, "rename over another");
	unlink("a/2");
	step(fan, "unlink");
}

static void groups(void)
{
	static const struct { const char *name; unsigned flags; } modes[] = {
		{"FID", FAN_REPORT_FID}, {"DIR_FID", FAN_REPORT_DIR_FID},
		{"DIR_FID and FID", FAN_REPORT_DIR_FID | FAN_REPORT_FID},
		{"DFID_NAME", FAN_REPORT_DFID_NAME}, {"DFID_NAME and FID", FAN_REPORT_DFID_NAME | FAN_REPORT_FID},
		{"DFID_NAME_TARGET", FAN_REPORT_DFID_NAME_TARGET},
	};
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		uint64_t rename = modes[i].flags & FAN_REPORT_NAME ? FAN_RENAME : 0;
		printf("== %s, two directories\n", modes[i].name);
		int fan = fan_new(modes[i].flags | FAN_NONBLOCK, 0);
		fan_mark(fan, FAN_MARK_ADD, NAMES | OPENS | SELF | rename | FAN_EVENT_ON_CHILD, "a");
		fan_mark(fan, FAN_MARK_ADD, NAMES | rename, "b");
		everything(fan, fan_show);
		close(fan);
		printf("== %s, a file system\n", modes[i].name);
		fan = fan_new(modes[i].flags | FAN_NONBLOCK, 0);
		fan_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, NAMES | OPENS | SELF | rename, ".");
		everything(fan, fan_show);
		close(fan);
	}
}

static void selves(void)
{
	int fan = fan_new(FAN_REPORT_DFID_NAME | FAN_REPORT_FID | FAN_NONBLOCK, 0);
	put("a/f", "");
	fan_know("f", "a/f");
	fan_mark(fan, FAN_MARK_ADD, SELF | OPENS, "a/f");
	int fd = open("a/f", O_WRONLY);
	fan_show(fan, "a marked file: open");
	fsetxattr(fd, "user.x", "1", 1, 0);
	fchmod(fd, 0640);
	fan_show(fan, "attributes");
	rename("a/f", "b/g");
	fan_show(fan, "moved");
	unlink("b/g");
	fan_show(fan, "removed");
	write(fd, "x", 1);
	fan_show(fan, "and written");
	close(fd);
	fan_show(fan, "and closed");
	mkdir("a/sub", 0755);
	fan_know("sub", "a/sub");
	fan_mark(fan, FAN_MARK_ADD, SELF | FAN_ONDIR, "a/sub");
	chmod("a/sub", 0700);
	rename("a/sub", "b/sub");
	rmdir("b/sub");
	fan_show(fan, "a directory: chmod, rename, rmdir");
	close(fan);
}

static void renames(void)
{
	put("a/r", "");
	fan_know("r", "a/r");
	int from = fan_new(FAN_REPORT_DFID_NAME_TARGET | FAN_NONBLOCK, 0), to = fan_new(FAN_REPORT_DFID_NAME_TARGET | FAN_NONBLOCK, 0);
	fan_mark(from, FAN_MARK_ADD, FAN_RENAME, "a");
	fan_mark(to, FAN_MARK_ADD, FAN_RENAME, "b");
	rename("a/r", "b/r");
	fan_show(from, "whence: old");
	fan_show(to, "whither: new");
	put("a/s", "");
	CHECK(renameat2(AT_FDCWD, "a/s", AT_FDCWD, "b/r", RENAME_EXCHANGE) == 0);
	fan_show(from, "exchanged, seen from one");
	fan_show(to, "and from the other");
	fan_mark(from, FAN_MARK_ADD, FAN_RENAME, "b");
	rename("b/r", "a/q");
	fan_show(from, "both");
	unlink("a/s");
	unlink("a/q");
	unlink("b/r");
	close(from);
	close(to);
}

static void evictable(void)
{
	int fan = fan_new(FAN_REPORT_FID | FAN_NONBLOCK, 0);
	put("a/e", "");
	fan_know("e", "a/e");
	fan_mark(fan, FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_OPEN, "a/e");
	get("a/e");
	fan_show(fan, "an evictable mark");
	fan_mark(fan, FAN_MARK_ADD, FAN_CLOSE, "a/e");
	get("a/e");
	fan_show(fan, "that is not any more");
	unlink("a/e");
	CHECK_ERRNO("a mark ends with its file", fanotify_mark(fan, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "a/e"), ENOENT);
	close(fan);
}

static void whose(void)
{
	int fan = fan_new(FAN_REPORT_FID | FAN_REPORT_PIDFD | FAN_NONBLOCK, 0), both = fan_new(FAN_REPORT_PIDFD | FAN_NONBLOCK, O_RDONLY);
	put("a/p", "");
	fan_know("p", "a/p");
	fan_mark(fan, FAN_MARK_ADD, FAN_OPEN, "a/p");
	fan_mark(both, FAN_MARK_ADD, FAN_OPEN, "a/p");
	fflush(stdout);
	fan_child = fork();
	if (fan_child == 0) {
		get("a/p");
		_exit(0);
	}
	siginfo_t i;
	waitid(P_PID, fan_child, &i, WEXITED | WNOWAIT);
	fan_show(both, "a child that ended");
	waitpid(fan_child, NULL, 0);
	fan_show(fan, "and was waited for");
	fan_child = -1;
	unlink("a/p");
	close(fan);
	close(both);
}

int main(void)
{
	fan_begin();
	fan_know("top", ".");
	mkdir("a", 0755);
	mkdir("b", 0755);
	fan_know("a", "a");
	fan_know("b", "b");
	groups();
	selves();
	renames();
	evictable();
	whose();
	return t_end();
}
