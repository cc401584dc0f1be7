/*
 * Control groups without controllers: the tree, who is where, threads, events, freezing, killing.
 * On a host that has no cgroup2 of its own to change there is nothing to compare. See cgroups(7).
 */
#include "cg.h"
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int is(const char *name, const char *text)
{
	return strcmp(cg_read(name), text) == 0;
}

static void tree(void)
{
	struct stat st;
	CHECK("a group is a directory", stat(cg_root, &st) == 0 && S_ISDIR(st.st_mode) && st.st_nlink == 2);
	CHECK("a new one is empty", is("cgroup.events", "populated 0\nfrozen 0\n") && is("cgroup.procs", ""));
	CHECK("and a domain", is("cgroup.type", "domain\n"));
	CHECK(mkdir(cg_path("a"), 0755) == 0 && mkdir(cg_path("a/b"), 0755) == 0);
	CHECK("directories are links", stat(cg_root, &st) == 0 && st.st_nlink == 3);
	CHECK("files have no size", stat(cg_path("a/cgroup.procs"), &st) == 0 && st.st_size == 0);
	CHECK("modes", (st.st_mode & 0777) == 0644 && stat(cg_path("a/cgroup.events"), &st) == 0 && (st.st_mode & 0777) == 0444);
	CHECK("cgroup.kill is written only", stat(cg_path("a/cgroup.kill"), &st) == 0 && (st.st_mode & 0777) == 0200);
	CHECK("descendants are counted", cg_value("cgroup.stat", "nr_descendants") == 2);
	CHECK_ERRNO("a group twice", mkdir(cg_path("a"), 0755), EEXIST);
	CHECK_ERRNO("a group by a file's name", mkdir(cg_path("cgroup.procs"), 0755), EEXIST);
	CHECK_ERRNO("a name of two lines", mkdir(cg_path("x\ny"), 0755), EINVAL);
	CHECK_ERRNO("a group with one below stays", rmdir(cg_path("a")), EBUSY);
	CHECK_ERRNO("files stay", unlink(cg_path("cgroup.procs")), EPERM);
	CHECK_ERRNO("none are made", open(cg_path("new"), O_CREAT | O_WRONLY, 0644), EACCES);
	CHECK_ERRNO("groups keep their names", rename(cg_path("a"), cg_path("c")), EPERM);
	CHECK_ERRNO("no links", symlink("a", cg_path("l")), EPERM);
}

static void limits(void)
{
	CHECK("no limits", is("cgroup.max.depth", "max\n") && is("cgroup.max.descendants", "max\n"));
	CHECK(cg_write("cgroup.max.depth", "2\n") == 0 && is("cgroup.max.depth", "2\n"));
	CHECK_ERRNO("too deep", mkdir(cg_path("a/b/c"), 0755), EAGAIN);
	CHECK(cg_write("cgroup.max.depth", "max") == 0 && cg_write("cgroup.max.descendants", "2") == 0);
	CHECK_ERRNO("too many", mkdir(cg_path("d"), 0755), EAGAIN);
	CHECK_ERRNO("less than none", cg_write("cgroup.max.descendants", "-1"), ERANGE);
	CHECK_ERRNO("no number", cg_write("cgroup.max.descendants", "many"), EINVAL);
	CHECK(cg_write("cgroup.max.descendants", "max") == 0);
}

