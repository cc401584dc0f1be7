/*
 * The controllers of control groups, each against one that takes all it can get. For the guest alone: whoever runs the tests
 * has seldom a Linux whose controllers are his. The texts are those of a Linux 6.12. See cgroups(7), cgroup-v2.rst.
 */
#include "cg.h"
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define MIB (1024 * 1024)

static int is(const char *name, const char *text)
{
	return strcmp(cg_read(name), text) == 0;
}

static int control(const char *controllers)
{
	return cg_write("cgroup.subtree_control", controllers);
}

static void hierarchy(void)
{
	CHECK("nobody has controllers unasked", is("cgroup.controllers", "") && is("cgroup.subtree_control", ""));
	char top[600];
	snprintf(top, sizeof top, "%s/cgroup.subtree_control", cg_top);
	int fd = open(top, O_WRONLY);
	CHECK_ERRNO(write(fd, "+nothing", 8), EINVAL);
	CHECK_ERRNO(write(fd, "cpu", 3), EINVAL);
	CHECK(write(fd, "+cpu +memory", 12) == 12);
	CHECK("in the order of all", is("cgroup.controllers", "cpu memory\n"));
	CHECK(write(fd, "+pids +cpuset +io\n", 18) == 18 && is("cgroup.controllers", "cpuset cpu io memory pids\n"));
	close(fd);
	CHECK(mkdir(cg_path("a"), 0755) == 0 && mkdir(cg_path("a/b"), 0755) == 0);
	CHECK_ERRNO("what one has not got one cannot hand on", cg_write("a/cgroup.subtree_control", "+cpu"), ENOENT);
	CHECK_ERRNO("no files without the controller", access(cg_path("a/pids.max"), F_OK), ENOENT);
	CHECK(control("+pids +memory") == 0 && access(cg_path("a/pids.max"), F_OK) == 0);
	CHECK(cg_write("a/cgroup.subtree_control", "+pids") == 0);
	CHECK_ERRNO("what is handed on is kept", control("-pids"), EBUSY);
	CHECK("the last word counts", cg_write("a/cgroup.subtree_control", "+memory -memory -pids") == 0 && is("a/cgroup.subtree_control", ""));
	pid_t pid = fork();
	if (pid == 0) _exit(cg_join("a", 0) != 0 || cg_write("a/cgroup.subtree_control", "+memory") != -1 || errno != EBUSY || cg_write("a/cgroup.subtree_control", "+pids") != 0);
	int status;
	CHECK("no domain controllers beside processes", waitpid(pid, &status, 0) == pid && status == 0);
	CHECK("threaded ones make a threaded domain", is("a/cgroup.subtree_control", "pids\n") && is("a/cgroup.type", "domain\n"));
	CHECK(cg_write("a/cgroup.subtree_control", "-pids +memory") == 0);
	CHECK_ERRNO("no processes where controllers are handed on", cg_join("a", getpid()), EBUSY);
	CHECK(cg_write("a/cgroup.subtree_control", "-memory") == 0 && rmdir(cg_path("a/b")) == 0 && rmdir(cg_path("a")) == 0 && control("-pids -memory") == 0);
}

