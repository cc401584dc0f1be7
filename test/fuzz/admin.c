/*
 * Root does everything that root may, at random, with several threads at work on the same memory: networks,
 * name spaces, mounts, control groups, keys, ioctls of every file. argv[1] is the first seed, argv[2] how many
 * rounds, argv[3] how many steps of each thread. The kernel must live, and in the end nobody may be left.
 */
#include "adminnet.h"
#include <ftw.h>
#include <linux/keyctl.h>
#include <linux/loop.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define THREADS 3
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWTIME | CLONE_NEWUSER)

static const char *const paths[] = {
	"/tmp/a", "/tmp/a/b", "/tmp/m", "/tmp/m/x", "/tmp", "/tmp/f", ".", "/", "/proc", "/sys", "/sys/fs/cgroup", "/sys/fs/cgroup/fuzz", "/dev", "/none", "",
};
static const char *const types[] = {"tmpfs", "proc", "sysfs", "overlay", "cgroup2", "devpts", "mqueue", "devtmpfs", "ramfs", "none", "ext4", ""};
static const char *const texts[] = {
	"lowerdir=/tmp/a,upperdir=/tmp/m,workdir=/tmp/f", "lowerdir=/tmp/a:/tmp/m", "size=64k", "mode=700", "nr_inodes=10", "ro", "hidepid=2", "newinstance", "source",
	"lowerdir", "/tmp/a", "upperdir", "/tmp/m", "size", "1m", "0", "max", "1", "-1", "+cpu +memory +pids", "-memory", "threaded", "1M", "10000 50000", "0 0 1", "some 1000 500000 ",
	"0 0 4294967295", "deny", "monotonic 5 0", "junk", "\n", "",
};
static const char *const opened[] = {
	"/proc/self/uid_map", "/proc/self/setgroups", "/proc/self/timens_offsets", "/proc/self/mountinfo", "/proc/self/mem",
	"/proc/net/route", "/proc/net/tcp", "/proc/net/netlink", "/proc/net/packet", "/proc/net/unix", "/proc/net/dev", "/proc/keys", "/proc/key-users", "/proc/pressure/cpu",
	"/proc/self/status", "/dev/ptmx", "/dev/null", "/dev/kmsg", "/dev/mem", "/tmp/f", "/tmp",
};
static const char *const controls[] = {
	"cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "cgroup.type", "cgroup.max.depth", "memory.max", "memory.high", "memory.reclaim",
	"pids.max", "cpu.max", "cpu.weight", "io.max", "cpuset.cpus", "cgroup.freeze", "cgroup.events", "memory.stat",
	"cgroup.pressure", "cpu.pressure", "memory.pressure",
};

static int some_file(void)
{
	return some(OTHER, LAST);
}

static int some_socket(void)
{
	return some(INET, CONTEXT);
}

static const char *copied(const char *s)
{
	unsigned n = strlen(s) + 1;
	unsigned char *p = place(n);
	if (p + n > pool + POOL) return s;
	memcpy(p, s, n);
	return (char *)p;
}

static int new_socket(int family, int type, int protocol)
{
	if (rnd(16) == 0) type = rnd(12), protocol = value();
	return socket(family, type | SOCK_NONBLOCK, protocol);
}

