/* Shared subtrees and mount name spaces: who receives what is mounted and unmounted, and who sees it. */
#include "mountns.h"
#include <sys/stat.h>
#include <sys/syscall.h>

static char dir[] = "/tmp/subtrees.XXXXXX";
static char line[4096];

/* The line of the topmost mount at `path` (relative to dir) in mountinfo; NULL if there is none. */
static const char *mountLine(const char *path)
{
	static char found[4096];
	char point[4096], want[4096];
	int is = 0;
	snprintf(want, sizeof want, "%s/%s", dir, path);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*d %*d %*s %*s %4095s", point) == 1 && strcmp(point, want) == 0) {
			strcpy(found, line);
			is = 1;
		}
	}
	fclose(f);
	return is ? found : NULL;
}

/* The number behind `tag` ("shared:", "master:") for the mount at `path`; 0 if it has none, -1 if there is no mount. */
static int field(const char *path, const char *tag)
{
	const char *s = mountLine(path);
	if (!s) return -1;
	const char *at = strstr(s, tag);
	return at && at < strstr(s, " - ") ? atoi(at + strlen(tag)) : 0;
}

static int isMounted(const char *path)
{
	return mountLine(path) != NULL;
}

static int change(const char *path, int how)
{
	return mount(NULL, path, NULL, how, NULL);
}

static void touch(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY, 0644));
}

static void groups(void)
{
	CHECK("private at first", mount("a", "a", "tmpfs", 0, NULL) == 0 && field("a", "shared:") == 0 && field("a", "master:") == 0);
	CHECK_ERRNO("two kinds at once", change("a", MS_SHARED | MS_SLAVE), EINVAL);
	CHECK_ERRNO("of what is no mount", (mkdir("a/x", 0755), change("a/x", MS_SHARED)), EINVAL);
	CHECK("shared", change("a", MS_SHARED) == 0 && field("a", "shared:") > 0);
	CHECK("a bind is a peer", mount("a", "b", NULL, MS_BIND, NULL) == 0 && field("b", "shared:") == field("a", "shared:"));
	CHECK("another becomes a slave", mount("a", "c", NULL, MS_BIND, NULL) == 0 && change("c", MS_SLAVE) == 0 && field("c", "shared:") == 0 && field("c", "master:") == field("a", "shared:"));
	CHECK("another private", mount("a", "d", NULL, MS_BIND, NULL) == 0 && change("d", MS_PRIVATE) == 0 && field("d", "shared:") == 0 && field("d", "master:") == 0);
	CHECK("a slave that shares", mount("a", "e", NULL, MS_BIND, NULL) == 0 && change("e", MS_SLAVE) == 0 && change("e", MS_SHARED) == 0 && field("e", "master:") == field("a", "shared:") && field("e", "shared:") > 0 && field("e", "shared:") != field("a", "shared:"));
	CHECK("mounted on one", mount("x", "a/x", "tmpfs", 0, NULL) == 0);
	CHECK("the peer has it", isMounted("b/x") && field("b/x", "shared:") == field("a/x", "shared:") && field("a/x", "shared:") > 0);
	CHECK("the slave has it", isMounted("c/x") && field("c/x", "shared:") == 0 && field("c/x", "master:") == field("a/x", "shared:"));
	CHECK("the private one has not", !isMounted("d/x"));
	CHECK("the sharing slave has it", field("e/x", "master:") == field("a/x", "shared:") && field("e/x", "shared:") > 0);
	touch("a/x/file");
	CHECK("it is the same", access("c/x/file", F_OK) == 0 && access("e/x/file", F_OK) == 0 && access("d/x/file", F_OK) == -1);
	CHECK("what a slave mounts is its own", mkdir("a/y", 0755) == 0 && mount("y", "c/y", "tmpfs", 0, NULL) == 0 && !isMounted("a/y") && !isMounted("e/y") && umount("c/y") == 0);
	CHECK("a peer sends, too", mount("y", "b/y", "tmpfs", 0, NULL) == 0 && isMounted("a/y") && isMounted("c/y") && isMounted("e/y"));
	int fd = open("c/y", O_RDONLY);
	CHECK_ERRNO("a receiver in use forbids unmounting", umount("a/y"), EBUSY);
	close(fd);
	CHECK("unmounting goes everywhere", umount("a/y") == 0 && !isMounted("b/y") && !isMounted("c/y") && !isMounted("e/y"));
	CHECK("a slave that unmounts is alone", umount("c/x") == 0 && isMounted("a/x") && isMounted("b/x"));
	CHECK_ERRNO("no moving out of a shared mount", mount("a/x", "m", NULL, MS_MOVE, NULL), EINVAL);
	CHECK("lazily, with what is below", mount("z", "a/x", "tmpfs", 0, NULL) == 0 && umount2("a", MNT_DETACH) == 0 && !isMounted("a") && isMounted("b") && !isMounted("b/x"));
	CHECK("the slaves follow who is left", field("c", "master:") == field("b", "shared:"));
	CHECK("the last peer goes", umount2("b", MNT_DETACH) == 0 && field("c", "master:") == 0 && field("e", "master:") == 0 && field("e", "shared:") > 0);
	umount2("c", MNT_DETACH);
	umount2("d", MNT_DETACH);
	umount2("e", MNT_DETACH);
}