static void pids(void)
{
	CHECK(control("+pids") == 0 && mkdir(cg_path("p"), 0755) == 0);
	CHECK("no limit at first", is("p/pids.max", "max\n") && is("p/pids.current", "0\n") && is("p/pids.events", "max 0\n"));
	CHECK_ERRNO(cg_write("p/pids.max", "-1"), EINVAL);
	CHECK_ERRNO(cg_write("p/pids.max", "5x"), EINVAL);
	CHECK(cg_write("p/pids.max", "20\n") == 0 && is("p/pids.max", "20\n"));
	int pipes[2];
	CHECK(pipe(pipes) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (cg_join("p", 0)) _exit(1);
		/* Each child goes on forking: a bomb. */
		for (int failures = 0; failures < 50;) {
			pid_t child = fork();
			if (child < 0 && errno != EAGAIN) _exit(2);
			if (child < 0) {
				failures++;
				usleep(1000);
			}
		}
		if (write(pipes[1], "x", 1) != 1) _exit(3);
		for (;;) pause();
	}
	char buf[32];
	int got = 0;
	while (got < 20) {
		ssize_t n = read(pipes[0], buf, sizeof buf);
		if (n <= 0) break;
		got += n;
	}
	CHECK("a fork bomb stays within", got == 20 && cg_value("p/pids.current", "") == 20 && cg_value("p/pids.peak", "") == 20);
	CHECK("its refusals are counted", cg_value("p/pids.events", "max") == 1000 && cg_value("p/pids.events.local", "max") == 1000);
	CHECK("who comes from outside is let in", cg_join("p", getpid()) == 0 && cg_value("p/pids.current", "") == 21);
	pid_t child = fork();
	CHECK("but cannot fork", child == -1 && errno == EAGAIN);
	char file[600];
	snprintf(file, sizeof file, "%s/cgroup.procs", cg_top);
	int fd = open(file, O_WRONLY);
	CHECK(write(fd, "0", 1) == 1);
	close(fd);
	CHECK("one blow ends it", cg_write("p/cgroup.kill", "1") == 0 && cg_becomes("p/cgroup.events", "populated", 0));
	CHECK(waitpid(pid, NULL, 0) == pid && cg_becomes("p/pids.current", "", 0));
	pid = fork();
	if (pid == 0) _exit(cg_join("p", 0));
	siginfo_t info;
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	CHECK("a zombie counts", cg_value("p/pids.current", "") == 1 && cg_value("p/cgroup.events", "populated") == 0);
	waitpid(pid, NULL, 0);
	CHECK("until it was waited for", cg_value("p/pids.current", "") == 0);
	close(pipes[0]);
	close(pipes[1]);
	CHECK(rmdir(cg_path("p")) == 0 && control("-pids") == 0);
}

static int eats(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) return -1;
	for (size_t i = 0; i < bytes; i += 4096) p[i] = 1;
	return 0;
}

