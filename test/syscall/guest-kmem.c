/*
 * What the kernel keeps for the threads of a control group is charged to the group: open files, pipes, watches, maps. It
 * counts for memory.max, comes back when it is let go of, and goes to the parent when the group goes.
 */
#include "cg.h"
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { FILES = 2000 };

static int go[2], come[2];

static void tell(char c) { CHECK(write(come[1], &c, 1) == 1); }
static void await(void) { char c; CHECK(read(go[0], &c, 1) == 1); }
static void step(void) { char c = 0; CHECK(write(go[1], &c, 1) == 1 && read(come[0], &c, 1) == 1); }

static long kernel(const char *group)
{
	char name[64];
	snprintf(name, sizeof name, "%s/memory.stat", group);
	return cg_value(name, "slab");
}

static long current(const char *group)
{
	char name[64];
	snprintf(name, sizeof name, "%s/memory.current", group);
	return cg_value(name, "");
}

/* In the group, a step at a time. */
static void worker(void)
{
	static int fds[FILES];
	char c[4096] = { 0 };
	await();
	for (int i = 0; i < FILES; i++) CHECK((fds[i] = open("/dev/null", O_RDONLY)) >= 0);
	tell(0);
	await();
	for (int i = 0; i < FILES; i++) close(fds[i]);
	tell(0);
	await();
	int p[2], s[2];
	CHECK(pipe(p) == 0 && fcntl(p[0], F_SETPIPE_SZ, 1 << 20) == 1 << 20);
	for (int i = 0; i < 256; i++) CHECK(write(p[1], c, sizeof c) == sizeof c);
	tell(0);
	await();
	close(p[0]);
	close(p[1]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	for (int i = 0; i < 16; i++) CHECK(write(s[0], c, sizeof c) == sizeof c);
	tell(0);
	await();
	close(s[0]);
	close(s[1]);
	char *many = mmap(0, 2000 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2000; i += 2) mprotect(many + i * 4096, 4096, PROT_NONE);
	tell(0);
	await();
	munmap(many, 2000 * 4096);
	/* As much as there may be. */
	int n = 0;
	while (n < FILES && (fds[n] = open("/dev/null", O_RDONLY)) >= 0) n++;
	int full = n < FILES && errno == ENFILE;
	while (n > 0) close(fds[--n]);
	tell(0);
	await();
	_exit(!full);
}

int main(void)
{
	struct rlimit r = { FILES + 100, FILES + 100 };
	if (!cg_begin()) return T_NOT_HERE;
	setrlimit(RLIMIT_NOFILE, &r);
	CHECK(cg_write("../cgroup.subtree_control", "+memory") == 0 && cg_write("cgroup.subtree_control", "+memory") == 0);
	CHECK(mkdir(cg_path("a"), 0755) == 0 && cg_write("a/cgroup.subtree_control", "+memory") == 0);
	CHECK(mkdir(cg_path("a/b"), 0755) == 0 && pipe(go) == 0 && pipe(come) == 0);
	pid_t p = fork();
	if (p == 0) {
		CHECK(cg_join("a/b", getpid()) == 0);
		pid_t child = fork();
		if (child == 0) worker();
		int st;
		waitpid(child, &st, 0);
		_exit(WEXITSTATUS(st));
	}
	while (cg_value("a/b/cgroup.events", "populated") != 1) usleep(1000);
	long before = kernel("a/b"), held = current("a/b");
	step();
	CHECK("open files are charged", kernel("a/b") >= before + FILES * 256 && current("a/b") >= held + FILES * 256);
	CHECK("to those above, too", current("a") >= current("a/b") && kernel("a") >= kernel("a/b"));
	step();
	CHECK("until they are closed", kernel("a/b") < before + FILES * 64);
	long idle = kernel("a/b");
	step();
	CHECK("what is in pipes", kernel("a/b") >= idle + (1 << 20));
	step();
	CHECK("no more when they are closed; what is in sockets", kernel("a/b") >= idle + 65536 && kernel("a/b") < idle + (1 << 19));
	step();
	CHECK("maps", kernel("a/b") >= idle + 100000 && kernel("a/b") < idle + (1 << 20));
	char limit[32];
	snprintf(limit, sizeof limit, "%ld", current("a/b") + 200 * 1024);
	CHECK(cg_write("a/b/memory.max", limit) == 0);
	step();
	CHECK("there is no more of them than memory.max", cg_value("a/b/memory.events", "max") > 0);
	CHECK("and nobody is killed for that", cg_value("a/b/memory.events", "oom_kill") == 0);
	CHECK(cg_write("a/b/memory.max", "max") == 0 && write(go[1], "", 1) == 1);
	int st;
	CHECK("but refused", waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == 0);
	CHECK("then nothing is left", kernel("a/b") == 0);

	/* Who leaves keeps what he has open: it stays charged where it was made, and then above. */
	CHECK(cg_join("a/b", getpid()) == 0);
	int fd[100];
	for (int i = 0; i < 100; i++) CHECK((fd[i] = open("/dev/null", O_RDONLY)) >= 0);
	CHECK(cg_join("..", getpid()) == 0);
	CHECK("it stays when its process leaves", kernel("a/b") >= 100 * 256);
	CHECK(rmdir(cg_path("a/b")) == 0);
	CHECK("and is the parent's when the group goes", kernel("a") >= 100 * 256);
	for (int i = 0; i < 100; i++) close(fd[i]);
	CHECK("where it comes back", kernel("a") == 0 && current("a") < 65536);
	CHECK(rmdir(cg_path("a")) == 0 && rmdir(cg_root) == 0);
	return t_failed != 0;
}
