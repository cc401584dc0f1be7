/*
 * What hostile programs try with name spaces: gain by maps that others write for them, fork without end in nested
 * ones, race to enter what ends, pass files of name spaces around, look at others through /proc.
 */
#include "t.h"
#include "put.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

static uid_t me;
static gid_t myGroup;

static void drop(void)
{
	if (geteuid() == 0) {
		if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000)) _exit(9);
		prctl(PR_SET_DUMPABLE, 1);
	}
	me = geteuid();
	myGroup = getegid();
}

static int enter(int flags)
{
	char s[64];
	if (unshare(CLONE_NEWUSER) != 0) return -1;
	snprintf(s, sizeof s, "0 %d 1", me);
	if (put("/proc/self/uid_map", s) || put("/proc/self/setgroups", "deny")) return -1;
	snprintf(s, sizeof s, "0 %d 1", myGroup);
	if (put("/proc/self/gid_map", s)) return -1;
	return flags ? unshare(flags) : 0;
}

static int cloned(unsigned long long flags)
{
	struct clone_args a = { .flags = flags, .exit_signal = SIGCHLD };
	fflush(stdout);
	return syscall(SYS_clone3, &a, sizeof a);
}

static int reap(int pid)
{
	int status = -1;
	waitpid(pid, &status, 0);
	return status;
}

static void sendFile(int s, int fd)
{
	char c = 0, buf[CMSG_SPACE(sizeof fd)] = { 0 };
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	t_must(sendmsg(s, &m, 0) == 1, "sendmsg", __LINE__);
}

static int receiveFile(int s)
{
	char c, buf[CMSG_SPACE(sizeof(int))];
	int fd;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	t_must(recvmsg(s, &m, 0) == 1 && CMSG_FIRSTHDR(&m), "recvmsg", __LINE__);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
	return fd;
}

/* A descriptor of uid_map that the weak opened does not get stronger in the hands of the strong. */
static void openedByTheWeak(void)
{
	int s[2], go[2];
	char c;
	t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0 && pipe(go) == 0, "setup", __LINE__);
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		if (geteuid() == 0) drop();
		if (unshare(CLONE_NEWUSER) != 0) _exit(1);
		sendFile(s[1], open("/proc/self/uid_map", O_WRONLY));
		sendFile(s[1], open("/proc/self/setgroups", O_RDONLY));
		t_must(read(go[0], &c, 1) == 1, "go", __LINE__);
		_exit(0);
	}
	int fd = receiveFile(s[0]), groups = receiveFile(s[0]);
	CHECK_ERRNO("a range, by who may map it, through a file of who may not", write(fd, "0 100000 10", 11), EPERM);
	CHECK_ERRNO("root, the same way", write(fd, "0 0 1", 5), EPERM);
	CHECK_ERRNO("a file that was opened to be read", write(groups, "deny", 4), EBADF);
	t_must(write(go[1], "x", 1) == 1, "go", __LINE__);
	reap(pid);
	CHECK("the file outlives its process", write(fd, "0 0 1", 5) == -1);
	close(fd);
	close(groups);
}

/* Set-id programs and files of others stay what they are for who is root inside. */
static void gain(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		t_must(enter(CLONE_NEWNS | CLONE_NEWPID) == 0, "enter", __LINE__);
		CHECK_ERRNO("the root made read-only for all", umount2("/", 0) == -1 && (errno == EPERM || errno == EINVAL) ? (errno = EPERM, -1) : 0, EPERM);
		CHECK_ERRNO("a file system's options", mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL), EPERM);
		CHECK_ERRNO("another's process", ptrace(PTRACE_ATTACH, 1, 0, 0), EPERM);
		CHECK_ERRNO("another's signals", kill(1, SIGTERM), EPERM);
		CHECK_ERRNO("another's memory", open("/proc/1/mem", O_RDWR), EACCES);
		CHECK_ERRNO("another's name spaces", open("/proc/1/ns/user", O_RDONLY), EACCES);
		CHECK_ERRNO("another's root", open("/proc/1/root/etc", O_RDONLY), EACCES);
		CHECK_ERRNO("modules of the kernel, or no such call", syscall(SYS_delete_module, "x", 0) == -1 && (errno == EPERM || errno == ENOSYS) ? (errno = EPERM, -1) : 0, EPERM);
		CHECK_ERRNO("the machine's end", syscall(SYS_reboot, 0xfee1dead, 672274793, 0, 0), EPERM);
		CHECK_ERRNO("the machine's clock", syscall(SYS_clock_settime, 0, &(struct timespec){ 1, 0 }), EPERM);
		CHECK_ERRNO("real-time above one's limits", setpriority(PRIO_PROCESS, 0, -20), EACCES);
		_exit(t_failed != 0);
	}
	if (reap(pid) != 0) t_failed++;
	t_count += 11;
}

