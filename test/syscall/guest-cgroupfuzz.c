/*
 * Random changes to the tree of control groups, with processes that eat, spin, fork and sleep in it: the kernel
 * stays whole, nothing is left. For the guest alone, since it does what no host would like. Seed: first argument.
 */
#include "cg.h"
#include <dirent.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static unsigned state = 1;

static unsigned rnd(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 8) % n;
}

static const char *const NAMES[] = {"a", "b", "a/b", "a/b/c", "b/a", "b/a/c", "a/b/c/d", "."};
static const char *const FILES[] = {
	"cgroup.procs", "cgroup.threads", "cgroup.type", "cgroup.subtree_control", "cgroup.freeze", "cgroup.kill", "cgroup.max.depth",
	"cgroup.max.descendants", "cpu.weight", "cpu.weight.nice", "cpu.max", "cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems",
	"cpuset.cpus.partition", "io.max", "memory.min", "memory.low", "memory.high", "memory.max", "memory.oom.group", "memory.reclaim",
	"memory.peak", "pids.max", "cgroup.events", "cgroup.stat", "cpu.stat", "memory.stat", "memory.events", "pids.events", "io.stat",
};
static const char *const TEXTS[] = {
	"0", "1", "-1", "max", "2", "threaded", "+cpu", "-cpu", "+memory +pids", "-memory", "+pids", "-pids", "+cpuset +io", "-cpuset -io",
	"10000 50000", "max 100000", "50", "10000", "4M", "8M", "1M", "64K", "", "\n", "root", "member", "254:0 wbps=1000000", "0-0", "99999999999999999999",
	"1e9", "0x10", "+", "-", "junk junk junk", "\377\0\1",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *anyName(void)
{
	return NAMES[rnd(COUNT(NAMES))];
}

static void child(int what)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0;; i++) {
		if (what == 0) {
			char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (p != MAP_FAILED) memset(p, i, 1 << 20);
			if (i % 8 == 7) _exit(0);
		} else if (what == 1) {
			for (volatile int k = 0; k < 100000; k++) ;
		} else if (what == 2) {
			pid_t pid = fork();
			if (pid == 0) _exit(0);
			if (pid > 0) waitpid(pid, NULL, 0);
		} else {
			char text[4096];
			char path[64];
			snprintf(path, sizeof path, "/tmp/fuzz-%d", i % 4);
			int fd = open(path, O_CREAT | O_RDWR, 0644);
			for (int k = 0; k < 64; k++) if (write(fd, text, sizeof text) < 0) break;
			close(fd);
			unlink(path);
		}
		usleep(1000);
	}
}

static void step(void)
{
	char path[256], text[64];
	switch (rnd(10)) {
	case 0: case 1:
		mkdir(cg_path(anyName()), 0755);
		break;
	case 2:
		rmdir(cg_path(anyName()));
		break;
	case 3: {
		pid_t pid = fork();
		if (pid == 0) {
			snprintf(path, sizeof path, "%s/cgroup.procs", anyName());
			cg_write(path, "0");
			child(rnd(4));
		}
		break;
	}
	case 4:
		snprintf(path, sizeof path, "%s/cgroup.procs", anyName());
		snprintf(text, sizeof text, "%u", getpid() + rnd(60));
		cg_write(path, text);
		break;
	case 5: case 6:
		snprintf(path, sizeof path, "%s/%s", anyName(), FILES[rnd(COUNT(FILES))]);
		cg_read(path);
		break;
	default:
		snprintf(path, sizeof path, "%s/%s", anyName(), FILES[rnd(COUNT(FILES))]);
		cg_write(path, TEXTS[rnd(COUNT(TEXTS))]);
	}
	while (waitpid(-1, NULL, WNOHANG) > 0) ;
}

/* Takes the tree down: its groups thawed and killed first, from below. */
static void clear(const char *dir)
{
	char path[1024];
	DIR *d = opendir(dir);
	struct dirent *e;
	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.') {
			snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
			clear(path);
		}
	if (d) closedir(d);
	snprintf(path, sizeof path, "%s/cgroup.kill", dir);
	int fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, "1", 1) < 0) perror(path);
	close(fd);
	for (int i = 0; i < 1000 && rmdir(dir) < 0 && errno == EBUSY; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0) ;
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	if (getuid() != 0 || !cg_begin()) return T_NOT_HERE;
	if (argc > 1) state = atoi(argv[1]);
	char top[600];
	snprintf(top, sizeof top, "%s/cgroup.subtree_control", cg_top);
	int fd = open(top, O_WRONLY);
	CHECK(write(fd, "+cpuset +cpu +io +memory +pids", 30) == 30);
	close(fd);
	/* The one who breaks things is in no group, and not the first to die when memory is out. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	struct timespec began, now;
	clock_gettime(CLOCK_MONOTONIC, &began);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		for (int i = 0; i < 1500; i++) {
			step();
			clock_gettime(CLOCK_MONOTONIC, &now);
			if (now.tv_sec - began.tv_sec > 8) break;
		}
		_exit(0);
	}
	/* It may have frozen, throttled or killed itself. */
	for (int i = 0; i < 120 && waitpid(pid, NULL, WNOHANG) == 0; i++) usleep(100000);
	kill(pid, SIGKILL);
	/* Process 1 may have been moved, and does not die. */
	snprintf(top, sizeof top, "%s/cgroup.procs", cg_top);
	fd = open(top, O_WRONLY);
	CHECK(write(fd, "1", 1) == 1);
	close(fd);
	clear(cg_root);
	while (waitpid(-1, NULL, 0) > 0) ;
	CHECK("nothing is left of it", access(cg_root, F_OK) == -1);
	snprintf(top, sizeof top, "%s/cgroup.subtree_control", cg_top);
	fd = open(top, O_WRONLY);
	CHECK("nobody is in need of a controller", write(fd, "-cpuset -cpu -io -memory -pids", 30) == 30);
	return t_failed != 0;
}