static void processes(void)
{
	char text[64], path[128], line[256];
	pid_t pid = sleeper();
	CHECK("a process moves", cg_join("a/b", pid) == 0);
	snprintf(text, sizeof text, "%d\n", (int)pid);
	CHECK("and is there", is("a/b/cgroup.procs", text) && is("a/b/cgroup.threads", text));
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	snprintf(text, sizeof text, "0::/t-%d/a/b\n", (int)getpid());
	FILE *f = fopen(path, "r");
	int found = 0;
	while (f && fgets(line, sizeof line, f)) found |= strcmp(line, text) == 0;
	if (f) fclose(f);
	CHECK("its /proc says so", found);
	CHECK("all above are populated", cg_value("cgroup.events", "populated") == 1);
	CHECK_ERRNO("nobody of that number", cg_join("a", 999999999), ESRCH);
	CHECK_ERRNO("no number", cg_write("a/cgroup.procs", "me"), EINVAL);
	CHECK_ERRNO("a negative one", cg_write("a/cgroup.procs", "-5"), EINVAL);
	CHECK_ERRNO("a populated group stays", rmdir(cg_path("a/b")), EBUSY);
	int fd = open(cg_path("a/b/cgroup.events"), O_RDONLY);
	int notes = inotify_init1(IN_NONBLOCK);
	CHECK(inotify_add_watch(notes, cg_path("a/b/cgroup.events"), IN_MODIFY) > 0);
	char buf[4096];
	CHECK(read(fd, buf, sizeof buf) > 0);
	struct pollfd p = {fd, POLLPRI, 0};
	CHECK("no news", poll(&p, 1, 0) == 0);
	end(pid);
	CHECK("its end is news", poll(&p, 1, 5000) == 1 && (p.revents & POLLPRI));
	CHECK("the group is empty", cg_becomes("a/b/cgroup.events", "populated", 0));
	struct pollfd n = {notes, POLLIN, 0};
	CHECK("inotify tells", poll(&n, 1, 5000) == 1 && read(notes, buf, sizeof buf) > 0);
	CHECK("read again, no news", lseek(fd, 0, SEEK_SET) == 0 && read(fd, buf, sizeof buf) > 0 && poll(&p, 1, 0) == 0);
	close(notes);
	CHECK("the group goes", rmdir(cg_path("a/b")) == 0);
	CHECK_ERRNO("what is open of it is dead", (lseek(fd, 0, SEEK_SET), read(fd, buf, sizeof buf)), ENODEV);
	close(fd);
	int dir = open(cg_path("a"), O_RDONLY | O_DIRECTORY);
	CHECK(rmdir(cg_path("a")) == 0);
	CHECK_ERRNO("and has no files", openat(dir, "cgroup.procs", O_RDONLY), ENOENT);
	CHECK_ERRNO("nor gets any", mkdirat(dir, "x", 0755), ENOENT);
	close(dir);
}

static void zombies(void)
{
	CHECK(mkdir(cg_path("z"), 0755) == 0);
	pid_t pid = sleeper();
	CHECK(cg_join("z", pid) == 0);
	kill(pid, SIGKILL);
	siginfo_t info;
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	CHECK("a zombie does not populate", cg_value("z/cgroup.events", "populated") == 0);
	CHECK("nor hold its group", rmdir(cg_path("z")) == 0);
	char path[64], line[256] = "";
	snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
	FILE *f = fopen(path, "r");
	int found = 0;
	while (f && fgets(line, sizeof line, f)) found |= strncmp(line, "0::", 3) == 0 && strstr(line, "/z (deleted)\n");
	if (f) fclose(f);
	CHECK("which is said to be gone", found);
	waitpid(pid, NULL, 0);
}

static volatile int thread_tid;

static void *threadMain(void *arg)
{
	thread_tid = (int)syscall(SYS_gettid);
	pause();
	return arg;
}