static void unbindable(void)
{
	mount("a", "a", "tmpfs", 0, NULL);
	mkdir("a/u", 0755);
	mkdir("a/v", 0755);
	mount("u", "a/u", "tmpfs", 0, NULL);
	mount("v", "a/v", "tmpfs", 0, NULL);
	CHECK("unbindable", change("a/u", MS_UNBINDABLE) == 0 && strstr(mountLine("a/u"), " unbindable"));
	CHECK_ERRNO("is not bound", mount("a/u", "b", NULL, MS_BIND, NULL), EINVAL);
	CHECK("nor with others", mount("a", "b", NULL, MS_BIND | MS_REC, NULL) == 0 && isMounted("b/v") && !isMounted("b/u"));
	CHECK("all below at once", change("a", MS_SHARED | MS_REC) == 0 && field("a", "shared:") > 0 && field("a/u", "shared:") > 0 && field("a/v", "shared:") > 0 && !strstr(mountLine("a/u"), " unbindable"));
	CHECK("moved into a shared one", mount("m", "m", "tmpfs", 0, NULL) == 0 && mkdir("m/in", 0755) == 0 && change("m", MS_SHARED) == 0 && mount("s", "c", "tmpfs", 0, NULL) == 0 && mount("c", "m/in", NULL, MS_MOVE, NULL) == 0 && field("m/in", "shared:") > 0);
	CHECK_ERRNO("but no unbindable one", (mount("s", "c", "tmpfs", 0, NULL), change("c", MS_UNBINDABLE), mount("c", "m/in", NULL, MS_MOVE, NULL)), EINVAL);
	umount2("a", MNT_DETACH);
	umount2("b", MNT_DETACH);
	umount2("c", MNT_DETACH);
	umount2("m", MNT_DETACH);
}

static void expiry(void)
{
	mount("a", "a", "tmpfs", 0, NULL);
	touch("a/f");
	CHECK_ERRNO("marked", umount2("a", MNT_EXPIRE), EAGAIN);
	CHECK("used", access("a/f", F_OK) == 0);
	CHECK_ERRNO("marked anew", umount2("a", MNT_EXPIRE), EAGAIN);
	CHECK("unused, gone", umount2("a", MNT_EXPIRE) == 0 && !isMounted("a"));
	CHECK_ERRNO("not by force", umount2("a", MNT_EXPIRE | MNT_DETACH), EINVAL);
	mount("a", "a", "tmpfs", 0, NULL);
	int fd = open("a", O_RDONLY);
	CHECK_ERRNO("in use", umount2("a", MNT_EXPIRE), EBUSY);
	close(fd);
	umount("a");
}

