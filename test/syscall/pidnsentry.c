/* Pid name spaces: entering them, ids that are chosen, /proc, messages across, many levels. */
#include "pidns.h"

static void entering(void)
{
	int pid = cloned(CLONE_NEWPID | CLONE_NEWUTS);
	if (pid == 0) {
		await();
		_exit(0);
	}
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
	int there = open(path, O_RDONLY), here = open("/proc/self/ns/pid", O_RDONLY);
	fflush(stdout);
	int visitor = fork();
	if (visitor == 0) {
		say(setns(there, CLONE_NEWUTS) == -1 && errno == EINVAL);
		say(setns(there, CLONE_NEWPID));
		int child = fork();
		if (child == 0) {
			say(getpid());
			say(getppid());
			say(setns(here, 0) == -1 && errno == EPERM);
			_exit(0);
		}
		say(child > 2);
		say(reap(child));
		say(setns(here, CLONE_NEWPID) == -1 && errno == EPERM);
		_exit(0);
	}
	CHECK("of another kind", hear() == 1);
	CHECK("setns is for children", hear() == 0);
	int a[5], i;
	for (i = 0; i < 5; i++) a[i] = hear();
	int sum = a[0] + a[1] + a[2] + a[3] + a[4];
	CHECK("a visitor's child has the next number there, and no parent", sum == 2 + 0 + 1 + 1 + 0);
	CHECK("no way back to what others own", hear() == 1);
	reap(visitor);
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	fflush(stdout);
	visitor = fork();
	if (visitor == 0) {
		say(setns(pidfd, 0) == -1 && errno == EINVAL);
		say(setns(pidfd, CLONE_NEWPID | CLONE_NEWUTS));
		int child = fork();
		if (child == 0) {
			say(getpid());
			_exit(0);
		}
		reap(child);
		_exit(0);
	}
	CHECK("by pidfd, of one kind at least", hear() == 1);
	CHECK("several at once", hear2(0, 3));
	reap(visitor);
	go();
	reap(pid);
	fflush(stdout);
	visitor = fork();
	if (visitor == 0) {
		say(setns(there, CLONE_NEWPID));
		say(fork() == -1 && errno == ENOMEM);
		_exit(0);
	}
	CHECK("nobody is born where all died", hear2(0, 1));
	reap(visitor);
	struct pollfd p = { pidfd, POLLIN, 0 };
	CHECK("the pidfd tells", poll(&p, 1, 1000) == 1);
}

static void chosen(void)
{
	int want[2] = { 77, 0 };
	struct clone_args a = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD, .set_tid = (unsigned long)want, .set_tid_size = 1 };
	CHECK_ERRNO("the first is 1 or nothing", syscall(SYS_clone3, &a, sizeof a), EINVAL);
	a.set_tid_size = 40;
	CHECK_ERRNO("deeper than anything", syscall(SYS_clone3, &a, sizeof a), EINVAL);
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		struct clone_args b = { .exit_signal = SIGCHLD, .set_tid = (unsigned long)want, .set_tid_size = 1 };
		int child = syscall(SYS_clone3, &b, sizeof b);
		if (child == 0) _exit(getpid() != 77);
		say(child);
		say(syscall(SYS_clone3, &b, sizeof b) == -1 && errno == EEXIST);
		say(reap(child));
		want[0] = -5;
		say(syscall(SYS_clone3, &b, sizeof b) == -1 && errno == EINVAL);
		_exit(0);
	}
	CHECK("a number that was asked for", hear() == 77);
	CHECK("once", hear() == 1);
	CHECK("is what it sees itself", hear() == 0);
	CHECK("no number", hear() == 1);
	reap(pid);
}

static void procfs(void)
{
	char dir[] = "/tmp/pidns.XXXXXX", path[128];
	t_must(mkdtemp(dir) != NULL, "mkdtemp", __LINE__);
	int pid = cloned(CLONE_NEWPID | CLONE_NEWNS);
	if (pid == 0) {
		char buf[64] = "";
		struct stat st;
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		say(readlink("/proc/self", buf, sizeof buf) > 0 && strcmp(buf, "1") != 0);
		memset(buf, 0, sizeof buf);
		say(mount("proc", dir, "proc", 0, NULL) == 0 || errno == EPERM);
		snprintf(path, sizeof path, "%s/self", dir);
		say(stat(dir, &st) == 0);
		if (readlink(path, buf, sizeof buf) > 0) say(strcmp(buf, "1") == 0);
		else say(1);
		_exit(0);
	}
	CHECK("a /proc from outside knows it from outside", hear() == 1);
	CHECK("one of its own", hear() == 1);
	hear();
	CHECK("knows it as 1", hear() == 1);
	reap(pid);
	rmdir(dir);
}

static void told(void)
{
	int s[2];
	t_must(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0, "socketpair", __LINE__);
	int on = 1;
	setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	char lockfile[] = "/tmp/pidns.XXXXXX";
	int lock = mkstemp(lockfile);
	unlink(lockfile);
	struct flock fl = { .l_type = F_WRLCK };
	fcntl(lock, F_SETLK, &fl);
	int pid = cloned(CLONE_NEWPID);
	char buf[256], c;
	struct iovec iov = { &c, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = buf, .msg_controllen = sizeof buf };
	if (pid == 0) {
		send(s[1], "x", 1, 0);
		t_must(recvmsg(s[1], &m, 0) == 1, "recvmsg", __LINE__);
		say(((struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&m)))->pid);
		struct flock f = { .l_type = F_WRLCK };
		fcntl(lock, F_GETLK, &f);
		say(f.l_type == F_WRLCK);
		say(f.l_pid);
		say(getpriority(PRIO_PROCESS, 1) == getpriority(PRIO_PROCESS, 0));
		_exit(0);
	}
	t_must(recvmsg(s[0], &m, 0) == 1, "recvmsg", __LINE__);
	CHECK("who sent it, as the receiver knows him", ((struct ucred *)CMSG_DATA(CMSG_FIRSTHDR(&m)))->pid == pid);
	send(s[0], "x", 1, 0);
	CHECK("nobody, for who cannot see him", hear() == 0);
	CHECK("a lock of somebody out of sight", hear() == 1);
	CHECK("is nobody's", hear() == 0);
	CHECK("numbers of other calls", hear() == 1);
	reap(pid);
	siginfo_t si;
	pid = cloned(CLONE_NEWPID);
	if (pid == 0) _exit(4);
	CHECK("waitid tells the parent's number", waitid(P_ALL, 0, &si, WEXITED) == 0 && si.si_pid == pid && si.si_status == 4);
}

static void deep(void)
{
	int depth = 0, status;
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		for (;;) {
			int child = cloned(CLONE_NEWPID);
			if (child < 0) _exit(errno == ENOSPC ? depth : 99);
			if (child > 0) {
				waitpid(child, &status, 0);
				_exit(WEXITSTATUS(status));
			}
			depth++;
		}
	}
	waitpid(pid, &status, 0);
	printf("# %d deep\n", WEXITSTATUS(status));
	CHECK("no deeper", WEXITSTATUS(status) == 32);
}

int main(void)
{
	ownUsers();
	t_must(pipe(up) == 0 && pipe(down) == 0, "pipe", __LINE__);
	entering();
	chosen();
	procfs();
	told();
	deep();
	return t_end();
}