static void threads(void)
{
	CHECK(mkdir(cg_path("d"), 0755) == 0 && mkdir(cg_path("d/t"), 0755) == 0 && mkdir(cg_path("d/u"), 0755) == 0);
	CHECK_ERRNO("only one way", cg_write("d/t/cgroup.type", "domain"), EINVAL);
	CHECK(cg_write("d/t/cgroup.type", "threaded") == 0);
	CHECK("types", is("d/t/cgroup.type", "threaded\n") && is("d/cgroup.type", "domain threaded\n") && is("d/u/cgroup.type", "domain invalid\n"));
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		pthread_create(&t, NULL, threadMain, NULL);
		while (!thread_tid) usleep(1000);
		char text[32];
		snprintf(text, sizeof text, "%d", thread_tid);
		/* 1: not yet of that domain. 2, 3: the process, then the thread, move. */
		if (cg_write("d/t/cgroup.threads", text) != -1 || errno != EOPNOTSUPP) _exit(1);
		if (cg_join("d", 0) != 0) _exit(2);
		if (cg_write("d/t/cgroup.threads", text) != 0) _exit(3);
		snprintf(text, sizeof text, "%d\n", thread_tid);
		if (!is("d/t/cgroup.threads", text)) _exit(4);
		snprintf(text, sizeof text, "%d\n", (int)getpid());
		if (!is("d/cgroup.procs", text) || !is("d/cgroup.threads", text)) _exit(5);
		if (cg_join("d/u", 0) != -1 || errno != EOPNOTSUPP) _exit(6);
		_exit(0);
	}
	int status;
	CHECK("a thread goes its own way, within its domain", waitpid(pid, &status, 0) == pid && status == 0);
	if (status) printf("# status %x\n", status);
	CHECK_ERRNO("threaded groups have no processes", (strcmp(cg_read("d/t/cgroup.procs"), "(error)") ? 0 : -1), EOPNOTSUPP);
	CHECK_ERRNO("and are not killed alone", cg_write("d/t/cgroup.kill", "1"), EOPNOTSUPP);
	CHECK(rmdir(cg_path("d/t")) == 0 && is("d/cgroup.type", "domain\n") && is("d/u/cgroup.type", "domain\n"));
	CHECK(rmdir(cg_path("d/u")) == 0 && rmdir(cg_path("d")) == 0);
}

static void freezing(void)
{
	CHECK(mkdir(cg_path("f"), 0755) == 0 && mkdir(cg_path("f/g"), 0755) == 0);
	int pipes[2];
	CHECK(pipe(pipes) == 0);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	pid_t pid = fork();
	if (pid == 0) {
		for (;;) {
			if (write(pipes[1], "x", 1) != 1) _exit(1);
			usleep(1000);
		}
	}
	char buf[65536];
	CHECK(cg_join("f/g", pid) == 0);
	CHECK_ERRNO(cg_write("f/cgroup.freeze", "2"), ERANGE);
	CHECK_ERRNO(cg_write("f/cgroup.freeze", "on"), EINVAL);
	CHECK(cg_write("f/cgroup.freeze", "1") == 0 && is("f/cgroup.freeze", "1\n"));
	CHECK("it is frozen, and what is below", cg_becomes("f/cgroup.events", "frozen", 1) && cg_value("f/g/cgroup.events", "frozen") == 1);
	CHECK("though that did not say so", is("f/g/cgroup.freeze", "0\n"));
	while (read(pipes[0], buf, sizeof buf) > 0) ;
	usleep(50000);
	CHECK("nothing moves", read(pipes[0], buf, sizeof buf) == -1 && errno == EAGAIN);
	pid_t other = sleeper();
	CHECK("who comes freezes too", cg_join("f/g", other) == 0 && cg_becomes("f/g/cgroup.events", "frozen", 1));
	CHECK("a signal waits", kill(pid, SIGSTOP) == 0 && waitpid(pid, NULL, WUNTRACED | WNOHANG) == 0);
	CHECK(kill(pid, SIGCONT) == 0);
	end(other);
	ok("what kills does not");
	CHECK(cg_write("f/cgroup.freeze", "0") == 0 && cg_becomes("f/g/cgroup.events", "frozen", 0));
	int isAlive = 0;
	for (int i = 0; i < 1000 && !isAlive; i++) {
		usleep(10000);
		isAlive = read(pipes[0], buf, sizeof buf) > 0;
	}
	CHECK("thawed, it goes on", isAlive);
	end(pid);
	CHECK(rmdir(cg_path("f/g")) == 0 && rmdir(cg_path("f")) == 0);
}

static void killing(void)
{
	CHECK(mkdir(cg_path("k"), 0755) == 0 && mkdir(cg_path("k/l"), 0755) == 0);
	pid_t one = sleeper(), two = sleeper();
	CHECK(cg_join("k", one) == 0 && cg_join("k/l", two) == 0);
	CHECK_ERRNO(cg_write("k/cgroup.kill", "0"), ERANGE);
	CHECK(cg_write("k/cgroup.kill", "1") == 0);
	int a, b;
	CHECK(waitpid(one, &a, 0) == one && waitpid(two, &b, 0) == two);
	CHECK("all below die", WTERMSIG(a) == SIGKILL && WTERMSIG(b) == SIGKILL);
	CHECK(rmdir(cg_path("k/l")) == 0 && rmdir(cg_path("k")) == 0);
}