static void open_something(void)
{
	static const int inet[] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_DGRAM, SOCK_RAW};
	static const int unixes[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	static const int protocols[] = {0, 0, 0, 0, 4, 15, 16, 2};
	static const char *const spaces[] = {"user", "net", "mnt", "pid", "ipc", "uts", "time", "cgroup", "pid_for_children"};
	char path[64];
	int type;
	switch (rnd(12)) {
	case 0: case 1: case 2: case 3:
		type = PICK(inet);
		keep(new_socket(rnd(2) ? AF_INET : AF_INET6, type, type == SOCK_RAW ? rnd(256) : 0), INET, NETLINK);
		break;
	case 4: case 5:
		keep(new_socket(AF_NETLINK, SOCK_RAW, PICK(protocols)), NETLINK, PACKET);
		break;
	case 6:
		keep(new_socket(AF_PACKET, rnd(2) ? SOCK_RAW : SOCK_DGRAM, htons(rnd(2) ? 3 : 0x800)), PACKET, UNIX);
		break;
	case 7:
		keep(new_socket(AF_UNIX, PICK(unixes), 0), UNIX, CONTEXT);
		break;
	case 8:
		snprintf(path, sizeof path, "/proc/%s/ns/%s", rnd(2) ? "self" : "thread-self", PICK(spaces));
		keep(rnd(4) ? open(path, O_RDONLY) : syscall(SYS_pidfd_open, rnd(2) ? getpid() : 2 + (int)rnd(60), 0), SPACE, OTHER);
		break;
	case 9:
		snprintf(path, sizeof path, "/dev/loop%d", rnd(3));
		keep(open(rnd(4) ? path : "/dev/loop-control", O_RDWR), LOOP, SPACE);
		break;
	default:
		keep(open(PICK(opened), (rnd(2) ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY), OTHER, LAST);
	}
	if (rnd(8) == 0) close(3 + rnd(LAST));
}

static void mounts(void)
{
	const char *path = copied(PICK(paths)), *other = copied(PICK(paths));
	unsigned flags = rnd(2) ? 0 : rnd(2) ? 1u << rnd(28) : value();
	struct mount_attr *a;
	switch (rnd(13)) {
	case 0: keep(syscall(SYS_fsopen, copied(PICK(types)), rnd(8) ? 0 : value()), CONTEXT, MOUNT); break;
	case 1: syscall(SYS_fsconfig, some(CONTEXT, MOUNT), rnd(9), copied(PICK(texts)), copied(PICK(texts)), rnd(4) ? 0 : value()); break;
	case 2: syscall(SYS_fsconfig, some(CONTEXT, MOUNT), rnd(4) ? FSCONFIG_CMD_CREATE : FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0); break;
	case 3: keep(syscall(SYS_fsmount, some(CONTEXT, MOUNT), rnd(2), rnd(4) ? 0 : value()), MOUNT, LOOP); break;
	case 4: syscall(SYS_move_mount, rnd(2) ? some(MOUNT, LOOP) : AT_FDCWD, rnd(2) ? "" : path, AT_FDCWD, other, rnd(2) ? 4 : value() & 0x377); break;
	case 5: keep(syscall(SYS_open_tree, AT_FDCWD, path, rnd(2) ? 1 : rnd(2) ? 0x8001 : value()), MOUNT, LOOP); break;
	case 6:
		a = (void *)blob(sizeof *a);
		syscall(SYS_mount_setattr, rnd(2) ? AT_FDCWD : some(MOUNT, LOOP), rnd(2) ? path : "", rnd(2) ? 0x1000 : 0x9000, a, rnd(4) ? sizeof *a : rnd(64));
		break;
	case 7: keep(syscall(SYS_fspick, AT_FDCWD, path, rnd(4) ? 0 : value()), CONTEXT, MOUNT); break;
	case 8: mount(path, other, PICK(types), flags, rnd(2) ? NULL : copied(PICK(texts))); break;
	case 9: mount(path, other, NULL, PICK(((unsigned[]){4096, 4096 | 16384, 8192, 32, 1 << 20, 1 << 19, 1 << 18, 1 << 17})) | flags, NULL); break;
	case 10: umount2(path, rnd(16)); break;
	case 11: syscall(SYS_pivot_root, path, other); break;
	default:
		/* statmount, listmount */
		syscall(457 + rnd(2), blob(32), place(1024), rnd(2) ? 1024 : value(), rnd(4) ? 0 : value());
	}
}

static void keys(void)
{
	static const char *const kinds[] = {"user", "keyring", "logon", "big_key", "nothing", "."};
	long id = rnd(3) ? -(long)(1 + rnd(8)) : (long)value();
	switch (rnd(4)) {
	case 0:
		syscall(SYS_add_key, copied(PICK(kinds)), copied(PICK(texts)), place(2000), rnd(2) ? rnd(2000) : value(), id);
		break;
	case 1:
		syscall(SYS_request_key, copied(PICK(kinds)), copied(PICK(texts)), rnd(2) ? NULL : PICK(texts), id);
		break;
	default:
		syscall(SYS_keyctl, rnd(36), rnd(2) ? id : (long)(uintptr_t)copied(PICK(texts)), rnd(2) ? -(long)rnd(8) : (long)(uintptr_t)place(64),
			rnd(2) ? value() : (unsigned long)(uintptr_t)copied(PICK(texts)), value());
	}
}

static void work(int steps);

static void child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	state += getpid() * 0x9e3779b97f4a7c15ul;
	work(rnd(20));
	_exit(0);
}