static void memory(void)
{
	CHECK(control("+memory") == 0 && mkdir(cg_path("m"), 0755) == 0 && mkdir(cg_path("m/x"), 0755) == 0);
	CHECK("nothing at first", is("m/memory.current", "0\n") && is("m/memory.max", "max\n") && is("m/memory.high", "max\n") && is("m/memory.min", "0\n") && is("m/memory.low", "0\n"));
	CHECK("events", is("m/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"));
	CHECK_ERRNO(cg_write("m/memory.max", "much"), EINVAL);
	CHECK("suffixes, whole pages", cg_write("m/memory.max", "16M") == 0 && is("m/memory.max", "16777216\n") && cg_write("m/memory.low", "5000") == 0 && is("m/memory.low", "4096\n"));
	CHECK(cg_write("m/memory.low", "0") == 0);
	int events = open(cg_path("m/memory.events"), O_RDONLY);
	char buf[65536];
	CHECK(read(events, buf, sizeof buf) > 0);

	/* One that touches 4 MiB and says so, and another that takes more than there may be. */
	int pipes[2], status;
	CHECK(pipe(pipes) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (cg_join("m", 0) || eats(4 * MIB)) _exit(1);
		if (write(pipes[1], "x", 1) != 1) _exit(2);
		pause();
	}
	CHECK(read(pipes[0], buf, 1) == 1);
	long now = cg_value("m/memory.current", "");
	CHECK("what is touched is charged", now >= 4 * MIB && now < 5 * MIB);
	long anon = cg_value("m/memory.stat", "anon");
	CHECK("as what it is", anon >= 4 * MIB && anon < 5 * MIB && cg_value("m/memory.stat", "pagetables") > 0);
	CHECK("a limit is not passed", cg_value("m/memory.peak", "") <= 16 * MIB);
	pid_t hog = fork();
	if (hog == 0) {
		if (cg_join("m", 0)) _exit(1);
		eats(64 * MIB);
		_exit(0);
	}
	CHECK("a hog dies", waitpid(hog, &status, 0) == hog && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK("alone", waitpid(pid, NULL, WNOHANG) == 0);
	CHECK("which is counted", cg_value("m/memory.events", "oom") == 1 && cg_value("m/memory.events", "oom_kill") == 1 && cg_value("m/memory.events", "max") > 0);
	struct pollfd p = {events, POLLPRI, 0};
	CHECK("and told", poll(&p, 1, 1000) == 1 && (p.revents & POLLPRI));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CHECK("the dead pay nothing", cg_value("m/memory.stat", "anon") == 0 && cg_value("m/memory.stat", "pagetables") == 0);

	/* Files: they give way, tmpfs does not. */
	pid = fork();
	if (pid == 0) {
		if (cg_join("m", 0)) _exit(1);
		int fd = open("/tmp/hog", O_CREAT | O_RDWR, 0644);
		for (int i = 0; i < 10 * MIB / (int)sizeof buf; i++)
			if (write(fd, buf, sizeof buf) != sizeof buf) _exit(2);
		_exit(0);
	}
	CHECK("a file on tmpfs", waitpid(pid, &status, 0) == pid && status == 0);
	long shmem = cg_value("m/memory.stat", "shmem");
	CHECK("is charged to who wrote it", shmem >= 10 * MIB && shmem < 11 * MIB && cg_value("m/memory.stat", "file") >= shmem);
	CHECK("and not to who goes to another group", cg_value("m/cgroup.events", "populated") == 0);
	pid = fork();
	if (pid == 0) {
		if (cg_join("m", 0)) _exit(1);
		int fd = open("/tmp/hog", O_WRONLY | O_APPEND);
		for (int i = 0; i < 20 * MIB / (int)sizeof buf; i++)
			if (write(fd, buf, sizeof buf) <= 0) _exit(2);
		_exit(0);
	}
	CHECK("too much of it kills", waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(unlink("/tmp/hog") == 0 && cg_value("m/memory.stat", "shmem") == 0);

	/* memory.oom.group: all of x die. */
	CHECK(cg_write("m/cgroup.subtree_control", "+memory") == 0 && cg_write("m/x/memory.oom.group", "1") == 0);
	CHECK_ERRNO(cg_write("m/x/memory.oom.group", "2"), EINVAL);
	pid = fork();
	if (pid == 0) {
		if (cg_join("m/x", 0) || eats(MIB)) _exit(1);
		if (write(pipes[1], "x", 1) != 1) _exit(2);
		for (;;) pause();
	}
	CHECK(read(pipes[0], buf, 1) == 1);
	hog = fork();
	if (hog == 0) {
		if (cg_join("m/x", 0)) _exit(1);
		eats(64 * MIB);
		_exit(0);
	}
	CHECK("they die together", waitpid(hog, &status, 0) == hog && WIFSIGNALED(status) && waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
	CHECK("as one", cg_value("m/x/memory.events", "oom_group_kill") == 1 && cg_value("m/x/memory.events", "oom_kill") == 2 && cg_value("m/memory.events", "oom_group_kill") == 1);
	CHECK("the limit was the one above", cg_value("m/x/memory.events", "oom") == 0);

	/* A limit that is set below what there is. */
	pid = fork();
	if (pid == 0) {
		if (cg_join("m/x", 0) || eats(8 * MIB)) _exit(1);
		if (write(pipes[1], "x", 1) != 1) _exit(2);
		for (;;) pause();
	}
	CHECK(read(pipes[0], buf, 1) == 1);
	CHECK("a limit below what is used", cg_write("m/x/memory.max", "4M") == 0 && is("m/x/memory.max", "4194304\n"));
	CHECK("is kept", waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL && cg_value("m/x/memory.current", "") <= 4 * MIB);
	CHECK("without a group, to the one above", cg_write("m/cgroup.subtree_control", "-memory") == 0 && rmdir(cg_path("m/x")) == 0);
	close(events);
	close(pipes[0]);
	close(pipes[1]);
	CHECK(rmdir(cg_path("m")) == 0 && control("-memory") == 0);
}

static void high(void)
{
	CHECK(control("+memory") == 0 && mkdir(cg_path("h"), 0755) == 0 && cg_write("h/memory.high", "4M") == 0);
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid_t pid = fork();
	if (pid == 0) _exit(cg_join("h", 0) || eats(4 * MIB + MIB / 2));
	int status;
	CHECK("past memory.high nobody dies", waitpid(pid, &status, 0) == pid && status == 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	CHECK("but waits", cg_value("h/memory.events", "high") > 0 && b.tv_sec - a.tv_sec >= 1);
	CHECK_ERRNO("what is not there is not reclaimed", cg_write("h/memory.reclaim", "100M"), EAGAIN);
	CHECK_ERRNO(cg_write("h/memory.reclaim", "some"), EINVAL);
	CHECK(rmdir(cg_path("h")) == 0 && control("-memory") == 0);
}

/* Counts as fast as it can, in memory that its parent sees. */
static pid_t counter(const char *group, volatile long *count)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (cg_join(group, 0)) _exit(1);
		for (;;) ++*count;
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void cpu(void)
{
	CHECK(control("+cpu") == 0 && mkdir(cg_path("c"), 0755) == 0 && mkdir(cg_path("d"), 0755) == 0);
	CHECK("as Linux has them", is("c/cpu.weight", "100\n") && is("c/cpu.weight.nice", "0\n") && is("c/cpu.max", "max 100000\n") && is("c/cpu.max.burst", "0\n") && is("c/cpu.idle", "0\n"));
	CHECK("nothing used", is("c/cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"));
	CHECK_ERRNO(cg_write("c/cpu.weight", "0"), ERANGE);
	CHECK_ERRNO(cg_write("c/cpu.weight", "10001"), ERANGE);
	CHECK_ERRNO(cg_write("c/cpu.weight", "x"), EINVAL);
	CHECK_ERRNO(cg_write("c/cpu.weight.nice", "20"), ERANGE);
	CHECK("nice values are weights", cg_write("c/cpu.weight.nice", "-5") == 0 && is("c/cpu.weight", "305\n") && is("c/cpu.weight.nice", "-5\n"));
	CHECK_ERRNO(cg_write("c/cpu.max", "100"), EINVAL);
	CHECK_ERRNO(cg_write("c/cpu.max", "10000 10000000"), EINVAL);
	CHECK_ERRNO(cg_write("c/cpu.max", "10000 10000 10000"), EINVAL);
	CHECK(cg_write("c/cpu.max", "5000 10000") == 0 && is("c/cpu.max", "5000 10000\n") && cg_write("c/cpu.max", "max") == 0 && is("c/cpu.max", "max 10000\n"));
	CHECK(cg_write("c/cpu.max", "max 100000") == 0 && cg_write("c/cpu.weight", "300") == 0);

	volatile long *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* Two in the lighter group: what they share is the group's. */
	pid_t heavy = counter("c", counts), light = counter("d", counts + 1), other = counter("d", counts + 2);
	while (cg_value("c/cpu.stat", "usage_usec") < 50000 || cg_value("d/cpu.stat", "usage_usec") < 50000) usleep(10000);
	long c = cg_value("c/cpu.stat", "usage_usec"), d = cg_value("d/cpu.stat", "usage_usec");
	while (cg_value("c/cpu.stat", "usage_usec") + cg_value("d/cpu.stat", "usage_usec") < c + d + 1500000) usleep(10000);
	c = cg_value("c/cpu.stat", "usage_usec") - c;
	d = cg_value("d/cpu.stat", "usage_usec") - d;
	CHECK("all do some", counts[0] > 0 && counts[1] > 0 && counts[2] > 0);
	/* What the host takes away meanwhile counts as used by who was running: so does the scheduler see it. */
	CHECK("time is shared by weight", c > 2 * d && c < 4 * d);
	if (c <= 2 * d || c >= 4 * d) printf("# %ld to %ld\n", c, d);
	end(light);
	end(other);
	end(heavy);

	CHECK(cg_write("c/cpu.max", "20000 100000") == 0);
	heavy = counter("c", counts);
	long used = cg_value("c/cpu.stat", "usage_usec"), periods = cg_value("c/cpu.stat", "nr_periods");
	while (cg_value("c/cpu.stat", "nr_throttled") < 5) usleep(10000);
	used = cg_value("c/cpu.stat", "usage_usec") - used;
	periods = cg_value("c/cpu.stat", "nr_periods") - periods;
	CHECK("no more than the quota", used < (periods + 2) * 25000 && cg_value("c/cpu.stat", "throttled_usec") > 100000);
	if (used >= (periods + 2) * 25000) printf("# %ld in %ld\n", used, periods);
	kill(heavy, SIGKILL);
	CHECK("who is throttled can die", waitpid(heavy, NULL, 0) == heavy);
	CHECK(rmdir(cg_path("c")) == 0 && rmdir(cg_path("d")) == 0 && control("-cpu") == 0);
}

static void others(void)
{
	CHECK(control("+cpuset +io") == 0 && mkdir(cg_path("o"), 0755) == 0);
	CHECK("one CPU", is("o/cpuset.cpus", "\n") && is("o/cpuset.cpus.effective", "0\n") && is("o/cpuset.mems.effective", "0\n") && is("o/cpuset.cpus.partition", "member\n"));
	CHECK("and no other", cg_write("o/cpuset.cpus", "0") == 0 && is("o/cpuset.cpus", "0\n"));
	CHECK_ERRNO(cg_write("o/cpuset.cpus", "1"), EINVAL);
	CHECK("nothing transferred, no limits", is("o/io.stat", "") && is("o/io.max", ""));
	CHECK_ERRNO(cg_write("o/io.max", "rbps=1"), EINVAL);
	CHECK_ERRNO(cg_write("o/io.max", "99:99 rbps=1"), ENODEV);
	CHECK(rmdir(cg_path("o")) == 0 && control("-cpuset -io") == 0);
}

/* A cgroup name space: its root's limits are not its own, and it does not reach out. */
static void delegation(void)
{
	CHECK(control("+pids") == 0 && mkdir(cg_path("n"), 0755) == 0 && mkdir(cg_path("n/in"), 0755) == 0 && mkdir(cg_path("out"), 0755) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (cg_join("n", 0) || unshare(CLONE_NEWCGROUP)) _exit(1);
		char line[256] = "";
		FILE *f = fopen("/proc/self/cgroup", "r");
		if (!f || !fgets(line, sizeof line, f) || strcmp(line, "0::/\n")) _exit(2);
		fclose(f);
		if (cg_write("n/pids.max", "10") != -1 || errno != EPERM) _exit(3);
		if (cg_join("out", 0) != -1 || errno != ENOENT) _exit(4);
		if (cg_join("n/in", 0) || cg_write("n/cgroup.subtree_control", "+pids")) _exit(5);
		if (cg_write("n/in/pids.max", "10")) _exit(6);
		_exit(cg_join("n", 0) != -1 || errno != EBUSY ? 7 : 0);
	}
	int status;
	CHECK("a name space keeps to itself", waitpid(pid, &status, 0) == pid && status == 0);
	if (status) printf("# %x\n", status);
	CHECK(rmdir(cg_path("n/in")) == 0 && rmdir(cg_path("n")) == 0 && rmdir(cg_path("out")) == 0 && control("-pids") == 0);
}

int main(void)
{
	if (getuid() != 0 || !cg_begin()) return T_NOT_HERE;
	hierarchy();
	pids();
	memory();
	high();
	cpu();
	others();
	delegation();
	CHECK(rmdir(cg_root) == 0);
	char top[600];
	snprintf(top, sizeof top, "%s/cgroup.subtree_control", cg_top);
	int fd = open(top, O_WRONLY);
	CHECK(write(fd, "-cpuset -cpu -io -memory -pids", 30) == 30);
	return t_failed != 0;
}