/* Forks without end, each in a pid name space of its own, end with the first. */
static void bomb(void)
{
	int out[2], n;
	t_must(pipe(out) == 0, "pipe", __LINE__);
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		t_must(enter(0) == 0, "enter", __LINE__);
		int top = cloned(CLONE_NEWPID);
		if (top == 0) {
			struct rlimit r = { 60, 60 };
			setrlimit(RLIMIT_NPROC, &r);
			for (;;) {
				int child = cloned(CLONE_NEWPID);
				if (child < 0) break;
				if (child > 0 && fork() > 0) break;
			}
			n = 1;
			if (write(out[1], &n, sizeof n) < 0) _exit(1);
			for (;;) pause();
		}
		t_must(read(out[0], &n, sizeof n) == sizeof n, "read", __LINE__);
		kill(top, SIGKILL);
		int r = reap(top);
		_exit(r == SIGKILL ? 0 : 1);
	}
	CHECK("a bomb in nested name spaces", reap(pid) == 0);
	close(out[1]);
	char buf[4096];
	while (read(out[0], buf, sizeof buf) > 0) {}
	CHECK("all of it is gone", read(out[0], buf, 1) == 0);
	close(out[0]);
}

/* Enters what is about to end, again and again. */
static void races(void)
{
	int good = 0, dead = 0, bad = 0;
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		t_must(enter(0) == 0, "enter", __LINE__);
		for (int i = 0; i < 24; i++) {
			int there = cloned(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC);
			if (there == 0) {
				if (i % 3 == 0) _exit(0);
				if (i % 3 == 1) sched_yield();
				for (;;) pause();
			}
			int pidfd = syscall(SYS_pidfd_open, there, 0);
			if (i % 3 == 1) kill(there, SIGKILL);
			int visitor = fork();
			if (visitor == 0) {
				if (setns(pidfd, CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC) != 0) _exit(errno == ESRCH ? 1 : 3);
				int child = fork();
				if (child == 0) _exit(0);
				_exit(child > 0 ? 0 : errno == ENOMEM ? 1 : 3);
			}
			if (i % 3 == 2) kill(there, SIGKILL);
			int r = WEXITSTATUS(reap(visitor));
			if (r == 0) good++;
			else if (r == 1) dead++;
			else bad++;
			kill(there, SIGKILL);
			reap(there);
			close(pidfd);
		}
		_exit(bad != 0 || good + dead != 24);
	}
	CHECK("either there or nowhere", reap(pid) == 0);
}

/* Files of name spaces that are passed to their own sockets, and to each other's. */
static void passed(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		t_must(enter(0) == 0, "enter", __LINE__);
		for (int i = 0; i < 10; i++) {
			int s[2];
			if (unshare(CLONE_NEWNET) != 0) _exit(errno == ENOSPC || errno == ENOMEM ? 0 : 2);
			if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s) != 0) _exit(3);
			sendFile(s[0], open("/proc/self/ns/net", O_RDONLY));
			sendFile(s[0], s[1]);
			close(s[0]);
			close(s[1]);
		}
		_exit(0);
	}
	CHECK("a network in a message of its own socket", reap(pid) == 0);
}

/* A socket of the network outside is no more to be ruled from inside than before. */
static void outerSocket(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		int one = 1, high = 7;
		drop();
		int s = socket(AF_INET, SOCK_DGRAM, 0);
		t_must(enter(CLONE_NEWNET) == 0, "enter", __LINE__);
		if (setsockopt(s, SOL_SOCKET, SO_MARK, &one, sizeof one) != -1 || errno != EPERM) _exit(1);
		if (setsockopt(s, SOL_SOCKET, SO_PRIORITY, &high, sizeof high) != -1 || errno != EPERM) _exit(2);
		struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		union {
			struct cmsghdr h;
			char room[CMSG_SPACE(sizeof one)];
		} c = {.h = {CMSG_LEN(sizeof one), SOL_SOCKET, SO_MARK}};
		struct iovec v = {&one, sizeof one};
		struct msghdr m = {&to, sizeof to, &v, 1, &c, sizeof c};
		if (sendmsg(s, &m, 0) != -1 || errno != EPERM) _exit(4);
		c.h.cmsg_len++;
		if (sendmsg(s, &m, 0) != -1 || errno != EPERM) _exit(5);
		int inner = socket(AF_INET, SOCK_DGRAM, 0);
		if (setsockopt(inner, SOL_SOCKET, SO_MARK, &one, sizeof one) != 0) _exit(3);
		_exit(0);
	}
	CHECK("marks are for who rules the socket's network", reap(pid) == 0);
}

/* As many as there may be, of every kind, and then some. */
static void flood(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		t_must(enter(0) == 0, "enter", __LINE__);
		if (put("/proc/sys/user/max_ipc_namespaces", "50") || put("/proc/sys/user/max_net_namespaces", "4")) _exit(1);
		int ipc = 0, net = 0;
		while (ipc < 100 && unshare(CLONE_NEWIPC) == 0) ipc++, open("/proc/self/ns/ipc", O_RDONLY);
		if (errno != ENOSPC || ipc != 50) _exit(2);
		while (net < 100 && unshare(CLONE_NEWNET) == 0) net++, open("/proc/self/ns/net", O_RDONLY);
		if (errno != ENOSPC || net != 4) _exit(3);
		if (put("/proc/sys/user/max_ipc_namespaces", "2147483648") == 0) _exit(4);
		_exit(0);
	}
	CHECK("a flood of name spaces has an end", reap(pid) == 0);
}

int main(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		drop();
		_exit(enter(0) == 0 ? 0 : T_NOT_HERE);
	}
	if (reap(pid) != 0) return T_NOT_HERE;
	openedByTheWeak();
	gain();
	bomb();
	races();
	passed();
	outerSocket();
	flood();
	return t_end();
}