static void namespaces(void)
{
	static const int kinds[] = {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWCGROUP, CLONE_NEWTIME, CLONE_NEWUSER};
	int which = rnd(2) ? PICK(kinds) : (int)(word() & NAMESPACES);
	struct clone_args *a;
	pid_t pid;
	switch (rnd(5)) {
	case 0:
		if (rnd(4) == 0) unshare(which | (rnd(4) ? 0 : CLONE_FILES | CLONE_FS));
		break;
	case 1:
		setns(some(SPACE, OTHER), rnd(2) ? 0 : which);
		break;
	case 2:
		a = (void *)place(sizeof *a);
		if ((unsigned char *)(a + 1) > pool + POOL) break;
		memset(a, 0, sizeof *a);
		a->flags = which | (rnd(2) ? CLONE_PIDFD : 0) | (rnd(8) ? 0 : CLONE_INTO_CGROUP) | (rnd(8) ? 0 : CLONE_PARENT);
		a->pidfd = (uintptr_t)place(4);
		a->exit_signal = rnd(2) ? SIGCHLD : 0;
		a->cgroup = some_file();
		if (rnd(8) == 0) a->set_tid = (uintptr_t)blob(32), a->set_tid_size = rnd(5);
		/* The others may not make the child share our stack. */
		struct clone_args safe = *a;
		safe.flags &= NAMESPACES | CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_PARENT;
		safe.stack = safe.stack_size = safe.tls = 0;
		pid = syscall(SYS_clone3, &safe, rnd(8) ? sizeof safe : rnd(120));
		if (pid == 0) child();
		break;
	case 3:
		pid = fork();
		if (pid == 0) child();
		if (pid > 0 && rnd(2)) {
			ptrace(PTRACE_SEIZE, pid, 0, word() & 0xff);
			syscall(SYS_ptrace, rnd(2) ? rnd(40) : 0x4200 + rnd(20), pid, (long)(uintptr_t)place(64), (long)(uintptr_t)place(256));
			kill(pid, rnd(2) ? SIGSTOP : SIGCONT);
		}
		break;
	default:
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0) ;
	}
}

static void groups(void)
{
	char path[100];
	const char *s = PICK(texts);
	snprintf(path, sizeof path, "/sys/fs/cgroup/fuzz/%s%s", rnd(2) ? "in/" : "", PICK(controls));
	if (rnd(8) == 0) mkdir("/sys/fs/cgroup/fuzz/in", 0755);
	if (rnd(8) == 0) rmdir("/sys/fs/cgroup/fuzz/in");
	int fd = open(path, O_RDWR | O_NONBLOCK);
	if (fd < 0) return;
	if (rnd(4) == 0 && read(fd, place(4096), 4096) < 0) errno = 0;
	if (write(fd, s, strlen(s)) < 0) errno = 0;
	if (rnd(2)) close(fd);
}

static void any_ioctl(void)
{
	static const unsigned kinds[] = {0x5400, 0x1200, 0x6600, 0x8900, 0x5300, 0x9300, 0x5800, 0x0000};
	unsigned request = PICK(kinds) + rnd(rnd(4) ? 32 : 256);
	int fd = some_file();
	switch (rnd(4)) {
	case 0: fd = some(LOOP, SPACE), request = 0x4c00 + rnd(rnd(2) ? 12 : 160); break;
	case 1: fd = some(SPACE, OTHER), request = rnd(2) ? 0xb700 + rnd(16) : 0xff00 + rnd(16); break;
	case 2: fd = some(3, LAST); break;
	}
	if (rnd(2)) request |= rnd(4) << 30 | (rnd(2) ? 8 : rnd(256)) << 16;
	if (rnd(64) == 0) request = value();
	ioctl(fd, request, rnd(3) ? (unsigned long)(uintptr_t)blob(256) : value());
}

static void files(void)
{
	int fd = some_file();
	switch (rnd(5)) {
	case 0: if (read(fd, place(4096), rnd(4096)) < 0) errno = 0; break;
	case 1: if (fd > 2 && write(fd, PICK(texts), rnd(12)) < 0) errno = 0; break;
	case 2: fcntl(fd, rnd(2) ? rnd(20) : 1024 + rnd(20), rnd(2) ? value() : (unsigned long)(uintptr_t)blob(64)); break;
	case 3: munmap(mmap(NULL, 4096 * (1 + rnd(16)), 1 + rnd(3), 1 + rnd(2), fd, 4096 * rnd(4)), 4096); break;
	default: mkdir(PICK(paths), 0755);
	}
}