static void into(void)
{
	CHECK(mkdir(cg_path("i"), 0755) == 0);
	int dir = open(cg_path("i"), O_PATH | O_DIRECTORY);
	struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = dir};
	pid_t pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0) {
		char text[32];
		snprintf(text, sizeof text, "%d\n", (int)getpid());
		_exit(!is("i/cgroup.procs", text));
	}
	int status = -1;
	CHECK("a child may begin elsewhere", waitpid(pid, &status, 0) == pid && status == 0);
	args.cgroup = 0;
	CHECK_ERRNO("but not in what is no group", syscall(SYS_clone3, &args, sizeof args), EBADF);
	args.cgroup = 999;
	CHECK_ERRNO("nor in nothing", syscall(SYS_clone3, &args, sizeof args), EBADF);
	CHECK(rmdir(cg_path("i")) == 0);
	args.cgroup = dir;
	CHECK_ERRNO("nor in one that is gone", syscall(SYS_clone3, &args, sizeof args), ENOENT);
	close(dir);
}

/* A user whose group it is moves his processes within it, and nowhere else. */
static void delegation(void)
{
	CHECK(mkdir(cg_path("v"), 0755) == 0 && chown(cg_path("v/cgroup.procs"), 1000, 1000) == 0);
	CHECK(mkdir(cg_path("u"), 0755) == 0 && chown(cg_path("u"), 1000, 1000) == 0 && chown(cg_path("u/cgroup.procs"), 1000, 1000) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (cg_join("u", 0) != 0 || setgid(1000) != 0 || setuid(1000) != 0) _exit(1);
		if (mkdir(cg_path("u/own"), 0755) != 0) _exit(2);
		struct stat st;
		if (stat(cg_path("u/own/cgroup.procs"), &st) != 0 || st.st_uid != 1000) _exit(3);
		if (cg_join("u/own", 0) != 0) _exit(4);
		if (cg_join("u", 0) != 0) _exit(5);
		if (cg_join("v", 0) != -1 || errno != EACCES) _exit(6);
		if (cg_write("u/cgroup.max.depth", "1") != -1 || errno != EACCES) _exit(7);
		_exit(rmdir(cg_path("u/own")) ? 8 : 0);
	}
	int status;
	CHECK("one's own group is one's own", waitpid(pid, &status, 0) == pid && status == 0);
	if (status) printf("# status %x\n", status);
	pid = fork();
	if (pid == 0) {
		if (cg_join("u", 0) != 0 || setgid(1000) != 0 || setuid(1000) != 0) _exit(1);
		_exit(cg_join("v", 0) != -1 || errno != EACCES ? 2 : 0);
	}
	CHECK("two of them are not, without what they have in common", waitpid(pid, &status, 0) == pid && status == 0);
	int fd = open(cg_path("v/cgroup.procs"), O_WRONLY);
	pid = fork();
	if (pid == 0) {
		if (cg_join("u", 0) != 0 || setgid(1000) != 0 || setuid(1000) != 0) _exit(1);
		_exit(write(fd, "0", 1) != 1 ? 2 : 0);
	}
	CHECK("but with what root opened", waitpid(pid, &status, 0) == pid && status == 0);
	if (status) printf("# status %x\n", status);
	close(fd);
	CHECK(rmdir(cg_path("u")) == 0 && rmdir(cg_path("v")) == 0);
}

int main(void)
{
	if (getuid() != 0 || !cg_begin()) return T_NOT_HERE;
	tree();
	limits();
	processes();
	zombies();
	threads();
	freezing();
	killing();
	into();
	delegation();
	CHECK("and it was as if nothing had been", rmdir(cg_root) == 0);
	return t_failed != 0;
}