static void spaces(void)
{
	int up[2], down[2];
	char c;
	struct stat a, b;
	pipe(up);
	pipe(down);
	mount("s", "a", "tmpfs", 0, NULL);
	mkdir("a/in", 0755);
	change("a", MS_SHARED);
	mkdir("p", 0755);
	pid_t pid = fork();
	if (pid == 0) {
		int bad = unshare(CLONE_NEWNS) != 0;
		bad |= (mount("p", "b", "tmpfs", 0, NULL) != 0) << 1;
		bad |= (mount("p", "p", "tmpfs", 0, NULL) != 0) << 2;
		bad |= (mount("q", "a/in", "tmpfs", 0, NULL) != 0) << 3;
		bad |= (!isMounted("b")) << 4;
		write(up[1], "", 1);
		read(down[0], &c, 1);
		bad |= (isMounted("p")) << 5;
		bad |= (isMounted("a/in")) << 6;
		write(up[1], "", 1);
		read(down[0], &c, 1);
		_exit(bad);
	}
	read(up[0], &c, 1);
	CHECK("what is private stays there", !isMounted("b") && !isMounted("p"));
	CHECK("what is shared comes", isMounted("a/in"));
	CHECK("a mount point of others can be removed", rmdir("p") == 0);
	CHECK("and shared ones unmounted", umount("a/in") == 0);
	write(down[1], "", 1);
	read(up[0], &c, 1);
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", pid);
	CHECK("another name space", stat(path, &a) == 0 && stat("/proc/self/ns/mnt", &b) == 0 && a.st_ino != b.st_ino);
	int own = open("/proc/self/ns/mnt", O_RDONLY), theirs = open(path, O_RDONLY);
	CHECK_ERRNO("no other kind", setns(theirs, CLONE_NEWUTS), EINVAL);
	CHECK("entered", setns(theirs, CLONE_NEWNS) == 0 && isMounted("b") && getcwd(line, 100) && strcmp(line, "/") == 0);
	CHECK("and left", setns(own, 0) == 0 && !isMounted("b"));
	close(own);
	chdir(dir);
	write(down[1], "", 1);
	int status;
	waitpid(pid, &status, 0);
	CHECK("the child was content", status == 0);
	CHECK("its name space lasts as long as a file of it", setns(theirs, CLONE_NEWNS) == 0 && isMounted("b"));
	own = open("/proc/1/ns/mnt", O_RDONLY);
	close(own);
	close(theirs);
	umount2(dir, MNT_DETACH);
	chdir(dir);
	umount2("a", MNT_DETACH);
	umount2("b", MNT_DETACH);
	CHECK_ERRNO("clone with a file system context of another", syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK("clone", ({
		pid_t child = syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
		if (child == 0) _exit(mount("n", "c", "tmpfs", 0, NULL) == 0 && isMounted("c") ? 7 : 1);
		waitpid(child, &status, 0);
		WEXITSTATUS(status) == 7 && !isMounted("c");
	}));
}

/* A new root, and the old one taken away, without a directory for it: as container runtimes do. */
static void pivot(void)
{
	CHECK("pivot_root onto itself", WEXITSTATUS(STATUS_OF({
		if (unshare(CLONE_NEWNS)) _exit(1);
		if (mount("r", "m", "tmpfs", 0, NULL) || mkdir("m/here", 0755) || chdir("m")) _exit(2);
		if (syscall(SYS_pivot_root, ".", ".")) _exit(3);
		if (umount2(".", MNT_DETACH)) _exit(4);
		if (chdir("/") || access("/here", F_OK) || access("/tmp", F_OK) == 0) _exit(5);
		if (access("/..//here", F_OK)) _exit(6);
	})) == 0);
	CHECK("pivot_root with a place for the old one", WEXITSTATUS(STATUS_OF({
		if (unshare(CLONE_NEWNS)) _exit(1);
		if (mount("r", "m", "tmpfs", 0, NULL) || mkdir("m/old", 0755) || chdir("m")) _exit(2);
		if (syscall(SYS_pivot_root, ".", "old")) _exit(3);
		if (chdir("/") || access("/old/tmp", F_OK)) _exit(4);
		if (umount2("/old", MNT_DETACH) || access("/old/tmp", F_OK) == 0) _exit(5);
	})) == 0);
	CHECK("the parent saw nothing of it", access("/tmp", F_OK) == 0 && !isMounted("m"));
}

int main(void)
{
	t_own_mounts();
	CHECK(mkdtemp(dir) && chdir(dir) == 0);
	for (const char *s = "abcdem"; *s; s++) {
		char name[2] = { *s, 0 };
		mkdir(name, 0755);
	}
	groups();
	unbindable();
	expiry();
	spaces();
	pivot();
	for (const char *s = "abcdem"; *s; s++) {
		char name[2] = { *s, 0 };
		rmdir(name);
	}
	CHECK("clean", chdir("/") == 0 && rmdir(dir) == 0);
	return t_end();
}