static void work(int steps)
{
	for (int i = 0; i < steps; i++) {
		switch (rnd(14)) {
		case 0: open_something(); break;
		case 1: mounts(); break;
		case 2: keys(); break;
		case 3: namespaces(); break;
		case 4: groups(); break;
		case 5: any_ioctl(); break;
		case 6: files(); break;
		case 7: interface_ioctl(rnd(4) ? some(INET, NETLINK) : some_socket()); break;
		case 8: converse(some_socket()); break;
		case 9: case 10: case 11: socket_option(some_socket()); break;
		default: ask(some(NETLINK, PACKET));
		}
	}
}

struct task {
	unsigned long seed;
	int steps;
};

static void *thread(void *arg)
{
	struct task *t = arg;
	state = t->seed * 2654435761ul + 88172645463325252ul;
	work(t->steps);
	return NULL;
}

static void on_alarm(int sig)
{
	_exit(sig != SIGALRM);
}

static void play(unsigned long seed, int steps)
{
	struct rlimit files = {FILES, FILES}, procs = {60, 60}, core = {0, 0}, size = {1 << 20, 1 << 20}, cpu = {20, 20};
	struct task tasks[THREADS];
	pthread_t threads[THREADS];
	state = seed * 2654435761ul + 1;
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_NPROC, &procs);
	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_FSIZE, &size);
	setrlimit(RLIMIT_CPU, &cpu);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	signal(SIGALRM, on_alarm);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* What is done to these is gone with them. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)) _exit(1);
	mount(NULL, "/", NULL, 1 << 18 | 16384, NULL);
	mount("tmpfs", "/tmp", "tmpfs", 0, "size=2m");
	mkdir("/tmp/a", 0755);
	mkdir("/tmp/m", 0755);
	close(open("/tmp/f", O_CREAT | O_RDWR, 0644));
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	for (int i = 0; i < 150; i++) open_something();
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	ioctl(s, SIOCSIFFLAGS, &lo);
	close(s);
	alarm(5);
	for (int i = 0; i < THREADS; i++) {
		tasks[i] = (struct task){seed * THREADS + i, steps};
		if (pthread_create(&threads[i], NULL, thread, &tasks[i])) _exit(1);
	}
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
	_exit(0);
}

static int remove_group(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	if (kind == FTW_DP && at->level > 0) rmdir(path);
	return 0;
}

/* What outlives a round, control groups and loop devices, goes: seen from where nobody has mounted anything over them. */
static void clean_up(int home)
{
	char path[64];
	pid_t p = fork();
	if (p > 0) waitpid(p, NULL, 0);
	if (p != 0) return;
	if (setns(home, CLONE_NEWNS)) _exit(1);
	/* Process 1 may have been sent there. */
	int top = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	if (write(top, "1", 1) != 1) perror("cgroup.procs");
	close(top);
	nftw("/sys/fs/cgroup", remove_group, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	int control = open("/dev/loop-control", O_RDWR);
	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof path, "/dev/loop%d", i);
		int fd = open(path, O_RDWR);
		if (fd >= 0) ioctl(fd, LOOP_CLR_FD), close(fd);
		if (i >= 8) ioctl(control, LOOP_CTL_REMOVE, i);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long seed = argc > 1 ? strtoul(argv[1], 0, 0) : 1;
	int rounds = argc > 2 ? atoi(argv[2]) : 10, steps = argc > 3 ? atoi(argv[3]) : 300;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	int home = open("/proc/self/ns/mnt", O_RDONLY);
	/* Those who find their way to us shall not be where process 1 is. */
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)) return 1;
	for (int i = 0; i < rounds; i++, seed++) {
		mkdir("/sys/fs/cgroup/fuzz", 0755);
		pid_t p = fork();
		if (p == 0) {
			close(home);
			play(seed, steps);
		}
		if (p < 0) return 1;
		/* They may have stopped or frozen themselves. */
		for (int n = 0; waitpid(p, NULL, __WALL | WNOHANG) != p; n++) {
			usleep(10000);
			if (n == 1000) kill(p, SIGKILL);
		}
		/* There is nobody else but process 1. */
		do kill(-1, SIGKILL);
		while (waitpid(-1, NULL, __WALL) > 0);
		clean_up(home);
	}
	printf("alive\n");
	return 0;
}
