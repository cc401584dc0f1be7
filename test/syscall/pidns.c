/* Pid name spaces: who has which number where, what an init is, and how it all ends. */
#include "t.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int up[2], down[2];

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) perror(path);
	close(fd);
}

/* A user name space in which whoever runs this is root. */
static void ownUsers(void)
{
	char s[64];
	int uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER) != 0) exit(T_NOT_HERE);
	snprintf(s, sizeof s, "0 %d 1", uid);
	put("/proc/self/uid_map", s);
	put("/proc/self/setgroups", "deny");
	snprintf(s, sizeof s, "0 %d 1", gid);
	put("/proc/self/gid_map", s);
}

/* A child with these CLONE_* flags. */
static int cloned(unsigned long long flags)
{
	struct clone_args a = { .flags = flags, .exit_signal = SIGCHLD };
	fflush(stdout);
	return syscall(SYS_clone3, &a, sizeof a);
}

static void say(int n)
{
	t_must(write(up[1], &n, sizeof n) == sizeof n, "say", __LINE__);
}

static int hear(void)
{
	int n = -1;
	if (read(up[0], &n, sizeof n) != sizeof n) n = -1;
	return n;
}

/* Whether the next two that are said are these. */
static int hear2(int a, int b)
{
	int x = hear(), y = hear();
	return x == a && y == b;
}

static void go(void)
{
	t_must(write(down[1], "x", 1) == 1, "go", __LINE__);
}

static void await(void)
{
	char c;
	t_must(read(down[0], &c, 1) == 1, "await", __LINE__);
}

static int reap(int pid)
{
	int status = -1;
	t_must(waitpid(pid, &status, 0) == pid, "waitpid", __LINE__);
	return status;
}

/* What the line `name` of /proc/PID/status says. */
static char *line(const char *who, const char *name)
{
	static char buf[8192];
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/status", who);
	FILE *f = fopen(path, "r");
	if (!f) return "";
	while (fgets(buf, sizeof buf, f)) {
		if (strncmp(buf, name, strlen(name)) == 0) {
			fclose(f);
			buf[strcspn(buf, "\n")] = 0;
			return buf + strlen(name);
		}
	}
	fclose(f);
	return "";
}

static void numbers(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		say(getpid());
		say(getppid());
		say(syscall(SYS_gettid));
		say(getpgid(0));
		say(getsid(0));
		int child = fork();
		if (child == 0) {
			say(getpid());
			say(getppid());
			_exit(7);
		}
		int status;
		say(waitpid(-1, &status, 0));
		say(WEXITSTATUS(status));
		say(kill(getpid() + 100, 0) == -1 && errno == ESRCH);
		await();
		_exit(3);
	}
	CHECK("the first is 1", hear() == 1);
	CHECK("its parent has no number there", hear() == 0);
	CHECK("nor is its thread another", hear() == 1);
	CHECK("its group and session are not there", hear2(0, 0));
	CHECK("the next is 2, its parent 1", hear2(2, 1));
	CHECK("waited for by that number", hear2(2, 7));
	CHECK("nobody else there", hear() == 1);
	char who[16], want[64];
	snprintf(who, sizeof who, "%d", pid);
	snprintf(want, sizeof want, "\t%d\t1", pid);
	CHECK("NSpid has both", strcmp(line(who, "NSpid:"), want) == 0);
	CHECK("NSpgid only what it has", strchr(line(who, "NSpgid:") + 1, '\t') != NULL);
	go();
	CHECK("it is a child like any other", WEXITSTATUS(reap(pid)) == 3);
}

static void forChildren(void)
{
	char a[64] = "", b[64] = "";
	int self = getpid();
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		t_must(unshare(CLONE_NEWPID) == 0, "unshare", __LINE__);
		say(getpid() != 1);
		say(readlink("/proc/self/ns/pid", a, sizeof a) > 0);
		say(readlink("/proc/self/ns/pid_for_children", b, sizeof b) == -1 && errno == ENOENT);
		say(unshare(CLONE_NEWPID) == -1 && errno == EINVAL);
		int first = fork();
		if (first == 0) {
			say(getpid());
			for (;;) pause();
		}
		await();
		say(readlink("/proc/self/ns/pid_for_children", b, sizeof b) > 0 && strcmp(a, b) != 0);
		int second = fork();
		if (second == 0) {
			say(getpid());
			_exit(0);
		}
		reap(second);
		struct clone_args t = { .flags = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND };
		say(syscall(SYS_clone3, &t, sizeof t) == -1 && errno == EINVAL);
		kill(first, SIGKILL);
		reap(first);
		say(fork() == -1 && errno == ENOMEM);
		_exit(0);
	}
	CHECK("unshare is for children", hear2(1, 1));
	CHECK("of whom there is none yet", hear() == 1);
	CHECK("once only", hear() == 1);
	CHECK("the first child is init", hear() == 1);
	go();
	CHECK("and the link leads there", hear() == 1);
	CHECK("the second is the second", hear() == 2);
	CHECK("no threads of both", hear() == 1);
	CHECK("nothing after its init", hear() == 1);
	CHECK("the end", reap(pid) == 0 && getpid() == self);
}

static volatile int got;

static void note(int sig)
{
	got = sig;
}

static void signals(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		say(kill(1, SIGKILL));
		say(kill(1, SIGTERM));
		int child = fork();
		if (child == 0) {
			kill(1, SIGKILL);
			kill(1, SIGSTOP);
			kill(1, SIGTERM);
			_exit(0);
		}
		reap(child);
		say(1);
		signal(SIGUSR1, note);
		child = fork();
		if (child == 0) {
			kill(1, SIGUSR1);
			_exit(0);
		}
		reap(child);
		say(got == SIGUSR1);
		say(kill(-1, SIGTERM) == -1 && errno == ESRCH);
		await();
		siginfo_t si;
		sigset_t set;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigprocmask(SIG_BLOCK, &set, NULL);
		say(0);
		sigwaitinfo(&set, &si);
		say(si.si_pid);
		for (;;) pause();
	}
	CHECK("an init survives itself", hear2(0, 0));
	CHECK("and its children", hear() == 1);
	CHECK("what it handles reaches it", hear() == 1);
	CHECK("it and who signals are not everybody", hear() == 1);
	go();
	hear();
	kill(pid, SIGUSR2);
	CHECK("a sender from outside has no number", hear() == 0);
	int status;
	kill(pid, SIGTERM);
	kill(pid, SIGSTOP);
	CHECK("SIGSTOP from outside stops it", waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	kill(pid, SIGCONT);
	CHECK("SIGTERM from outside does nothing", waitpid(pid, &status, WNOHANG) == 0);
	kill(pid, SIGKILL);
	CHECK("SIGKILL ends it", reap(pid) == SIGKILL);
}

static void endOfAll(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			int child = fork();
			if (child == 0) {
				signal(SIGTERM, SIG_IGN);
				int inner = cloned(CLONE_NEWPID);
				if (inner == 0) {
					close(up[0]);
					for (;;) pause();
				}
				for (;;) pause();
			}
		}
		say(1);
		await();
		_exit(5);
	}
	hear();
	go();
	CHECK("its init ends", WEXITSTATUS(reap(pid)) == 5);
	close(up[1]);
	int n;
	CHECK("and with it all in there", read(up[0], &n, sizeof n) == 0);
	close(up[0]);
	t_must(pipe(up) == 0, "pipe", __LINE__);
}

static void orphans(void)
{
	int pid = cloned(CLONE_NEWPID);
	if (pid == 0) {
		int child = fork();
		if (child == 0) {
			int grandchild = fork();
			if (grandchild == 0) {
				while (getppid() != 1) usleep(1000);
				say(getppid());
				_exit(9);
			}
			_exit(0);
		}
		reap(child);
		int status, orphan = wait(&status);
		say(orphan);
		say(WEXITSTATUS(status));
		_exit(0);
	}
	CHECK("orphans go to init", hear() == 1 && hear2(3, 9));
	reap(pid);
}

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
	numbers();
	forChildren();
	signals();
	endOfAll();
	orphans();
	entering();
	chosen();
	procfs();
	told();
	deep();
	return t_end();
}
